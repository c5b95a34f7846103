#include "vouchsafe/crypto/ed25519.h"

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

Result<void> verify_ed25519(const Ed25519PublicKey& key, ByteView message, ByteView signature) {
    ErrorScope errors;
    Pkey handle(
        EVP_PKEY_new_raw_public_key_ex(nullptr, "ED25519", nullptr, key.data(), key.size()));
    MdCtx ctx(EVP_MD_CTX_new());
    expect(handle && ctx, "an Ed25519 key");
    const bool holds = signature.size() == kEd25519SignatureSize &&
                       EVP_DigestVerifyInit_ex(ctx.get(), nullptr, nullptr, nullptr, nullptr,
                                               handle.get(), nullptr) == 1 &&
                       EVP_DigestVerify(ctx.get(), signature.data(), signature.size(),
                                        message.data(), message.size()) == 1;
    if (!holds) return fail(Code::bad_evidence, "the Ed25519 signature does not hold");
    return {};
}

Ed25519Key::Ed25519Key(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {
    size_t size = public_.size();
    expect(EVP_PKEY_get_raw_public_key(key_.get(), public_.data(), &size) == 1 &&
               size == public_.size(),
           "an Ed25519 public key");
}

Ed25519Key Ed25519Key::generate() {
    Pkey key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    expect(key != nullptr, "making an Ed25519 key");
    return Ed25519Key(std::shared_ptr<evp_pkey_st>(std::move(key)));
}

Result<Ed25519Key> Ed25519Key::from_private(ByteView bytes) {
    if (bytes.size() != kEd25519KeySize) {
        return fail(Code::invalid, "an Ed25519 key has {} bytes", kEd25519KeySize);
    }
    Pkey key(
        EVP_PKEY_new_raw_private_key_ex(nullptr, "ED25519", nullptr, bytes.data(), bytes.size()));
    expect(key != nullptr, "an Ed25519 key");
    return Ed25519Key(std::shared_ptr<evp_pkey_st>(std::move(key)));
}

SecretBytes Ed25519Key::expose_private() const {
    SecretBytes out(kEd25519KeySize);
    size_t size = out.size();
    expect(EVP_PKEY_get_raw_private_key(key_.get(), out.expose_mutable().data(), &size) == 1 &&
               size == out.size(),
           "an Ed25519 private key");
    return out;
}

Bytes Ed25519Key::sign(ByteView message) const {
    MdCtx ctx(EVP_MD_CTX_new());
    Bytes out(kEd25519SignatureSize);
    size_t size = out.size();
    expect(ctx && EVP_DigestSignInit_ex(ctx.get(), nullptr, nullptr, nullptr, nullptr, key_.get(),
                                        nullptr) == 1,
           "an Ed25519 signature");
    expect(EVP_DigestSign(ctx.get(), out.data(), &size, message.data(), message.size()) == 1 &&
               size == out.size(),
           "an Ed25519 signature");
    return out;
}

}  // namespace vouchsafe::crypto
