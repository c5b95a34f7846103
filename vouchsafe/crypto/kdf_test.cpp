#include "vouchsafe/crypto/kdf.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

// RFC 5869, A.1 to A.3.
TEST(Hkdf, GivesThePublishedKeys) {
    Bytes key(22, 0x0b);
    EXPECT_EQ(
        encode_hex(hkdf(HashAlg::sha256, key, hex("000102030405060708090a0b0c"),
                        hex("f0f1f2f3f4f5f6f7f8f9"), 42)
                       .expose()),
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    EXPECT_EQ(
        encode_hex(hkdf(HashAlg::sha256, key, {}, {}, 42).expose()),
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
    Bytes long_key, salt, info;
    for (int i = 0; i < 80; ++i) {
        long_key.push_back(static_cast<uint8_t>(i));
        salt.push_back(static_cast<uint8_t>(0x60 + i));
        info.push_back(static_cast<uint8_t>(0xb0 + i));
    }
    EXPECT_EQ(encode_hex(hkdf(HashAlg::sha256, long_key, salt, info, 82).expose()),
              "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
              "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
              "cc30c58179ec3e87c14c01d5c1f3434f1d87");
}

TEST(Hkdf, TakesTheSizesItPromises) {
    Bytes info(kMaxHkdfInfo, 1);
    SecretBytes out = hkdf(HashAlg::sha512, Bytes{1}, {}, info, 255 * 64);
    EXPECT_EQ(out.size(), 255U * 64);
    EXPECT_FALSE(all_zero(out.expose().last(32)));
}

TEST(HkdfDeathTest, SizesOutsideTheLimitsAreABug) {
    EXPECT_DEATH(hkdf(HashAlg::sha256, Bytes{1}, {}, {}, 255 * 32 + 1), "limits of HKDF");
    EXPECT_DEATH(hkdf(HashAlg::sha256, {}, {}, {}, 32), "limits of HKDF");
}

// RFC 7914, 12.
TEST(Scrypt, GivesThePublishedKeys) {
    EXPECT_EQ(encode_hex(scrypt({}, {}, 16, 1, 1, 64).expose()),
              "77d6576238657b203b19ca42c18a0497f16b4844e3074ae8dfdffa3fede21442"
              "fcd0069ded0948f8326a753a0fc81f17e8d3e0fb2e0d3628cf35e20c38d18906");
    EXPECT_EQ(encode_hex(scrypt(as_bytes("password"), as_bytes("NaCl"), 1024, 8, 16, 64).expose()),
              "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162"
              "2eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640");
}

}  // namespace
}  // namespace vouchsafe::crypto
