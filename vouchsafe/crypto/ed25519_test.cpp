#include "vouchsafe/crypto/ed25519.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::crypto {
namespace {

// RFC 8032, 7.1, TEST 2.
const char* const kSeed = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
const char* const kPublic = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const char* const kSignature =
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

TEST(Ed25519, SignsAsTheRfcSays) {
    auto key = MUST(Ed25519Key::from_private(MUST(decode_hex(kSeed))));
    const Bytes message{0x72};
    EXPECT_EQ(encode_hex(key.public_key()), kPublic);
    EXPECT_EQ(encode_hex(key.sign(message)), kSignature);
    EXPECT_TRUE(verify_ed25519(key.public_key(), message, key.sign(message)));
    EXPECT_EQ(encode_hex(key.expose_private().expose()), kSeed);
}

TEST(Ed25519, RefusesEveryFlippedBitOfASignature) {
    const Ed25519Key key = Ed25519Key::generate();
    const Bytes message = to_bytes("a note\n");
    const Bytes signature = key.sign(message);
    for (size_t bit = 0; bit < signature.size() * 8; ++bit) {
        Bytes changed = signature;
        changed[bit / 8] ^= static_cast<uint8_t>(1 << (bit % 8));
        EXPECT_FALSE(verify_ed25519(key.public_key(), message, changed)) << bit;
    }
}

TEST(Ed25519, RefusesAnotherMessageKeyOrLength) {
    const Ed25519Key key = Ed25519Key::generate();
    const Bytes message = to_bytes("a note\n");
    Bytes signature = key.sign(message);
    EXPECT_FALSE(verify_ed25519(key.public_key(), as_bytes("a note"), signature));
    EXPECT_FALSE(verify_ed25519(Ed25519Key::generate().public_key(), message, signature));
    EXPECT_FALSE(verify_ed25519(Ed25519PublicKey{}, message, signature));
    EXPECT_FALSE(verify_ed25519(key.public_key(), message, ByteView(signature).first(63)));
    signature.push_back(0);
    EXPECT_FALSE(verify_ed25519(key.public_key(), message, signature));
    EXPECT_FALSE(verify_ed25519(key.public_key(), message, {}));
    EXPECT_EQ(Ed25519Key::from_private(ByteView(signature).first(31)).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
