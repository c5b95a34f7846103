#include "vouchsafe/crypto/cbc.h"

#include <gtest/gtest.h>

#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

const Bytes kIv = hex("000102030405060708090a0b0c0d0e0f");

TEST(AesCbc, GivesTheValuesOfSp80038a) {
    const Bytes plaintext =
        hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51"
            "30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
    struct Case {
        std::string_view key, ciphertext;
    };
    const Case cases[] = {
        {"2b7e151628aed2a6abf7158809cf4f3c",
         "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
         "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7"},  // F.2.1
        {"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
         "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
         "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd"},  // F.2.3
        {"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
         "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
         "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b"},  // F.2.5
    };
    for (const Case& c : cases) {
        const Bytes key = hex(c.key);
        EXPECT_EQ(encode_hex(MUST(aes_cbc_encrypt(key, kIv, CbcPadding::none, plaintext))),
                  c.ciphertext);
        EXPECT_TRUE(
            equal(MUST(aes_cbc_decrypt(key, kIv, CbcPadding::none, hex(c.ciphertext))).expose(),
                  plaintext));
        const Bytes padded = MUST(aes_cbc_encrypt(key, kIv, CbcPadding::pkcs7, plaintext));
        EXPECT_EQ(encode_hex(ByteView(padded).first(64)), c.ciphertext);
        EXPECT_EQ(padded.size(), 80U);
    }
}

TEST(AesCbc, OpensEverySizeItSeals) {
    const Bytes key = random_bytes(24);
    for (size_t size = 0; size <= 50; ++size) {
        const Bytes plaintext = random_bytes(size);
        const Bytes sealed = MUST(aes_cbc_encrypt(key, kIv, CbcPadding::pkcs7, plaintext));
        EXPECT_EQ(sealed.size(), (size / 16 + 1) * 16);
        EXPECT_TRUE(
            equal(MUST(aes_cbc_decrypt(key, kIv, CbcPadding::pkcs7, sealed)).expose(), plaintext));
        const auto bare = aes_cbc_encrypt(key, kIv, CbcPadding::none, plaintext);
        EXPECT_EQ(bare.has_value(), size > 0 && size % 16 == 0) << size;
    }
}

// Every last block that is no PKCS#7 padding is refused, with one sentence.
TEST(AesCbc, RefusesEveryWrongPaddingAlike) {
    const Bytes key = random_bytes(32);
    const std::string message =
        aes_cbc_decrypt(key, kIv, CbcPadding::pkcs7, Bytes(15)).error().message;
    for (unsigned count = 0; count < 256; ++count) {
        for (unsigned wrong = 0; wrong <= 16; ++wrong) {
            // `count` bytes of padding, of which one is another than it should be (16: none is).
            Bytes block(16, 0xee);
            for (unsigned i = 0; i < std::min(count, 16U); ++i) {
                block[15 - i] = static_cast<uint8_t>(count);
            }
            block[15] = static_cast<uint8_t>(count);
            if (wrong > 0 && wrong < 16) block[15 - wrong] ^= 0x80;
            const bool broken = wrong > 0 && wrong < std::min(count, 16U);
            const auto opened =
                aes_cbc_decrypt(key, kIv, CbcPadding::pkcs7,
                                MUST(aes_cbc_encrypt(key, kIv, CbcPadding::none, block)));
            const bool good = count >= 1 && count <= 16 && !broken;
            ASSERT_EQ(opened.has_value(), good) << count << " " << wrong;
            if (good) {
                EXPECT_EQ(opened->size(), 16 - count);
            } else {
                EXPECT_EQ(opened.error().message, message);
            }
        }
    }
}

TEST(AesCbc, RefusesWrongSizes) {
    const Bytes block(16);
    EXPECT_EQ(code_of(aes_cbc_encrypt(Bytes(20), kIv, CbcPadding::none, block)), Code::invalid);
    EXPECT_EQ(code_of(aes_cbc_encrypt(Bytes(16), Bytes(12), CbcPadding::none, block)),
              Code::invalid);
    EXPECT_EQ(code_of(aes_cbc_decrypt(Bytes(16), {}, CbcPadding::none, block)), Code::invalid);
    EXPECT_EQ(code_of(aes_cbc_decrypt(Bytes(16), kIv, CbcPadding::pkcs7, {})), Code::invalid);
    EXPECT_EQ(code_of(aes_cbc_decrypt(Bytes(16), kIv, CbcPadding::none, Bytes(17))), Code::invalid);
    EXPECT_EQ(code_of(aes_cbc_encrypt(Bytes(16), kIv, CbcPadding::pkcs7, Bytes((64 << 10) + 16))),
              Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
