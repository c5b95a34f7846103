#include "vouchsafe/crypto/kdf.h"

#include <openssl/core_names.h>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

OSSL_PARAM octets(const char* name, ByteView bytes) {
    return OSSL_PARAM_construct_octet_string(name, const_cast<uint8_t*>(bytes.data()),
                                             bytes.size());
}

}  // namespace

SecretBytes hkdf(HashAlg alg, ByteView key, ByteView salt, ByteView info, size_t length) {
    static const Kdf kdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
    expect(kdf != nullptr, "EVP_KDF_fetch");
    expect(!key.empty() && length != 0 && length <= 255 * hash_size(alg) &&
               info.size() <= kMaxHkdfInfo,
           "sizes within the limits of HKDF");
    KdfCtx ctx(EVP_KDF_CTX_new(kdf.get()));
    expect(ctx != nullptr, "EVP_KDF_CTX_new");
    OSSL_PARAM params[5];
    OSSL_PARAM* next = params;
    *next++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                               const_cast<char*>(openssl_name(alg)), 0);
    *next++ = octets(OSSL_KDF_PARAM_KEY, key);
    if (!salt.empty()) *next++ = octets(OSSL_KDF_PARAM_SALT, salt);
    if (!info.empty()) *next++ = octets(OSSL_KDF_PARAM_INFO, info);
    *next = OSSL_PARAM_construct_end();
    SecretBytes out(length);
    expect(EVP_KDF_derive(ctx.get(), out.expose_mutable().data(), length, params) == 1,
           "EVP_KDF_derive");
    return out;
}

SecretBytes scrypt(ByteView password, ByteView salt, uint64_t n, uint32_t r, uint32_t p,
                   size_t length) {
    SecretBytes out(length);
    // What the algorithm allocates (RFC 7914, 5 and 6), and a little for OpenSSL itself.
    uint64_t memory = 128 * uint64_t{r} * (n + p + 2) + (1 << 16);
    expect(
        EVP_PBE_scrypt(reinterpret_cast<const char*>(password.data()), password.size(), salt.data(),
                       salt.size(), n, r, p, memory, out.expose_mutable().data(), length) == 1,
        "scrypt with a cost that is a power of two");
    return out;
}

}  // namespace vouchsafe::crypto
