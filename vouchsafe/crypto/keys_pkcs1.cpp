// RSAES-PKCS1-v1_5 decryption with implicit rejection (draft-irtf-cfrg-rsa-guidance, 7). OpenSSL
// does it itself from 3.2 on; 3.0 tells whether the padding held, so the padding is
// removed by rsa_padding.h.
#include <openssl/core_names.h>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/rsa_padding.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMaxModulus = 8192 / 8;  // bytes

// rejection_secret is the hash of the private exponent, as long as the modulus.
SecretBytes rejection_secret(const EVP_PKEY* key, size_t modulus_size) {
    BIGNUM* raw = nullptr;
    int got = EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_D, &raw);
    BigNum exponent(raw);
    expect(got == 1, "RSA private exponent");
    SecretBytes bytes(modulus_size);
    expect(BN_bn2binpad(exponent.get(), bytes.expose_mutable().data(),
                        static_cast<int>(bytes.size())) >= 0,
           "BN_bn2binpad");
    auto hashed = sha256(bytes.expose());
    SecretBytes out = SecretBytes::copy_of(hashed);
    wipe(hashed);
    return out;
}

}  // namespace

Result<SecretBytes> PrivateKey::decrypt_pkcs1_any(ByteView ciphertext) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    const auto size = static_cast<uint32_t>((bits() + 7) / 8);
    expect(size <= kMaxModulus, "a modulus of a size that keys may have");
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_decrypt_init(ctx.get()) == 1, "EVP_PKEY_decrypt_init");
    expect(EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_NO_PADDING) == 1, "no padding");
    SecretBytes block(size);
    size_t got = size;
    if (ciphertext.size() != size ||
        EVP_PKEY_decrypt(ctx.get(), block.expose_mutable().data(), &got, ciphertext.data(),
                         ciphertext.size()) != 1 ||
        got != size) {
        return fail(Code::bad_evidence, "the ciphertext does not open with this key");
    }
    const SecretBytes secret = rejection_secret(key_.get(), size);
    return remove_pkcs1_padding(block.expose(), secret.expose(), ciphertext);
}

}  // namespace vouchsafe::crypto
