#include "vouchsafe/vault/keys/algorithm_table.h"

#include <algorithm>

#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/cbc.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/wrap.h"

namespace vouchsafe::vault {

namespace {

using crypto::HashAlg;
using crypto::SigAlg;

constexpr Algorithm kAlgorithms[] = {
    {"RSA1_5", Method::rsa_pkcs1},
    {"RSA-OAEP", Method::rsa_oaep},
    {"RSA-OAEP-256", Method::rsa_oaep, 0, HashAlg::sha256},
    {"A128GCM", Method::aes_gcm, 128},
    {"A192GCM", Method::aes_gcm, 192},
    {"A256GCM", Method::aes_gcm, 256},
    {"A128CBC", Method::aes_cbc, 128},
    {"A192CBC", Method::aes_cbc, 192},
    {"A256CBC", Method::aes_cbc, 256},
    {"A128CBCPAD", Method::aes_cbc_padded, 128},
    {"A192CBCPAD", Method::aes_cbc_padded, 192},
    {"A256CBCPAD", Method::aes_cbc_padded, 256},
    {"A128KW", Method::aes_kw, 128},
    {"A192KW", Method::aes_kw, 192},
    {"A256KW", Method::aes_kw, 256},
    {"CKM_AES_KEY_WRAP", Method::aes_kw},
    {"CKM_AES_KEY_WRAP_PAD", Method::aes_kwp},
    {"RS256", Method::signature, 0, {}, SigAlg::rs256},
    {"RS384", Method::signature, 0, {}, SigAlg::rs384},
    {"RS512", Method::signature, 0, {}, SigAlg::rs512},
    {"PS256", Method::signature, 0, {}, SigAlg::ps256},
    {"PS384", Method::signature, 0, {}, SigAlg::ps384},
    {"PS512", Method::signature, 0, {}, SigAlg::ps512},
    {"ES256", Method::signature, 0, {}, SigAlg::es256},
    {"ES384", Method::signature, 0, {}, SigAlg::es384},
    {"ES512", Method::signature, 0, {}, SigAlg::es512},
    {"ES256K", Method::signature, 0, {}, SigAlg::es256k},
    {"RSNULL", Method::rsa_unhashed},
    {"HS256", Method::hmac, 0, HashAlg::sha256},
    {"HS384", Method::hmac, 0, HashAlg::sha384},
    {"HS512", Method::hmac, 0, HashAlg::sha512},
};

bool is_cipher(Method method) {
    return method == Method::aes_gcm || method == Method::aes_cbc ||
           method == Method::aes_cbc_padded;
}

// fits tells whether a method is for this kind of key and this use of it.
bool fits(const Algorithm& alg, KeyFamily family, KeyUse use) {
    const bool signing = use == KeyUse::sign || use == KeyUse::verify;
    const bool wrapping = use == KeyUse::wrap || use == KeyUse::unwrap;
    switch (alg.method) {
        case Method::rsa_pkcs1:
        case Method::rsa_oaep:
            return family == KeyFamily::rsa && !signing;
        case Method::aes_gcm:
        case Method::aes_cbc:
        case Method::aes_cbc_padded:
            return family == KeyFamily::oct && !signing && !wrapping;
        case Method::aes_kw:
        case Method::aes_kwp:
            return family == KeyFamily::oct && wrapping;
        case Method::signature:
            return family == (alg.name.starts_with("ES") ? KeyFamily::ec : KeyFamily::rsa) &&
                   signing;
        case Method::rsa_unhashed:
            return family == KeyFamily::rsa && signing;
        case Method::hmac:
            return family == KeyFamily::oct && signing;
    }
    return false;
}

Result<const Algorithm*> find_algorithm(const std::string& name, const KeyVersion& version,
                                        KeyUse use) {
    const auto* alg = std::ranges::find(kAlgorithms, name, &Algorithm::name);
    if (alg == std::end(kAlgorithms) || !fits(*alg, version.family(), use)) {
        return fail(Code::invalid, "alg is none for {} with a key of type {}", key_op_name(use),
                    version.kty);
    }
    if (alg->key_bits != 0 && alg->key_bits != version.bits) {
        return fail(Code::invalid, "{} is for keys of {} bits, and this one has {}", alg->name,
                    alg->key_bits, version.bits);
    }
    return alg;
}

// check_members: somebody who sends `aad` where nothing authenticates it must not think it was.
Result<void> check_members(const Algorithm& alg, KeyUse use, const CryptoBody& body) {
    const bool gcm = alg.method == Method::aes_gcm;
    const bool seals = use == KeyUse::encrypt;
    if (body.aad && !gcm) return fail(Code::invalid, "aad belongs to AES-GCM");
    if (body.tag && (!gcm || seals)) return fail(Code::invalid, "tag belongs to AES-GCM, decrypt");
    if (body.iv && (!is_cipher(alg.method) || (gcm && seals))) {
        return fail(Code::invalid,
                    "iv belongs to AES-CBC, and to decrypt of AES-GCM, for which encrypt makes it");
    }
    if (is_cipher(alg.method) && !(gcm && seals) && !body.iv) {
        return fail(Code::invalid, "iv is missing");
    }
    if (gcm && !seals &&
        (body.iv->size() != crypto::kGcmNonceSize || !body.tag ||
         body.tag->size() != crypto::kGcmTagSize)) {
        return fail(Code::invalid, "AES-GCM has an iv of {} bytes and a tag of {}",
                    crypto::kGcmNonceSize, crypto::kGcmTagSize);
    }
    if ((use == KeyUse::verify) != body.digest.has_value()) {
        return fail(Code::invalid, "digest belongs to verify, and is needed there");
    }
    return {};
}

CryptoResult public_value(const Bytes& value) {
    return {SecretBytes::copy_of(value), {}, {}, {}, {}};
}

Result<CryptoResult> secret_value(Result<SecretBytes> value) {
    if (!value) return does_not_decrypt();
    return CryptoResult{std::move(*value), {}, {}, {}, {}};
}

Result<CryptoResult> rsa_encrypt(const Algorithm& alg, const KeyVersion& version,
                                 const CryptoBody& body) {
    const auto key = TRY(crypto::PublicKey::from_spki(version.spki));
    Result<Bytes> out = alg.method == Method::rsa_pkcs1 ? key.encrypt_pkcs1(body.value)
                                                        : key.encrypt_oaep(alg.hash, body.value);
    if (!out) return fail(Code::invalid, "value is too long for this key and alg");
    return public_value(*out);
}

Result<CryptoResult> rsa_decrypt(const Algorithm& alg, const OpenedKey& opened,
                                 const CryptoBody& body) {
    const crypto::PrivateKey& key = opened.private_key();
    return secret_value(alg.method == Method::rsa_pkcs1 ? key.decrypt_pkcs1_any(body.value)
                                                        : key.decrypt_oaep(alg.hash, body.value));
}

Result<CryptoResult> gcm_encrypt(ByteView key, const CryptoBody& body) {
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create_any(key));
    const Bytes aad = body.aad.value_or(Bytes());
    Bytes nonce = crypto::random_bytes(crypto::kGcmNonceSize);
    Bytes tag(crypto::kGcmTagSize);
    Bytes ciphertext(body.value.size());
    cipher.seal(nonce, aad, body.value, ciphertext, tag);
    CryptoResult out = public_value(ciphertext);
    out.iv = std::move(nonce);
    out.tag = std::move(tag);
    out.aad = body.aad;
    return out;
}

Result<CryptoResult> gcm_decrypt(ByteView key, const CryptoBody& body) {
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create_any(key));
    SecretBytes plaintext(body.value.size());
    if (!cipher.open(*body.iv, body.aad.value_or(Bytes()), body.value, *body.tag,
                     plaintext.expose_mutable())) {
        return does_not_decrypt();
    }
    return CryptoResult{std::move(plaintext), {}, {}, {}, {}};
}

Result<CryptoResult> cbc(const Algorithm& alg, KeyUse use, ByteView key, const CryptoBody& body) {
    const auto padding =
        alg.method == Method::aes_cbc ? crypto::CbcPadding::none : crypto::CbcPadding::pkcs7;
    if (body.iv->size() != crypto::kCbcBlock) {
        return fail(Code::invalid, "AES-CBC has an iv of {} bytes", crypto::kCbcBlock);
    }
    if (use == KeyUse::decrypt) {
        return secret_value(crypto::aes_cbc_decrypt(key, *body.iv, padding, body.value));
    }
    CryptoResult out =
        public_value(TRY(crypto::aes_cbc_encrypt(key, *body.iv, padding, body.value)));
    out.iv = body.iv;  // clients hand it on to whoever decrypts
    return out;
}

Result<CryptoResult> key_wrap(const Algorithm& alg, KeyUse use, ByteView key,
                              const CryptoBody& body) {
    if (key.size() > crypto::kGcmKeySize) return fail(Code::invalid, "no AES key is this long");
    const bool padded = alg.method == Method::aes_kwp;
    if (use == KeyUse::unwrap) {
        return secret_value(padded ? crypto::aes_kwp_unwrap(key, body.value)
                                   : crypto::aes_kw_unwrap(key, body.value));
    }
    return public_value(
        TRY(padded ? crypto::aes_kwp_wrap(key, body.value) : crypto::aes_kw_wrap(key, body.value)));
}

Result<void> check_digest(ByteView digest, size_t size, std::string_view name) {
    if (digest.size() == size) return {};
    return fail(Code::invalid, "a digest for {} has {} bytes, not {}", name, size, digest.size());
}

CryptoResult verdict(bool holds) {
    CryptoResult out;
    out.holds = holds;
    return out;
}

Result<CryptoResult> sign(const Algorithm& alg, const OpenedKey& opened, const CryptoBody& body) {
    const crypto::PrivateKey& key = opened.private_key();
    if (alg.method == Method::rsa_unhashed) return public_value(TRY(key.sign_unhashed(body.value)));
    TRY(check_digest(body.value, crypto::hash_size(crypto::sig_alg_hash(alg.sig)), alg.name));
    return public_value(TRY(key.sign_digest(alg.sig, body.value)));
}

Result<CryptoResult> verify(const Algorithm& alg, const KeyVersion& version,
                            const CryptoBody& body) {
    const auto key = TRY(crypto::PublicKey::from_spki(version.spki, crypto::Curves::with_p256k));
    Result<void> held = alg.method == Method::rsa_unhashed
                            ? key.verify_unhashed(*body.digest, body.value)
                            : key.verify_digest(alg.sig, *body.digest, body.value);
    if (!held && held.error().code != Code::bad_evidence) return fail(std::move(held.error()));
    return verdict(held.has_value());
}

// authenticate takes a digest as the other signatures do. A key shorter than the hash would be
// weaker than the algorithm's name says (RFC 7518, 3.2).
Result<CryptoResult> authenticate(const Algorithm& alg, KeyUse use, ByteView key,
                                  const CryptoBody& body) {
    const size_t size = crypto::hash_size(alg.hash);
    if (key.size() < size) {
        return fail(Code::invalid, "{} is for keys of {} bits or more", alg.name, size * 8);
    }
    const Bytes& digest = use == KeyUse::verify ? *body.digest : body.value;
    TRY(check_digest(digest, size, alg.name));
    const Bytes mac = crypto::hmac(alg.hash, key, digest);
    if (use == KeyUse::verify) return verdict(equal_ct(mac, body.value));
    return public_value(mac);
}

}  // namespace

tl::unexpected<Error> does_not_decrypt() {
    return fail(Code::invalid, "value does not decrypt with this key and alg");
}

std::string_view key_op_name(KeyUse use) {
    constexpr std::string_view kNames[] = {"encrypt",   "decrypt", "wrapKey",
                                           "unwrapKey", "sign",    "verify"};
    return kNames[static_cast<size_t>(use)];
}

bool needs_secret(KeyFamily family, KeyUse use) {
    return family == KeyFamily::oct || use == KeyUse::decrypt || use == KeyUse::unwrap ||
           use == KeyUse::sign;
}

Result<CryptoResult> use_key(KeyUse use, const KeyVersion& version, const OpenedKey* opened,
                             const CryptoBody& body) {
    const Algorithm& alg = *TRY(find_algorithm(body.alg, version, use));
    TRY(check_members(alg, use, body));
    const HsmKey* in_hsm = opened == nullptr ? nullptr : opened->hsm_key();
    if (in_hsm != nullptr) return use_hsm_key(alg, use, *in_hsm, body);
    switch (alg.method) {
        case Method::rsa_pkcs1:
        case Method::rsa_oaep:
            return opened == nullptr ? rsa_encrypt(alg, version, body)
                                     : rsa_decrypt(alg, *opened, body);
        case Method::aes_gcm:
            return use == KeyUse::encrypt ? gcm_encrypt(opened->expose_octets(), body)
                                          : gcm_decrypt(opened->expose_octets(), body);
        case Method::aes_cbc:
        case Method::aes_cbc_padded:
            return cbc(alg, use, opened->expose_octets(), body);
        case Method::aes_kw:
        case Method::aes_kwp:
            return key_wrap(alg, use, opened->expose_octets(), body);
        case Method::signature:
        case Method::rsa_unhashed:
            return opened == nullptr ? verify(alg, version, body) : sign(alg, *opened, body);
        case Method::hmac:
            break;
    }
    return authenticate(alg, use, opened->expose_octets(), body);
}

}  // namespace vouchsafe::vault
