// The algorithms with keys in an HSM: what needs the secret half is the token's to do.
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/keys/algorithm_table.h"
#include "vouchsafe/vault/keys/hsm_keys.h"

namespace vouchsafe::vault {

namespace {

Result<CryptoResult> from_hsm(Result<Bytes> value) {
    if (!value) return fail(hsm_error(std::move(value.error())));
    return CryptoResult{SecretBytes::copy_of(*value), {}, {}, {}, {}};
}

// opened_in_hsm: who sent a ciphertext does not learn how it is wrong, a size included.
Result<CryptoResult> opened_in_hsm(Result<SecretBytes> value) {
    if (value) return CryptoResult{std::move(*value), {}, {}, {}, {}};
    const Code code = value.error().code;
    if (code == Code::bad_evidence || code == Code::invalid) return does_not_decrypt();
    return fail(hsm_error(std::move(value.error())));
}

Result<CryptoResult> gcm_in_hsm(KeyUse use, const HsmKey& key, const CryptoBody& body) {
    const Bytes aad = body.aad.value_or(Bytes());
    if (use == KeyUse::decrypt) {
        return opened_in_hsm(key.gcm_open(*body.iv, aad, body.value, *body.tag));
    }
    Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Result<GcmSealed> sealed = key.gcm_seal(nonce, aad, body.value);
    if (!sealed) return fail(hsm_error(std::move(sealed.error())));
    CryptoResult out = TRY(from_hsm(std::move(sealed->ciphertext)));
    out.iv = std::move(nonce);
    out.tag = std::move(sealed->tag);
    out.aad = body.aad;
    return out;
}

Result<CryptoResult> cbc_in_hsm(bool padded, KeyUse use, const HsmKey& key,
                                const CryptoBody& body) {
    constexpr size_t kBlock = 16;
    if (body.iv->size() != kBlock) {
        return fail(Code::invalid, "AES-CBC has an iv of {} bytes", kBlock);
    }
    if (use == KeyUse::decrypt) {
        return opened_in_hsm(key.cbc_decrypt(*body.iv, padded, body.value));
    }
    CryptoResult out = TRY(from_hsm(key.cbc_encrypt(*body.iv, padded, body.value)));
    out.iv = body.iv;
    return out;
}

}  // namespace

Result<CryptoResult> use_hsm_key(const Algorithm& alg, KeyUse use, const HsmKey& key,
                                 const CryptoBody& body) {
    switch (alg.method) {
        case Method::rsa_pkcs1:
            return opened_in_hsm(key.decrypt_pkcs1_any(body.value));
        case Method::rsa_oaep:
            return opened_in_hsm(key.decrypt_oaep(alg.hash, body.value));
        case Method::aes_gcm:
            return gcm_in_hsm(use, key, body);
        case Method::aes_cbc:
        case Method::aes_cbc_padded:
            return cbc_in_hsm(alg.method == Method::aes_cbc_padded, use, key, body);
        case Method::aes_kw:
        case Method::aes_kwp: {
            const bool padded = alg.method == Method::aes_kwp;
            if (use == KeyUse::unwrap) return opened_in_hsm(key.kw_unwrap(padded, body.value));
            return from_hsm(key.kw_wrap(padded, body.value));
        }
        case Method::signature:
            return from_hsm(key.sign_digest(alg.sig, body.value));
        case Method::rsa_unhashed:
            return from_hsm(key.sign_unhashed(body.value));
        case Method::hmac:
            break;
    }
    return fail(Code::invalid, "{} is not for keys in an HSM", alg.name);
}

}  // namespace vouchsafe::vault
