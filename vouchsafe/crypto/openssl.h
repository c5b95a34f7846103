// OpenSSL handles with owners, and what else crypto/ needs to call OpenSSL safely. For the sources
// of crypto/ and net/ alone: no other module sees an OpenSSL type.
#pragma once

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <optional>
#include <source_location>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::crypto {

template <auto Free>
struct Freer {
    template <typename T>
    void operator()(T* handle) const {
        Free(handle);
    }
};
template <typename T, auto Free>
using Handle = std::unique_ptr<T, Freer<Free>>;

inline void free_openssl_memory(void* memory) {
    OPENSSL_free(memory);
}

using BigNum = Handle<BIGNUM, BN_clear_free>;
using Bio = Handle<BIO, BIO_free_all>;
using Cipher = Handle<EVP_CIPHER, EVP_CIPHER_free>;
using CipherCtx = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using EcdsaSig = Handle<ECDSA_SIG, ECDSA_SIG_free>;
using Kdf = Handle<EVP_KDF, EVP_KDF_free>;
using KdfCtx = Handle<EVP_KDF_CTX, EVP_KDF_CTX_free>;
using Mac = Handle<EVP_MAC, EVP_MAC_free>;
using MacCtx = Handle<EVP_MAC_CTX, EVP_MAC_CTX_free>;
using Md = Handle<EVP_MD, EVP_MD_free>;
using MdCtx = Handle<EVP_MD_CTX, EVP_MD_CTX_free>;
using OpensslMemory = Handle<unsigned char, free_openssl_memory>;
using Params = Handle<OSSL_PARAM, OSSL_PARAM_free>;
using Pkcs8 = Handle<PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free>;
using Pkey = Handle<EVP_PKEY, EVP_PKEY_free>;
using PkeyCtx = Handle<EVP_PKEY_CTX, EVP_PKEY_CTX_free>;
using X509Cert = Handle<X509, X509_free>;

// ErrorScope removes what OpenSSL puts into the thread's error queue while it lives: we check
// return values, and what stays in the queue would be taken for a failure of a later TLS call.
class ErrorScope {
  public:
    ErrorScope() { ERR_set_mark(); }
    ~ErrorScope() { ERR_pop_to_mark(); }
    ErrorScope(const ErrorScope&) = delete;
    ErrorScope& operator=(const ErrorScope&) = delete;
};

// expect ends the process if `ok` is false: for calls that fail only by a bug or without memory.
void expect(bool ok, const char* what,
            std::source_location where = std::source_location::current());

// der_of encodes with an i2d function.
template <auto Encode, typename T>
Bytes der_of(T* value) {
    unsigned char* raw = nullptr;
    int size = Encode(value, &raw);
    OpensslMemory der(raw);
    expect(size > 0, "DER encoding");
    return Bytes(der.get(), der.get() + size);
}

// time_of is nullopt for a time that is absent or malformed.
inline std::optional<Time> time_of(const ASN1_TIME* time) {
    std::tm parts = {};
    if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return std::nullopt;
    return from_unix(::timegm(&parts));
}

// digest_of returns the digest, fetched once per process. openssl_name is its name for parameters.
const EVP_MD* digest_of(HashAlg alg);
const char* openssl_name(HashAlg alg);

// checked_public_key makes a PublicKey of a handle that came from outside, if it is one we use: the
// rules are those of PublicKey::from_spki.
Result<PublicKey> checked_public_key(Pkey key, Curves curves = Curves::nist);

}  // namespace vouchsafe::crypto
