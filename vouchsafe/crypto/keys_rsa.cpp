#include <openssl/core_names.h>

#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/rsa_oaep.h"

namespace vouchsafe::crypto {

namespace {

// Parameters that go along with the start of an operation take half of what it takes to set them
// one after the other.
using Options = std::array<OSSL_PARAM, 4>;

OSSL_PARAM text_option(const char* name, const char* value) {
    return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
}

Options oaep(HashAlg hash, HashAlg mgf1) {
    return {text_option(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_OAEP),
            text_option(OSSL_ASYM_CIPHER_PARAM_OAEP_DIGEST, openssl_name(hash)),
            text_option(OSSL_ASYM_CIPHER_PARAM_MGF1_DIGEST, openssl_name(mgf1)),
            OSSL_PARAM_construct_end()};
}

Options pkcs1() {
    return {text_option(OSSL_ASYM_CIPHER_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PKCSV15),
            OSSL_PARAM_construct_end()};
}

size_t modulus_size(const EVP_PKEY* key) {
    return static_cast<size_t>(EVP_PKEY_get_size(key));
}

PkeyCtx start_encrypt(EVP_PKEY* key, const Options& options) {
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    expect(ctx && EVP_PKEY_encrypt_init_ex(ctx.get(), options.data()) == 1,
           "EVP_PKEY_encrypt_init_ex");
    return ctx;
}

PkeyCtx start_decrypt(EVP_PKEY* key, const Options& options) {
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    expect(ctx && EVP_PKEY_decrypt_init_ex(ctx.get(), options.data()) == 1,
           "EVP_PKEY_decrypt_init_ex");
    return ctx;
}

Result<Bytes> encrypt(EVP_PKEY_CTX* ctx, EVP_PKEY* key, ByteView plaintext) {
    Bytes out(modulus_size(key));
    size_t size = out.size();
    // A null pointer would ask for the size only.
    const uint8_t nothing = 0;
    const uint8_t* in = plaintext.empty() ? &nothing : plaintext.data();
    if (EVP_PKEY_encrypt(ctx, out.data(), &size, in, plaintext.size()) != 1 || size != out.size()) {
        return fail(Code::internal, "RSA encryption failed");
    }
    return out;
}

// decrypt is for paddings whose failure may be told.
Result<SecretBytes> decrypt(EVP_PKEY_CTX* ctx, EVP_PKEY* key, ByteView ciphertext) {
    SecretBytes out(modulus_size(key));
    size_t size = out.size();
    if (ciphertext.size() != out.size() ||
        EVP_PKEY_decrypt(ctx, out.expose_mutable().data(), &size, ciphertext.data(),
                         ciphertext.size()) != 1) {
        return fail(Code::bad_evidence, "the ciphertext does not open with this key");
    }
    out.truncate(size);
    return out;
}

// rejected_plaintext is what a ciphertext with wrong padding decrypts to: bytes that look random,
// but the same ones each time, so that repeating a request tells nothing either.
SecretBytes rejected_plaintext(const PrivateKey& key, ByteView ciphertext, size_t size) {
    return hkdf(HashAlg::sha256, key.to_pkcs8().expose(), ciphertext,
                as_bytes("RSAES-PKCS1-v1_5 implicit rejection"), size);
}

// all_ones_if returns 0xff for true and 0 for false without a branch.
uint8_t all_ones_if(bool condition) {
    return static_cast<uint8_t>(0U - static_cast<unsigned>(condition));
}

}  // namespace

Result<Bytes> PublicKey::encrypt_oaep(HashAlg hash, ByteView plaintext) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    size_t overhead = 2 * hash_size(hash) + 2;  // RFC 8017, 7.1.1
    if (plaintext.size() + overhead > modulus_size(key_.get())) {
        return fail(Code::invalid, "{} bytes are too many for RSA-OAEP with a {} bit key",
                    plaintext.size(), bits());
    }
    PkeyCtx ctx = start_encrypt(key_.get(), oaep(hash, hash));
    return encrypt(ctx.get(), key_.get(), plaintext);
}

Result<Bytes> PublicKey::encrypt_pkcs1(ByteView plaintext) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    if (plaintext.size() + RSA_PKCS1_PADDING_SIZE > modulus_size(key_.get())) {  // RFC 8017, 7.2.1
        return fail(Code::invalid, "{} bytes are too many for RSAES-PKCS1-v1_5 with a {} bit key",
                    plaintext.size(), bits());
    }
    PkeyCtx ctx = start_encrypt(key_.get(), pkcs1());
    return encrypt(ctx.get(), key_.get(), plaintext);
}

Result<SecretBytes> PrivateKey::decrypt_oaep(HashAlg hash, ByteView ciphertext) const {
    return crypto::decrypt_oaep(*this, hash, hash, ciphertext);
}

Result<SecretBytes> decrypt_oaep(const PrivateKey& key, HashAlg hash, HashAlg mgf1,
                                 ByteView ciphertext) {
    ErrorScope errors;
    if (key.type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    PkeyCtx ctx = start_decrypt(key.handle(), oaep(hash, mgf1));
    return decrypt(ctx.get(), key.handle(), ciphertext);
}

Result<SecretBytes> PrivateKey::decrypt_pkcs1(ByteView ciphertext, size_t expected_size) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    SecretBytes opened(modulus_size(key_.get()));
    if (ciphertext.size() != opened.size()) {
        return fail(Code::invalid, "the ciphertext has {} bytes, expected {}", ciphertext.size(),
                    opened.size());
    }
    if (expected_size == 0 || expected_size + RSA_PKCS1_PADDING_SIZE > opened.size()) {
        return fail(Code::invalid, "a plaintext of {} bytes does not fit the key", expected_size);
    }
    SecretBytes out = rejected_plaintext(*this, ciphertext, expected_size);
    PkeyCtx ctx = start_decrypt(key_.get(), pkcs1());
    // OpenSSL 3.0 checks the padding in constant time but reports it. From here to the end nothing
    // may branch on `held` or `size`.
    size_t size = opened.size();
    int held = EVP_PKEY_decrypt(ctx.get(), opened.expose_mutable().data(), &size, ciphertext.data(),
                                ciphertext.size());
    uint8_t take =
        static_cast<uint8_t>(all_ones_if(held == 1) & all_ones_if(size == expected_size));
    ByteView from = opened.expose();
    MutableByteView to = out.expose_mutable();
    for (size_t i = 0; i < expected_size; ++i) {
        to[i] = static_cast<uint8_t>((from[i] & take) | (to[i] & static_cast<uint8_t>(~take)));
    }
    return out;
}

}  // namespace vouchsafe::crypto
