#include "vouchsafe/vault/key_seal.h"

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::vault {

namespace {

constexpr uint8_t kFormat = 2;
constexpr uint8_t kBoundFormat = 1;  // its wrapped key binds the context
constexpr std::string_view kDataKeyContext = "vault data key";

std::string data_key_context(uint8_t format, std::string_view context) {
    if (format == kFormat) return std::string(kDataKeyContext);
    return fmt::format("{} {}", kDataKeyContext, context);
}

std::string key_context(std::string_view context) {
    return fmt::format("vault key {}", context);
}

// SealedParts borrows the bytes it was parsed from.
struct SealedParts {
    uint8_t format = 0;
    ByteView wrapped;
    ByteView nonce, ciphertext, tag;
};

Result<SealedParts> parse_sealed(ByteView sealed) {
    Reader reader(sealed, "sealed key");
    SealedParts out;
    out.format = TRY(reader.u8("format"));
    if (out.format != kFormat && out.format != kBoundFormat) {
        return fail(Code::unsupported, "sealed key of format {}", out.format);
    }
    const uint16_t wrapped_size = TRY(reader.u16_be("wrapped key size"));
    out.wrapped = TRY(reader.take(wrapped_size, "wrapped key"));
    out.nonce = TRY(reader.take(crypto::kGcmNonceSize, "nonce"));
    if (reader.left() < crypto::kGcmTagSize) return fail(Code::bad_evidence, "sealed key is cut");
    out.ciphertext = TRY(reader.take(reader.left() - crypto::kGcmTagSize, "ciphertext"));
    out.tag = TRY(reader.rest("tag"));
    return out;
}

Bytes encode_sealed(const SealedParts& parts) {
    return Writer()
        .u8(parts.format)
        .u16_be(static_cast<uint16_t>(parts.wrapped.size()))
        .bytes(parts.wrapped)
        .bytes(parts.nonce)
        .bytes(parts.ciphertext)
        .bytes(parts.tag)
        .take();
}

}  // namespace

Bytes seal_key(const crypto::RootRing& root, std::string_view context, ByteView plaintext) {
    SecretBytes data_key = crypto::random_secret(crypto::kGcmKeySize);
    const Bytes wrapped = root.seal(kDataKeyContext, data_key.expose());
    const Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Bytes ciphertext(plaintext.size());
    std::array<uint8_t, crypto::kGcmTagSize> tag;
    crypto::AesGcm cipher = MUST(crypto::AesGcm::create(data_key.expose()));
    const std::string bound = key_context(context);
    cipher.seal(nonce, as_bytes(bound), plaintext, ciphertext, tag);
    return encode_sealed({kFormat, wrapped, nonce, ciphertext, tag});
}

Result<SecretBytes> open_key(const crypto::RootRing& root, std::string_view context,
                             ByteView sealed) {
    const SealedParts parts = TRY(parse_sealed(sealed));
    SecretBytes data_key = TRY(root.open(data_key_context(parts.format, context), parts.wrapped));
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create(data_key.expose()));
    SecretBytes plaintext(parts.ciphertext.size());
    const std::string bound = key_context(context);
    TRY(cipher.open(parts.nonce, as_bytes(bound), parts.ciphertext, parts.tag,
                    plaintext.expose_mutable()));
    return plaintext;
}

Result<std::optional<Bytes>> rewrap_key(const crypto::RootRing& root,
                                        const std::function<Result<std::string>()>& context,
                                        ByteView sealed) {
    SealedParts parts = TRY(parse_sealed(sealed));
    const bool current = parts.format == kFormat;
    if (current && root.newest()->open(kDataKeyContext, parts.wrapped)) {
        return std::optional<Bytes>();
    }
    const std::string bound = current ? std::string() : TRY(context());
    SecretBytes data_key = TRY(root.open(data_key_context(parts.format, bound), parts.wrapped));
    const Bytes wrapped = root.seal(kDataKeyContext, data_key.expose());
    parts.format = kFormat;
    parts.wrapped = wrapped;
    return std::optional(encode_sealed(parts));
}

}  // namespace vouchsafe::vault
