#include "vouchsafe/attest/envelope.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::attest {

namespace {
constexpr std::string_view kAdditionalData = "Transport Key";
}

Result<std::string> seal_token(std::string_view token, const crypto::PublicKey& to) {
    SecretBytes key = crypto::random_secret(crypto::kGcmKeySize);
    Bytes encrypted_key = TRY(to.encrypt_pkcs1(key.expose()));
    Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Bytes ciphertext(token.size());
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create_any(key.expose()));
    cipher.seal(nonce, as_bytes(kAdditionalData), as_bytes(token), ciphertext, tag);

    // The clients demand BlockPadding and a KeySizeInBits, though neither means anything here. The
    // members must be standard base64: the URL alphabet makes the C++ client abort. No digit of it
    // is escaped in JSON.
    std::string envelope = fmt::format(
        R"({{"AuthenticationData":"{}","EncryptedInnerKey":"{}","EncryptionParams":)"
        R"({{"BlockMode":"ChainingModeGCM","BlockPadding":"PKCS7","Cipher":"AES","Iv":"{}",)"
        R"("KeySizeInBits":{}}},"Jwt":")",
        encode_base64(tag), encode_base64(encrypted_key), encode_base64(nonce),
        crypto::kGcmKeySize * 8);
    envelope += encode_base64(ciphertext);
    envelope += "\"}";
    return encode_base64url(as_bytes(envelope));
}

}  // namespace vouchsafe::attest
