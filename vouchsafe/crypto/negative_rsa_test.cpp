// RSA signatures, keys and ciphertexts, as an attacker would send them.
#include "vouchsafe/crypto/negative_vectors.h"

namespace vouchsafe::crypto {
namespace {

using namespace testing;

TEST(NegativeRsaPss, OnlySaltHashAndPaddingOfTheAlgorithmHold) {
    const Json& group = negative_vectors("rsa_pss");
    PublicKey key = MUST(PublicKey::from_rsa(bytes_of(group, "n"), bytes_of(group, "e")));
    Bytes message = bytes_of(group, "message");
    for (const Json& row : group.at("cases")) {
        auto verified = key.verify(alg_of(row), message, bytes_of(row, "signature"));
        EXPECT_EQ(verified.has_value(), row.at("holds").get<bool>())
            << text_of(row, "alg") << ": " << text_of(row, "why");
        if (verified) continue;
        EXPECT_EQ(verified.error().code, Code::bad_evidence);
    }
}

TEST(NegativeRsaPss, KeysHaveAnExponentAndAModulusThatProtect) {
    for (const Json& row : negative_vectors("rsa_keys")) {
        auto key = PublicKey::from_rsa(bytes_of(row, "n"), bytes_of(row, "e"));
        EXPECT_EQ(key.has_value(), row.at("holds").get<bool>()) << text_of(row, "why");
    }
}

TEST(NegativeRsaOaep, WhateverIsWrongTheErrorIsOneAndTheSame) {
    PrivateKey key =
        MUST(PrivateKey::from_pkcs8(MUST(read_file(crypto_vector("rsa-2048.pkcs8.der")))));
    std::string message;
    for (const Json& row : negative_vectors("rsa_oaep")) {
        auto opened = key.decrypt_oaep(hash_of(row), bytes_of(row, "ciphertext"));
        EXPECT_EQ(opened.has_value(), row.at("holds").get<bool>()) << text_of(row, "why");
        if (opened) continue;
        EXPECT_EQ(opened.error().code, Code::bad_evidence);
        EXPECT_TRUE(opened.error().checks.empty());
        if (message.empty()) message = opened.error().message;
        EXPECT_EQ(opened.error().message, message) << text_of(row, "why");
    }
}

}  // namespace
}  // namespace vouchsafe::crypto
