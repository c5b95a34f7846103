#include "vouchsafe/crypto/hash.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::crypto {
namespace {

std::string hex_of(HashAlg alg, std::string_view text) {
    return encode_hex(hash(alg, as_bytes(text)));
}

// FIPS 180-4 examples, "abc".
TEST(Hash, GivesThePublishedDigests) {
    EXPECT_EQ(hex_of(HashAlg::sha1, "abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
    EXPECT_EQ(hex_of(HashAlg::sha256, "abc"),
              "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    EXPECT_EQ(hex_of(HashAlg::sha384, "abc"),
              "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
              "8086072ba1e7cc2358baeca134c825a7");
    EXPECT_EQ(hex_of(HashAlg::sha512, "abc"),
              "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
              "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    EXPECT_EQ(hex_of(HashAlg::sha256, ""),
              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Hash, OfPiecesIsTheHashOfTheWhole) {
    Bytes data(1000, 0x5a);
    for (HashAlg alg : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384, HashAlg::sha512}) {
        Hasher hasher(alg);
        hasher.update({});
        hasher.update(ByteView(data).first(1));
        hasher.update(ByteView(data).subspan(1, 700));
        hasher.update(ByteView(data).subspan(701));
        Bytes digest = hasher.finish();
        EXPECT_EQ(digest, hash(alg, data));
        EXPECT_EQ(digest.size(), hash_size(alg));
    }
    EXPECT_TRUE(equal(sha256(data), hash(HashAlg::sha256, data)));
    EXPECT_EQ(hash_name(HashAlg::sha384), "SHA-384");
}

TEST(HashDeathTest, FinishTwiceIsABug) {
    Hasher hasher(HashAlg::sha256);
    hasher.finish();
    EXPECT_DEATH(hasher.finish(), "not yet finished");
}

// RFC 4231, test cases 1, 2 and 6; and the empty key.
TEST(Hmac, GivesThePublishedValues) {
    auto hmac256 = [](ByteView key, std::string_view text) {
        return encode_hex(hmac(HashAlg::sha256, key, as_bytes(text)));
    };
    EXPECT_EQ(hmac256(Bytes(20, 0x0b), "Hi There"),
              "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
    EXPECT_EQ(hmac256(as_bytes("Jefe"), "what do ya want for nothing?"),
              "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    EXPECT_EQ(hmac256(Bytes(131, 0xaa), "Test Using Larger Than Block-Size Key - Hash Key First"),
              "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    EXPECT_EQ(hmac256({}, ""), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    EXPECT_EQ(encode_hex(hmac(HashAlg::sha384, as_bytes("Jefe"),
                              as_bytes("what do ya want for nothing?"))),
              "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
              "8e2240ca5e69e2c78b3239ecfab21649");
}

}  // namespace
}  // namespace vouchsafe::crypto
