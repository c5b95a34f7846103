#include "vouchsafe/crypto/wrap.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

TEST(AesKeyWrap, GivesTheValuesOfRfc3394) {
    struct Case {
        std::string_view kek, key, wrapped;
    };
    const Case cases[] = {
        {"000102030405060708090a0b0c0d0e0f", "00112233445566778899aabbccddeeff",
         "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"},  // 4.1
        {"000102030405060708090a0b0c0d0e0f1011121314151617", "00112233445566778899aabbccddeeff",
         "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d"},  // 4.2
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
         "00112233445566778899aabbccddeeff000102030405060708090a0b0c0d0e0f",
         "28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd2"
         "1"},  // 4.6
    };
    for (const Case& c : cases) {
        EXPECT_EQ(encode_hex(MUST(aes_kw_wrap(hex(c.kek), hex(c.key)))), c.wrapped);
        EXPECT_EQ(encode_hex(MUST(aes_kw_unwrap(hex(c.kek), hex(c.wrapped))).expose()), c.key);
    }
}

TEST(AesKeyWrapPadded, GivesTheValuesOfRfc5649) {
    Bytes kek = hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8");
    for (auto [key, wrapped] :
         {std::pair("c37b7e6492584340bed12207808941155068f738",
                    "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"),
          std::pair("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f")}) {
        EXPECT_EQ(encode_hex(MUST(aes_kwp_wrap(kek, hex(key)))), wrapped);
        EXPECT_EQ(encode_hex(MUST(aes_kwp_unwrap(kek, hex(wrapped))).expose()), key);
    }
}

TEST(AesKeyWrap, OpensEverySizeItWraps) {
    Bytes kek = random_bytes(32);
    for (size_t size = 1; size <= 80; ++size) {
        Bytes key = random_bytes(size);
        Bytes padded = MUST(aes_kwp_wrap(kek, key));
        EXPECT_EQ(padded.size(), (size + 7) / 8 * 8 + 8);
        EXPECT_TRUE(equal(MUST(aes_kwp_unwrap(kek, padded)).expose(), key));
        if (size >= 16 && size % 8 == 0) {
            EXPECT_TRUE(equal(MUST(aes_kw_unwrap(kek, MUST(aes_kw_wrap(kek, key)))).expose(), key));
        } else {
            EXPECT_EQ(code_of(aes_kw_wrap(kek, key)), Code::invalid);
        }
    }
}

TEST(AesKeyWrap, TakesSixtyFourKibibytesAndNoMore) {
    Bytes kek = random_bytes(16);
    Bytes key = random_bytes(64 << 10);
    EXPECT_TRUE(equal(MUST(aes_kwp_unwrap(kek, MUST(aes_kwp_wrap(kek, key)))).expose(), key));
    EXPECT_TRUE(equal(MUST(aes_kw_unwrap(kek, MUST(aes_kw_wrap(kek, key)))).expose(), key));
    key.resize(key.size() + 8);
    EXPECT_EQ(code_of(aes_kwp_wrap(kek, key)), Code::invalid);
    EXPECT_EQ(code_of(aes_kw_wrap(kek, key)), Code::invalid);
    EXPECT_EQ(code_of(aes_kw_unwrap(kek, Bytes((64 << 10) + 16))), Code::bad_evidence);
}

TEST(AesKeyWrap, RefusesEveryFlippedBitAndEveryOtherSize) {
    Bytes kek = random_bytes(32);
    Bytes key = random_bytes(24);
    Bytes plain = MUST(aes_kw_wrap(kek, key));
    Bytes padded = MUST(aes_kwp_wrap(kek, key));
    for (size_t bit = 0; bit < plain.size() * 8; ++bit) {
        plain[bit / 8] = static_cast<uint8_t>(plain[bit / 8] ^ (1U << (bit % 8)));
        padded[bit / 8] = static_cast<uint8_t>(padded[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_EQ(code_of(aes_kw_unwrap(kek, plain)), Code::bad_evidence);
        EXPECT_EQ(code_of(aes_kwp_unwrap(kek, padded)), Code::bad_evidence);
        plain[bit / 8] = static_cast<uint8_t>(plain[bit / 8] ^ (1U << (bit % 8)));
        padded[bit / 8] = static_cast<uint8_t>(padded[bit / 8] ^ (1U << (bit % 8)));
    }
    for (size_t size = 0; size < plain.size(); ++size) {
        EXPECT_EQ(code_of(aes_kw_unwrap(kek, ByteView(plain).first(size))), Code::bad_evidence);
        EXPECT_EQ(code_of(aes_kwp_unwrap(kek, ByteView(padded).first(size))), Code::bad_evidence);
    }
    EXPECT_EQ(code_of(aes_kw_unwrap(kek, padded)), Code::bad_evidence);
    EXPECT_EQ(code_of(aes_kwp_unwrap(kek, plain)), Code::bad_evidence);
    EXPECT_EQ(code_of(aes_kwp_wrap(kek, {})), Code::invalid);
    for (size_t size : {0, 15, 17, 31, 33, 64}) {
        EXPECT_EQ(code_of(aes_kw_wrap(Bytes(size), key)), Code::invalid);
        EXPECT_EQ(code_of(aes_kw_unwrap(Bytes(size), plain)), Code::invalid);
    }
}

TEST(RsaAesWrap, OpensWithThePrivateKeyOrInTwoSteps) {
    PrivateKey rsa = MUST(PrivateKey::from_pkcs8(
        MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rsa-2048.pkcs8.der"))));
    Bytes key = random_bytes(1219);  // as long as a PKCS#8 key
    Bytes wrapped = MUST(rsa_aes_wrap(rsa.public_key(), HashAlg::sha256, key));
    EXPECT_EQ(wrapped.size(), 256U + 1224 + 8);
    EXPECT_TRUE(equal(MUST(rsa_aes_unwrap(rsa, HashAlg::sha256, wrapped)).expose(), key));
    SecretBytes kek = MUST(rsa.decrypt_oaep(HashAlg::sha256, ByteView(wrapped).first(256)));
    EXPECT_EQ(kek.size(), 32U);
    EXPECT_TRUE(
        equal(MUST(aes_kwp_unwrap(kek.expose(), ByteView(wrapped).subspan(256))).expose(), key));

    std::string message;
    auto refuse = [&](HashAlg hash, ByteView bytes) {
        auto opened = rsa_aes_unwrap(rsa, hash, bytes);
        ASSERT_FALSE(opened);
        EXPECT_EQ(opened.error().code, Code::bad_evidence);
        EXPECT_TRUE(message.empty() || opened.error().message == message);
        message = opened.error().message;
    };
    refuse(HashAlg::sha1, wrapped);
    refuse(HashAlg::sha256, {});
    refuse(HashAlg::sha256, ByteView(wrapped).first(256));
    refuse(HashAlg::sha256, ByteView(wrapped).first(wrapped.size() - 8));
    for (size_t at : {size_t{10}, size_t{300}, wrapped.size() - 1}) {
        Bytes changed = wrapped;
        changed[at] ^= 1;
        refuse(HashAlg::sha256, changed);
    }
    // An RSA part that holds something else than an AES key.
    Bytes odd = MUST(rsa.public_key().encrypt_oaep(HashAlg::sha256, Bytes(31, 1)));
    append(odd, ByteView(wrapped).subspan(256));
    refuse(HashAlg::sha256, odd);
    PrivateKey ec = MUST(PrivateKey::generate_ec(Curve::p256));
    EXPECT_EQ(code_of(rsa_aes_wrap(ec.public_key(), HashAlg::sha256, key)), Code::invalid);
    EXPECT_EQ(code_of(rsa_aes_unwrap(ec, HashAlg::sha256, wrapped)), Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
