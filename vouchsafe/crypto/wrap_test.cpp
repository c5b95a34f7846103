#include "vouchsafe/crypto/wrap.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

// openssl is what OpenSSL's cipher of that name makes of `in`: its own key wrapping, beside ours.
Bytes openssl(const std::string& name, ByteView kek, ByteView in, ByteView iv = {}) {
    Cipher cipher(EVP_CIPHER_fetch(nullptr, name.c_str(), nullptr));
    CipherCtx ctx(EVP_CIPHER_CTX_new());
    EVP_CIPHER_CTX_set_flags(ctx.get(), EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    Bytes out(in.size() + 16);
    int size = 0;
    expect(EVP_EncryptInit_ex2(ctx.get(), cipher.get(), kek.data(), iv.data(), nullptr) == 1 &&
               EVP_CIPHER_CTX_set_padding(ctx.get(), 0) == 1 &&
               EVP_EncryptUpdate(ctx.get(), out.data(), &size, in.data(),
                                 static_cast<int>(in.size())) == 1,
           "OpenSSL's cipher");
    out.resize(static_cast<size_t>(size));
    return out;
}

// padded_by_hand is an AES-KWP that begins with any eight bytes and has any padding.
Bytes padded_by_hand(ByteView kek, std::string_view initial, ByteView padded) {
    if (padded.size() > 8) return openssl("AES-256-WRAP", kek, padded, hex(initial));
    Bytes block = hex(initial);
    append(block, padded);
    return openssl("AES-256-ECB", kek, block);
}

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
         "00112233445566778899aabbccddeeff",
         "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7"},  // 4.3
        {"000102030405060708090a0b0c0d0e0f1011121314151617",
         "00112233445566778899aabbccddeeff0001020304050607",
         "031d33264e15d33268f24ec260743edce1c6c7ddee725a936ba814915c6762d2"},  // 4.4
        {"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
         "00112233445566778899aabbccddeeff0001020304050607",
         "a8f9bc1612c68b3ff6e6f4fbe30e71e4769c8b80a32cb8958cd5d17d6b254da1"},  // 4.5
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

TEST(AesKeyWrap, IsWhatOpensslMakesOfEverySize) {
    for (size_t bits : {128, 192, 256}) {
        const std::string name = fmt::format("AES-{}-WRAP", bits);
        Bytes kek = random_bytes(bits / 8);
        for (size_t size = 1; size <= 600; ++size) {
            SCOPED_TRACE(fmt::format("{} of {} bytes", name, size));
            Bytes key = random_bytes(size);
            Bytes padded = openssl(name + "-PAD", kek, key);
            EXPECT_EQ(MUST(aes_kwp_wrap(kek, key)), padded);
            EXPECT_TRUE(equal(MUST(aes_kwp_unwrap(kek, padded)).expose(), key));
            if (size < 16 || size % 8 != 0) continue;
            Bytes plain = openssl(name, kek, key);
            EXPECT_EQ(MUST(aes_kw_wrap(kek, key)), plain);
            EXPECT_TRUE(equal(MUST(aes_kw_unwrap(kek, plain)).expose(), key));
        }
    }
}

// Who knows the key-encryption key can wrap anything: sizes and paddings that no wrapping makes.
TEST(AesKeyWrapPadded, OpensOneFormOfEachKeyAlone) {
    Bytes kek = random_bytes(32);
    auto opened = [&](std::string_view initial, ByteView padded) -> std::optional<Bytes> {
        auto out = aes_kwp_unwrap(kek, padded_by_hand(kek, initial, padded));
        if (out) return to_bytes(out->expose());
        EXPECT_EQ(out.error().code, Code::bad_evidence);
        return std::nullopt;
    };
    for (size_t all : {8, 16, 24, 256}) {
        for (size_t padding = 0; padding < 8; ++padding) {
            SCOPED_TRACE(fmt::format("{} bytes, {} of them padding", all, padding));
            const size_t size = all - padding;
            const std::string initial = fmt::format("a65959a6{:08x}", size);
            const Bytes key(size, 0xff);
            Bytes padded = key;
            padded.resize(all);
            EXPECT_EQ(opened(initial, padded), key);
            for (size_t bit = 8 * size; bit < 8 * all; ++bit) {
                Bytes other = padded;
                other[bit / 8] = static_cast<uint8_t>(1U << (bit % 8));
                EXPECT_EQ(opened(initial, other), std::nullopt) << bit;
            }
            for (size_t bit = 0; bit < 32; ++bit) {
                Bytes other = hex(initial);
                other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ (1U << (bit % 8)));
                EXPECT_EQ(opened(encode_hex(other), padded), std::nullopt) << bit;
            }
        }
        for (uint64_t size : {uint64_t{0}, uint64_t{all - 8}, uint64_t{all + 1}, uint64_t{all + 8},
                              uint64_t{0x80000000} + all, uint64_t{0xffffffff}}) {
            EXPECT_EQ(opened(fmt::format("a65959a6{:08x}", size), Bytes(all)), std::nullopt)
                << all << " " << size;
        }
    }
}

TEST(AesKeyWrap, OpensNothingThatBeginsOtherwise) {
    Bytes kek = random_bytes(32);
    Bytes key = random_bytes(32);
    EXPECT_TRUE(aes_kw_unwrap(kek, openssl("AES-256-WRAP", kek, key, Bytes(8, 0xa6))));
    for (size_t bit = 0; bit < 64; ++bit) {
        Bytes initial(8, 0xa6);
        initial[bit / 8] = static_cast<uint8_t>(initial[bit / 8] ^ (1U << (bit % 8)));
        EXPECT_EQ(code_of(aes_kw_unwrap(kek, openssl("AES-256-WRAP", kek, key, initial))),
                  Code::bad_evidence);
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
