#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

Json crypto_vectors(const char* name) {
    return MUST(
        parse_json(MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto" / name))));
}

TEST(ImplicitRejection, GivesTheValuesOfOpenssl) {
    const Json vectors = crypto_vectors("implicit_rejection.json");
    const PrivateKey key =
        MUST(PrivateKey::from_pkcs8(MUST(decode_base64(vectors["key_pkcs1"].get<std::string>()))));
    for (const Json& c : vectors["cases"]) {
        const Bytes ciphertext = hex(c["ciphertext"].get<std::string>());
        EXPECT_EQ(encode_hex(MUST(key.decrypt_pkcs1_any(ciphertext)).expose()), c["plaintext"])
            << c["what"];
    }
}

TEST(ImplicitRejection, NoPaddingIsAnError) {
    const PrivateKey key = MUST(PrivateKey::from_pkcs8(
        MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rsa-2048.pkcs8.der"))));
    const Json vectors = crypto_vectors("rsa.json");
    for (const Json& vector : vectors["pkcs1"]) {
        const SecretBytes opened =
            MUST(key.decrypt_pkcs1_any(hex(vector["ciphertext"].get<std::string>())));
        EXPECT_EQ(encode_hex(opened.expose()), vector["plaintext"].get<std::string>());
    }
    for (const Json& vector : vectors["pkcs1_bad"]) {
        const Bytes ciphertext = hex(vector["ciphertext"].get<std::string>());
        const SecretBytes once = MUST(key.decrypt_pkcs1_any(ciphertext));
        const SecretBytes again = MUST(key.decrypt_pkcs1_any(ciphertext));
        EXPECT_TRUE(equal(once.expose(), again.expose())) << vector["why"];
        EXPECT_LE(once.size(), 245U);
    }
    EXPECT_EQ(code_of(key.decrypt_pkcs1_any(Bytes(255, 1))), Code::bad_evidence);
    EXPECT_EQ(code_of(key.decrypt_pkcs1_any(Bytes(257, 1))), Code::bad_evidence);
    EXPECT_EQ(code_of(key.decrypt_pkcs1_any(Bytes(256, 0xff))), Code::bad_evidence);
    EXPECT_EQ(code_of(MUST(PrivateKey::generate_ec(Curve::p256)).decrypt_pkcs1_any(Bytes(256, 1))),
              Code::invalid);
}

// Lengths spread over all that a message can have, so that none tells that the padding was wrong.
TEST(ImplicitRejection, MakesMessagesOfManyLengths) {
    const PrivateKey key = MUST(PrivateKey::from_pkcs8(
        MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rsa-2048.pkcs8.der"))));
    std::set<size_t> lengths;
    for (uint8_t i = 0; i < 60; ++i) {
        Bytes ciphertext(256, 1);
        ciphertext[200] = i;
        lengths.insert(MUST(key.decrypt_pkcs1_any(ciphertext)).size());
    }
    EXPECT_GT(lengths.size(), 40U);
    EXPECT_LT(*lengths.begin(), 40U);
    EXPECT_GT(*lengths.rbegin(), 200U);
}

}  // namespace
}  // namespace vouchsafe::crypto
