#include "vouchsafe/crypto/aead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

std::vector<AeadEngine> engines() {
    std::vector<AeadEngine> out = {AeadEngine::openssl};
    if (engine_available(AeadEngine::ipsec_mb)) out.push_back(AeadEngine::ipsec_mb);
    return out;
}

struct Sealed {
    Bytes ciphertext;
    Bytes tag = Bytes(kGcmTagSize);
    bool operator==(const Sealed&) const = default;
};

Sealed seal(AesGcm& gcm, ByteView nonce, ByteView aad, ByteView plaintext) {
    Sealed out{Bytes(plaintext.size())};
    gcm.seal(nonce, aad, plaintext, out.ciphertext, out.tag);
    return out;
}

Result<Bytes> open(AesGcm& gcm, ByteView nonce, ByteView aad, const Sealed& sealed) {
    Bytes out(sealed.ciphertext.size(), 0xee);
    TRY(gcm.open(nonce, aad, sealed.ciphertext, sealed.tag, out));
    return out;
}

// McGrew and Viega, The Galois/Counter Mode of Operation (GCM), appendix B.
struct Vector {
    int number;
    std::string key, nonce, aad, plaintext, ciphertext, tag;
};

const std::string kKey128 = "feffe9928665731c6d6a8f9467308308";
const std::string kNonce = "cafebabefacedbaddecaf888";
const std::string kAad = "feedfacedeadbeeffeedfacedeadbeefabaddad2";
const std::string kPlain60 =
    "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b5"
    "25b16aedf5aa0de657ba637b39";
const Vector kCases[] = {
    {4, kKey128, kNonce, kAad, kPlain60,
     "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84"
     "aa051ba30b396a0aac973d58e091",
     "5bc94fbc3221a5db94fae95ae7121a47"},
    {10, kKey128 + "feffe9928665731c", kNonce, kAad, kPlain60,
     "3980ca0b3c00e841eb06fac4872a2757859e1ceaa6efd984628593b40ca1e19c7d773d00c144c525ac619d18c84a"
     "3f4718e2448b2fe324d9ccda2710",
     "2519498e80f1478f37ba55bd6d27618c"},
    {13, std::string(64, '0'), std::string(24, '0'), "", "", "",
     "530f8afbc74536b9a963b4f1c4cb738b"},
    {14, std::string(64, '0'), std::string(24, '0'), "", std::string(32, '0'),
     "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
    {15, kKey128 + kKey128, kNonce, "", kPlain60 + "1aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {16, kKey128 + kKey128, kNonce, kAad, kPlain60,
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

void expect_vector(AesGcm& gcm, const Vector& v) {
    Sealed sealed = seal(gcm, hex(v.nonce), hex(v.aad), hex(v.plaintext));
    EXPECT_EQ(encode_hex(sealed.ciphertext), v.ciphertext) << "test case " << v.number;
    EXPECT_EQ(encode_hex(sealed.tag), v.tag) << "test case " << v.number;
    EXPECT_EQ(encode_hex(MUST(open(gcm, hex(v.nonce), hex(v.aad), sealed))), v.plaintext);
}

TEST(AesGcm, GivesThePublishedValuesWithBothEngines) {
    for (const Vector& v : kCases) {
        AesGcm any = MUST(AesGcm::create_any(hex(v.key)));
        expect_vector(any, v);
        for (AeadEngine engine : engines()) {
            SCOPED_TRACE(engine_name(engine));
            auto gcm = AesGcm::create(hex(v.key), engine);
            if (v.key.size() == 64) {
                ASSERT_TRUE(gcm);
                expect_vector(*gcm, v);
            } else {
                EXPECT_FALSE(gcm);
            }
        }
    }
}

TEST(AesGcm, TakesKeysOfItsSizesOnly) {
    for (size_t size : {0, 15, 17, 31, 33, 64}) {
        EXPECT_EQ(AesGcm::create(Bytes(size)).error().code, Code::invalid);
        EXPECT_EQ(AesGcm::create_any(Bytes(size)).error().code, Code::invalid);
    }
}

TEST(AesGcm, NamesItsEngines) {
    EXPECT_TRUE(engine_available(AeadEngine::openssl));
    EXPECT_TRUE(engine_available(fastest_engine()));
    EXPECT_EQ(engine_name(AeadEngine::openssl).substr(0, 9), "OpenSSL 3");
    EXPECT_EQ(engine_name(AeadEngine::ipsec_mb).substr(0, 8), "ipsec-mb");
    auto gcm = AesGcm::create(Bytes(32), AeadEngine::ipsec_mb);
    EXPECT_EQ(gcm.has_value(), engine_available(AeadEngine::ipsec_mb));
    if (!gcm) {
        EXPECT_EQ(gcm.error().code, Code::unsupported);
    }
}

// stream_seal and stream_open cut the message into odd pieces, some of them empty.
Sealed stream_seal(AesGcm& gcm, std::mt19937& random, ByteView nonce, ByteView aad,
                   ByteView plaintext) {
    Sealed out{to_bytes(plaintext)};
    MutableByteView left = out.ciphertext;
    gcm.start(nonce, aad);
    while (!left.empty()) {
        size_t size = std::min<size_t>(left.size(), random() % 200);
        gcm.update_seal(left.first(size), left.first(size));
        left = left.subspan(size);
    }
    gcm.finish_seal(out.tag);
    return out;
}

Result<Bytes> stream_open(AesGcm& gcm, std::mt19937& random, ByteView nonce, ByteView aad,
                          const Sealed& sealed) {
    Bytes out(sealed.ciphertext.size());
    gcm.start(nonce, aad);
    for (size_t at = 0; at < out.size();) {
        size_t size = std::min<size_t>(out.size() - at, random() % 200);
        gcm.update_open(ByteView(sealed.ciphertext).subspan(at, size),
                        MutableByteView(out).subspan(at, size));
        at += size;
    }
    TRY(gcm.finish_open(sealed.tag));
    return out;
}

TEST(AesGcm, EnginesAgreeOnEverySizeInOnePieceAndInMany) {
    std::mt19937 random(2026);
    Bytes key = random_bytes(32);
    AesGcm reference = MUST(AesGcm::create(key, AeadEngine::openssl));
    std::vector<AesGcm> others;
    for (AeadEngine engine : engines()) others.push_back(MUST(AesGcm::create(key, engine)));
    for (size_t round = 0; round < 400; ++round) {
        size_t size = round < 140 ? round : random() % 5000;
        Bytes nonce = random_bytes(12);
        Bytes aad = random_bytes(random() % 70);
        Bytes plaintext = random_bytes(size);
        Sealed sealed = seal(reference, nonce, aad, plaintext);
        for (AesGcm& gcm : others) {
            ASSERT_TRUE(seal(gcm, nonce, aad, plaintext) == sealed) << size;
            ASSERT_TRUE(stream_seal(gcm, random, nonce, aad, plaintext) == sealed) << size;
            ASSERT_EQ(MUST(open(gcm, nonce, aad, sealed)), plaintext);
            ASSERT_EQ(MUST(stream_open(gcm, random, nonce, aad, sealed)), plaintext);
            Bytes in_place = sealed.ciphertext;
            ASSERT_TRUE(gcm.open(nonce, aad, in_place, sealed.tag, in_place));
            ASSERT_EQ(in_place, plaintext);
        }
    }
}

TEST(AesGcm, EnginesAgreeOnAMessageOfManyMegabytes) {
    Bytes plaintext(5 << 20, 0x5a);
    Bytes nonce(12, 1);
    AesGcm openssl = MUST(AesGcm::create(Bytes(32, 7), AeadEngine::openssl));
    AesGcm fastest = MUST(AesGcm::create(Bytes(32, 7)));
    EXPECT_TRUE(seal(openssl, nonce, {}, plaintext) == seal(fastest, nonce, {}, plaintext));
}

TEST(AesGcm, RefusesEveryFlippedBitAndWipesTheOutput) {
    for (AeadEngine engine : engines()) {
        SCOPED_TRACE(engine_name(engine));
        std::mt19937 random(1);
        AesGcm gcm = MUST(AesGcm::create(random_bytes(32), engine));
        Bytes nonce = random_bytes(12);
        Bytes aad = random_bytes(13);
        Bytes plaintext = random_bytes(37);
        Sealed sealed = seal(gcm, nonce, aad, plaintext);
        auto refuse = [&](Bytes& part) {
            for (size_t bit = 0; bit < part.size() * 8; ++bit) {
                part[bit / 8] = static_cast<uint8_t>(part[bit / 8] ^ (1U << (bit % 8)));
                Bytes out(plaintext.size(), 0xee);
                auto opened = gcm.open(nonce, aad, sealed.ciphertext, sealed.tag, out);
                ASSERT_FALSE(opened);
                EXPECT_EQ(opened.error().code, Code::bad_evidence);
                EXPECT_TRUE(all_zero(out));
                EXPECT_FALSE(stream_open(gcm, random, nonce, aad, sealed));
                part[bit / 8] = static_cast<uint8_t>(part[bit / 8] ^ (1U << (bit % 8)));
            }
        };
        refuse(nonce);
        refuse(aad);
        refuse(sealed.ciphertext);
        refuse(sealed.tag);
        EXPECT_EQ(MUST(open(gcm, nonce, aad, sealed)), plaintext);
        // Cut, prolonged, or with additional data moved into the message.
        Sealed cut = sealed;
        cut.ciphertext.pop_back();
        EXPECT_FALSE(open(gcm, nonce, aad, cut));
        Sealed longer = sealed;
        longer.ciphertext.push_back(0);
        EXPECT_FALSE(open(gcm, nonce, aad, longer));
        EXPECT_FALSE(open(gcm, nonce, {}, sealed));
    }
}

TEST(AesGcm, StartsAnewAfterAnUnfinishedMessage) {
    for (AeadEngine engine : engines()) {
        AesGcm gcm = MUST(AesGcm::create(Bytes(32, 9), engine));
        Bytes nonce(12, 1), data(100, 2), out(100);
        Sealed whole = seal(gcm, nonce, {}, data);
        gcm.start(nonce, as_bytes("dropped"));
        gcm.update_open(data, out);
        EXPECT_TRUE(seal(gcm, nonce, {}, data) == whole);
        gcm.start(nonce, as_bytes("dropped"));
        gcm.update_seal(data, out);
        gcm.start(nonce, {});
        gcm.update_seal(data, out);
        Bytes tag(16);
        gcm.finish_seal(tag);
        EXPECT_EQ(out, whole.ciphertext);
        EXPECT_EQ(tag, whole.tag);
        // A message without any piece.
        gcm.start(nonce, as_bytes("only this"));
        gcm.finish_seal(tag);
        EXPECT_EQ(tag, seal(gcm, nonce, as_bytes("only this"), {}).tag);
        gcm.start(nonce, as_bytes("only this"));
        EXPECT_TRUE(gcm.finish_open(tag));
        gcm.start(nonce, as_bytes("only that"));
        EXPECT_FALSE(gcm.finish_open(tag));
    }
}

TEST(AesGcm, MovesWithItsKey) {
    AesGcm first = MUST(AesGcm::create(Bytes(32, 3)));
    Sealed sealed = seal(first, Bytes(12), {}, as_bytes("text"));
    AesGcm second = std::move(first);
    EXPECT_EQ(MUST(open(second, Bytes(12), {}, sealed)), to_bytes("text"));
}

TEST(AesGcmDeathTest, MisuseEndsTheProcess) {
    AesGcm gcm = MUST(AesGcm::create(Bytes(32)));
    Bytes nonce(12), data(64), out(64), tag(16), shorter(15);
    EXPECT_DEATH(gcm.seal(Bytes(11), {}, data, out, tag), "nonce of 12 bytes");
    EXPECT_DEATH(gcm.seal(nonce, {}, data, out, shorter), "tag of 16 bytes");
    EXPECT_DEATH((void)gcm.open(nonce, {}, data, shorter, out), "tag of 16 bytes");
    EXPECT_DEATH(gcm.seal(nonce, {}, data, MutableByteView(out).first(63), tag), "as long as");
    EXPECT_DEATH(
        gcm.seal(nonce, {}, ByteView(data).first(32), MutableByteView(data).subspan(1, 32), tag),
        "overlap");
    EXPECT_DEATH(gcm.update_seal(data, out), "started");
    EXPECT_DEATH(gcm.finish_seal(tag), "started");
    gcm.start(nonce, {});
    gcm.update_seal(data, out);
    EXPECT_DEATH(gcm.update_open(data, out), "one direction");
    EXPECT_DEATH((void)gcm.finish_open(tag), "one direction");
    gcm.finish_seal(tag);
    EXPECT_DEATH(gcm.finish_seal(tag), "started");
}

}  // namespace
}  // namespace vouchsafe::crypto
