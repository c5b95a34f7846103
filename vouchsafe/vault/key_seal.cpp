#include "vouchsafe/vault/key_seal.h"

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::vault {

namespace {

constexpr uint8_t kFormat = 1;

std::string data_key_context(std::string_view context) {
    return fmt::format("vault data key {}", context);
}

std::string key_context(std::string_view context) {
    return fmt::format("vault key {}", context);
}

}  // namespace

Bytes seal_key(const crypto::RootKey& root, std::string_view context, ByteView pkcs8) {
    SecretBytes data_key = crypto::random_secret(crypto::kGcmKeySize);
    Bytes wrapped = root.seal(data_key_context(context), data_key.expose());
    Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Bytes ciphertext(pkcs8.size());
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    crypto::AesGcm cipher = MUST(crypto::AesGcm::create(data_key.expose()));
    const std::string bound = key_context(context);
    cipher.seal(nonce, as_bytes(bound), pkcs8, ciphertext, tag);
    return Writer()
        .u8(kFormat)
        .u16_be(static_cast<uint16_t>(wrapped.size()))
        .bytes(wrapped)
        .bytes(nonce)
        .bytes(ciphertext)
        .bytes(tag)
        .take();
}

Result<SecretBytes> open_key(const crypto::RootKey& root, std::string_view context,
                             ByteView sealed) {
    Reader reader(sealed, "sealed key");
    const uint8_t format = TRY(reader.u8("format"));
    if (format != kFormat) return fail(Code::unsupported, "sealed key of format {}", format);
    const uint16_t wrapped_size = TRY(reader.u16_be("wrapped key size"));
    ByteView wrapped = TRY(reader.take(wrapped_size, "wrapped key"));
    ByteView nonce = TRY(reader.take(crypto::kGcmNonceSize, "nonce"));
    if (reader.left() < crypto::kGcmTagSize) return fail(Code::bad_evidence, "sealed key is cut");
    ByteView ciphertext = TRY(reader.take(reader.left() - crypto::kGcmTagSize, "ciphertext"));
    ByteView tag = TRY(reader.rest("tag"));

    SecretBytes data_key = TRY(root.open(data_key_context(context), wrapped));
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create(data_key.expose()));
    SecretBytes pkcs8(ciphertext.size());
    const std::string bound = key_context(context);
    TRY(cipher.open(nonce, as_bytes(bound), ciphertext, tag, pkcs8.expose_mutable()));
    return pkcs8;
}

}  // namespace vouchsafe::vault
