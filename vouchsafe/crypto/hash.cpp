#include "vouchsafe/crypto/hash.h"

#include <openssl/core_names.h>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

void expect(bool ok, const char* what, std::source_location where) {
    if (ok) return;
    char reason[256] = "OpenSSL gave no reason";
    if (unsigned long error = ERR_peek_last_error(); error != 0) {
        ERR_error_string_n(error, reason, sizeof(reason));
    }
    detail::die(what, where.file_name(), static_cast<int>(where.line()),
                Error{Code::internal, reason, {}});
}

const char* openssl_name(HashAlg alg) {
    switch (alg) {
        case HashAlg::sha1:
            return "SHA1";
        case HashAlg::sha256:
            return "SHA256";
        case HashAlg::sha384:
            return "SHA384";
        case HashAlg::sha512:
            return "SHA512";
    }
    expect(false, "a known hash algorithm");
    return "";
}

const EVP_MD* digest_of(HashAlg alg) {
    auto fetch = [](HashAlg wanted) {
        Md md(EVP_MD_fetch(nullptr, openssl_name(wanted), nullptr));
        expect(md != nullptr, "EVP_MD_fetch");
        return md;
    };
    static const std::array<Md, 4> digests = {fetch(HashAlg::sha1), fetch(HashAlg::sha256),
                                              fetch(HashAlg::sha384), fetch(HashAlg::sha512)};
    return digests.at(static_cast<size_t>(alg)).get();
}

size_t hash_size(HashAlg alg) {
    switch (alg) {
        case HashAlg::sha1:
            return 20;
        case HashAlg::sha256:
            return 32;
        case HashAlg::sha384:
            return 48;
        case HashAlg::sha512:
            return 64;
    }
    expect(false, "a known hash algorithm");
    return 0;
}

std::string_view hash_name(HashAlg alg) {
    switch (alg) {
        case HashAlg::sha1:
            return "SHA-1";
        case HashAlg::sha256:
            return "SHA-256";
        case HashAlg::sha384:
            return "SHA-384";
        case HashAlg::sha512:
            return "SHA-512";
    }
    expect(false, "a known hash algorithm");
    return "";
}

Bytes hash(HashAlg alg, ByteView data) {
    Bytes out(hash_size(alg));
    expect(EVP_Digest(data.data(), data.size(), out.data(), nullptr, digest_of(alg), nullptr) == 1,
           "EVP_Digest");
    return out;
}

std::array<uint8_t, 32> sha256(ByteView data) {
    std::array<uint8_t, 32> out;
    expect(EVP_Digest(data.data(), data.size(), out.data(), nullptr, digest_of(HashAlg::sha256),
                      nullptr) == 1,
           "EVP_Digest");
    return out;
}

Bytes hmac(HashAlg alg, ByteView key, ByteView data) {
    static const Mac mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
    expect(mac != nullptr, "EVP_MAC_fetch");
    MacCtx ctx(EVP_MAC_CTX_new(mac.get()));
    expect(ctx != nullptr, "EVP_MAC_CTX_new");
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         const_cast<char*>(openssl_name(alg)), 0),
        OSSL_PARAM_construct_end()};
    // A null key would mean "the key of before", also when it is empty.
    const uint8_t nothing = 0;
    const uint8_t* key_data = key.empty() ? &nothing : key.data();
    Bytes out(hash_size(alg));
    size_t size = 0;
    expect(EVP_MAC_init(ctx.get(), key_data, key.size(), params) == 1, "EVP_MAC_init");
    expect(EVP_MAC_update(ctx.get(), data.data(), data.size()) == 1, "EVP_MAC_update");
    expect(EVP_MAC_final(ctx.get(), out.data(), &size, out.size()) == 1 && size == out.size(),
           "EVP_MAC_final");
    return out;
}

struct Hasher::State {
    HashAlg alg;
    MdCtx ctx;
};

Hasher::Hasher(HashAlg alg) : state_(new State{alg, MdCtx(EVP_MD_CTX_new())}) {
    expect(state_->ctx && EVP_DigestInit_ex2(state_->ctx.get(), digest_of(alg), nullptr) == 1,
           "EVP_DigestInit_ex2");
}

Hasher::~Hasher() = default;
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;

void Hasher::update(ByteView data) {
    expect(state_ != nullptr, "a hasher not yet finished");
    expect(EVP_DigestUpdate(state_->ctx.get(), data.data(), data.size()) == 1, "EVP_DigestUpdate");
}

Bytes Hasher::finish() {
    expect(state_ != nullptr, "a hasher not yet finished");
    Bytes out(hash_size(state_->alg));
    expect(EVP_DigestFinal_ex(state_->ctx.get(), out.data(), nullptr) == 1, "EVP_DigestFinal_ex");
    state_.reset();
    return out;
}

}  // namespace vouchsafe::crypto
