#include <openssl/core_names.h>

#include <algorithm>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

enum class Padding { pkcs1, pss, none };

struct AlgInfo {
    SigAlg alg;
    std::string_view name;
    HashAlg hash;
    Padding padding;
    // EC: each algorithm goes with one curve (RFC 7518, 3.4; RFC 8812, 3.2), and the bytes of r and
    // s.
    Curve curve;
    size_t width;
};
constexpr AlgInfo kAlgs[] = {
    {SigAlg::rs256, "RS256", HashAlg::sha256, Padding::pkcs1, {}, 0},
    {SigAlg::rs384, "RS384", HashAlg::sha384, Padding::pkcs1, {}, 0},
    {SigAlg::rs512, "RS512", HashAlg::sha512, Padding::pkcs1, {}, 0},
    {SigAlg::ps256, "PS256", HashAlg::sha256, Padding::pss, {}, 0},
    {SigAlg::ps384, "PS384", HashAlg::sha384, Padding::pss, {}, 0},
    {SigAlg::ps512, "PS512", HashAlg::sha512, Padding::pss, {}, 0},
    {SigAlg::es256, "ES256", HashAlg::sha256, Padding::none, Curve::p256, 32},
    {SigAlg::es384, "ES384", HashAlg::sha384, Padding::none, Curve::p384, 48},
    {SigAlg::es512, "ES512", HashAlg::sha512, Padding::none, Curve::p521, 66},
    {SigAlg::es256k, "ES256K", HashAlg::sha256, Padding::none, Curve::p256k, 32},
};

const AlgInfo& alg_info(SigAlg alg) {
    return kAlgs[static_cast<size_t>(alg)];
}

// curve_is compares names: P-256 and secp256k1 have as many bits.
bool curve_is(const EVP_PKEY* key, Curve curve) {
    constexpr std::string_view kNames[] = {"prime256v1", "secp384r1", "secp521r1", "secp256k1"};
    char name[32] = {};
    return EVP_PKEY_get_group_name(key, name, sizeof(name), nullptr) == 1 &&
           name == kNames[static_cast<size_t>(curve)];
}

Result<void> check_fit(const AlgInfo& alg, const EVP_PKEY* key, KeyType type, ByteView digest) {
    bool ec = alg.padding == Padding::none;
    if (ec != (type == KeyType::ec) || (ec && !curve_is(key, alg.curve))) {
        return fail(Code::invalid, "the algorithm {} does not fit the key", alg.name);
    }
    if (digest.size() != hash_size(alg.hash)) {
        return fail(Code::invalid, "a digest for {} has {} bytes, not {}", alg.name,
                    hash_size(alg.hash), digest.size());
    }
    return {};
}

Result<void> check_unhashed(ByteView data, size_t bits) {
    if (data.empty() || data.size() + RSA_PKCS1_PADDING_SIZE > (bits + 7) / 8) {
        return fail(Code::invalid, "{} bytes cannot be signed unhashed with a {} bit key",
                    data.size(), bits);
    }
    return {};
}

// options_of is what goes along with the start of an operation: setting one parameter after the
// other takes twice as long.
std::array<OSSL_PARAM, 5> options_of(const AlgInfo& alg) {
    auto text = [](const char* name, const char* value) {
        return OSSL_PARAM_construct_utf8_string(name, const_cast<char*>(value), 0);
    };
    const char* const hash = openssl_name(alg.hash);
    const OSSL_PARAM digest = text(OSSL_SIGNATURE_PARAM_DIGEST, hash);
    const OSSL_PARAM end = OSSL_PARAM_construct_end();
    if (alg.padding == Padding::none) return {digest, end};
    if (alg.padding == Padding::pkcs1) {
        return {digest, text(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PKCSV15), end};
    }
    return {digest, text(OSSL_SIGNATURE_PARAM_PAD_MODE, OSSL_PKEY_RSA_PAD_MODE_PSS),
            text(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, hash),
            text(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST), end};
}

// JOSE writes an ECDSA signature as r || s (RFC 7518, 3.4), OpenSSL as a DER sequence.
Bytes der_of_raw(ByteView raw) {
    ByteView r_bytes = raw.first(raw.size() / 2);
    ByteView s_bytes = raw.subspan(raw.size() / 2);
    EcdsaSig signature(ECDSA_SIG_new());
    BigNum r(BN_bin2bn(r_bytes.data(), static_cast<int>(r_bytes.size()), nullptr));
    BigNum s(BN_bin2bn(s_bytes.data(), static_cast<int>(s_bytes.size()), nullptr));
    expect(signature && r && s && ECDSA_SIG_set0(signature.get(), r.get(), s.get()) == 1,
           "ECDSA_SIG_set0");
    (void)r.release();  // the signature owns them now
    (void)s.release();
    unsigned char* encoded = nullptr;
    int size = i2d_ECDSA_SIG(signature.get(), &encoded);
    OpensslMemory der(encoded);
    expect(size > 0, "i2d_ECDSA_SIG");
    return Bytes(der.get(), der.get() + size);
}

Bytes raw_of_der(ByteView der, size_t width) {
    const uint8_t* next = der.data();
    EcdsaSig signature(d2i_ECDSA_SIG(nullptr, &next, static_cast<long>(der.size())));
    expect(signature != nullptr, "d2i_ECDSA_SIG");
    Bytes raw(2 * width);
    int part = static_cast<int>(width);
    expect(BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), part) == part &&
               BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + width, part) == part,
           "BN_bn2binpad");
    return raw;
}

}  // namespace

std::string_view sig_alg_name(SigAlg alg) {
    return alg_info(alg).name;
}

std::optional<SigAlg> sig_alg_from_name(std::string_view name) {
    auto found = std::find_if(std::begin(kAlgs), std::end(kAlgs),
                              [&](const AlgInfo& info) { return info.name == name; });
    if (found == std::end(kAlgs)) return std::nullopt;
    return found->alg;
}

HashAlg sig_alg_hash(SigAlg alg) {
    return alg_info(alg).hash;
}

Result<void> PublicKey::verify(SigAlg alg, ByteView message, ByteView signature) const {
    return verify_digest(alg, hash(sig_alg_hash(alg), message), signature);
}

Result<void> PublicKey::verify_digest(SigAlg alg, ByteView digest, ByteView signature) const {
    ErrorScope errors;
    const AlgInfo& info = alg_info(alg);
    TRY(check_fit(info, key_.get(), type(), digest));
    bool ec = type() == KeyType::ec;
    size_t size = ec ? 2 * info.width : (bits() + 7) / 8;
    if (signature.size() != size) {
        return fail(Code::bad_evidence, "the signature has {} bytes, a {} signature by this key {}",
                    signature.size(), info.name, size);
    }
    Bytes encoded = ec ? der_of_raw(signature) : to_bytes(signature);
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_verify_init_ex(ctx.get(), options_of(info).data()) == 1,
           "EVP_PKEY_verify_init_ex");
    if (EVP_PKEY_verify(ctx.get(), encoded.data(), encoded.size(), digest.data(), digest.size()) !=
        1) {
        return fail(Code::bad_evidence, "the {} signature does not hold", info.name);
    }
    return {};
}

Result<Bytes> PrivateKey::sign(SigAlg alg, ByteView message) const {
    return sign_digest(alg, hash(sig_alg_hash(alg), message));
}

Result<Bytes> PrivateKey::sign_digest(SigAlg alg, ByteView digest) const {
    ErrorScope errors;
    const AlgInfo& info = alg_info(alg);
    TRY(check_fit(info, key_.get(), type(), digest));
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_sign_init_ex(ctx.get(), options_of(info).data()) == 1,
           "EVP_PKEY_sign_init_ex");
    Bytes signature(static_cast<size_t>(EVP_PKEY_get_size(key_.get())));
    size_t size = signature.size();
    if (EVP_PKEY_sign(ctx.get(), signature.data(), &size, digest.data(), digest.size()) != 1) {
        return fail(Code::internal, "signing with {} failed", info.name);
    }
    signature.resize(size);
    return type() == KeyType::ec ? raw_of_der(signature, info.width) : signature;
}

Result<void> PublicKey::verify_unhashed(ByteView data, ByteView signature) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    TRY(check_unhashed(data, bits()));
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_verify_init(ctx.get()) == 1, "EVP_PKEY_verify_init");
    expect(EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1, "signature padding");
    if (signature.size() != (bits() + 7) / 8 ||
        EVP_PKEY_verify(ctx.get(), signature.data(), signature.size(), data.data(), data.size()) !=
            1) {
        return fail(Code::bad_evidence, "the signature does not hold");
    }
    return {};
}

Result<Bytes> PrivateKey::sign_unhashed(ByteView data) const {
    ErrorScope errors;
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    TRY(check_unhashed(data, bits()));
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key_.get(), nullptr));
    expect(ctx && EVP_PKEY_sign_init(ctx.get()) == 1, "EVP_PKEY_sign_init");
    expect(EVP_PKEY_CTX_set_rsa_padding(ctx.get(), RSA_PKCS1_PADDING) == 1, "signature padding");
    Bytes signature((bits() + 7) / 8);
    size_t size = signature.size();
    if (EVP_PKEY_sign(ctx.get(), signature.data(), &size, data.data(), data.size()) != 1 ||
        size != signature.size()) {
        return fail(Code::internal, "signing failed");
    }
    return signature;
}

}  // namespace vouchsafe::crypto
