// Making, reading and writing keys. Signatures are in keys_sign.cpp, RSA encryption in
// keys_rsa.cpp.
#include "vouchsafe/crypto/keys.h"

#include <openssl/core_names.h>

#include <algorithm>
#include <bit>

#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/pem.h"
#include "vouchsafe/crypto/spki.h"

namespace vouchsafe::crypto {

namespace {

constexpr size_t kMinPublicRsaBits = 1024;
constexpr size_t kMinPrivateRsaBits = 2048;
constexpr size_t kMaxRsaBits = 8192;
constexpr size_t kMaxExponentBits = 64;
constexpr size_t kMaxKeyDer = 64 << 10;

struct CurveInfo {
    Curve curve;
    const char* openssl_name;
    size_t bits;
    size_t width;  // bytes of a coordinate
};
constexpr CurveInfo kCurves[] = {{Curve::p256, "prime256v1", 256, 32},
                                 {Curve::p384, "secp384r1", 384, 48},
                                 {Curve::p521, "secp521r1", 521, 66},
                                 {Curve::p256k, "secp256k1", 256, 32}};

const CurveInfo& curve_info(Curve curve) {
    return kCurves[static_cast<size_t>(curve)];
}

std::shared_ptr<EVP_PKEY> share(Pkey key) {
    return {key.release(), EVP_PKEY_free};
}

BigNum bignum_of(ByteView big_endian) {
    BigNum number(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
    expect(number != nullptr, "BN_bin2bn");
    return number;
}

BigNum number_param(const EVP_PKEY* key, const char* name) {
    BIGNUM* raw = nullptr;
    int got = EVP_PKEY_get_bn_param(key, name, &raw);
    BigNum number(raw);
    expect(got == 1, name);
    return number;
}

// Parameters hold numbers in the byte order of the machine.
Bytes native_bytes_of(const BIGNUM* number) {
    Bytes out(static_cast<size_t>(BN_num_bytes(number)));
    expect(BN_bn2nativepad(number, out.data(), static_cast<int>(out.size())) >= 0,
           "BN_bn2nativepad");
    return out;
}

ByteView without_leading_zeros(ByteView number) {
    auto first = std::find_if(number.begin(), number.end(), [](uint8_t byte) { return byte != 0; });
    return number.subspan(static_cast<size_t>(first - number.begin()));
}

// number_bytes returns a parameter of at most `max_size` bytes, big-endian. EVP_PKEY_get_bn_param
// would go by way of a number of 2048 bytes.
Bytes number_bytes(const EVP_PKEY* key, const char* name, size_t max_size) {
    Bytes out(max_size);
    OSSL_PARAM wanted[] = {OSSL_PARAM_construct_BN(name, out.data(), out.size()),
                           OSSL_PARAM_construct_end()};
    expect(EVP_PKEY_get_params(key, wanted) == 1 && wanted[0].return_size <= max_size, name);
    out.resize(wanted[0].return_size);
    if constexpr (std::endian::native == std::endian::little) std::ranges::reverse(out);
    return to_bytes(without_leading_zeros(out));
}

Result<void> check_rsa(const BIGNUM* modulus, const BIGNUM* exponent, size_t min_bits) {
    size_t bits = static_cast<size_t>(BN_num_bits(modulus));
    if (bits < min_bits || bits > kMaxRsaBits) {
        return fail(Code::invalid, "an RSA modulus of {} bits is outside {} to {}", bits, min_bits,
                    kMaxRsaBits);
    }
    if (!BN_is_odd(modulus)) return fail(Code::invalid, "the RSA modulus is even");
    if (!BN_is_odd(exponent) || BN_is_one(exponent) ||
        static_cast<size_t>(BN_num_bits(exponent)) > kMaxExponentBits) {
        return fail(Code::invalid, "the RSA exponent is not odd, less than 3 or over 64 bits");
    }
    return {};
}

// curve_of fails for curves we do not use, and for curves written out as numbers: an attacker could
// choose their base point (CVE-2020-0601).
Result<Curve> curve_of(const EVP_PKEY* key, Curves curves) {
    int explicit_curve = 0;
    if (EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
                               &explicit_curve) == 1 &&
        explicit_curve != 0) {
        return fail(Code::unsupported, "an EC key with explicit curve parameters");
    }
    char name[32] = {};
    if (EVP_PKEY_get_group_name(key, name, sizeof(name), nullptr) == 1) {
        for (const CurveInfo& info : kCurves) {
            const bool wanted = info.curve != Curve::p256k || curves == Curves::with_p256k;
            if (wanted && std::string_view(name) == info.openssl_name) return info.curve;
        }
    }
    return fail(Code::unsupported, "an EC key on another curve than P-256, P-384, P-521");
}

// A point has one form with y and one without; the hybrid one, which has y and its parity, must not
// be used (RFC 5480, 2.2).
Result<void> check_point_form(const EVP_PKEY* key) {
    char form[32] = {};
    expect(EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, form,
                                          sizeof(form), nullptr) == 1,
           "EC point form");
    if (std::string_view(form) == OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_HYBRID) {
        return fail(Code::invalid, "the point of the EC key is in the hybrid form");
    }
    return {};
}

KeyType type_of(const EVP_PKEY* key) {
    return EVP_PKEY_is_a(key, "RSA") == 1 ? KeyType::rsa : KeyType::ec;
}

// check_key is passed by every key that comes from outside.
Result<void> check_key(EVP_PKEY* key, size_t min_rsa_bits, Curves curves) {
    if (EVP_PKEY_is_a(key, "RSA") == 1) {
        BigNum modulus = number_param(key, OSSL_PKEY_PARAM_RSA_N);
        BigNum exponent = number_param(key, OSSL_PKEY_PARAM_RSA_E);
        return check_rsa(modulus.get(), exponent.get(), min_rsa_bits);
    }
    if (EVP_PKEY_is_a(key, "EC") == 1) {
        TRY(curve_of(key, curves));
        TRY(check_point_form(key));
        // The point at infinity is on every curve and verifies forged signatures.
        PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
        expect(ctx != nullptr, "EVP_PKEY_CTX_new_from_pkey");
        if (EVP_PKEY_public_check_quick(ctx.get()) != 1) {
            return fail(Code::invalid, "the point of the EC key is not valid");
        }
        return {};
    }
    return fail(Code::unsupported, "a key that is neither RSA nor EC");
}

// import_context is for making keys of parts. To make one takes longer than to make a key with it,
// so each thread keeps its own.
EVP_PKEY_CTX* import_context(KeyType type) {
    auto make = [](const char* name) {
        PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, name, nullptr));
        expect(ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1, "EVP_PKEY_fromdata_init");
        return ctx;
    };
    thread_local const PkeyCtx rsa = make("RSA");
    thread_local const PkeyCtx ec = make("EC");
    return type == KeyType::rsa ? rsa.get() : ec.get();
}

Pkey key_from_parts(KeyType type, const OSSL_PARAM* parts) {
    EVP_PKEY* raw = nullptr;
    int made = EVP_PKEY_fromdata(import_context(type), &raw, EVP_PKEY_PUBLIC_KEY,
                                 const_cast<OSSL_PARAM*>(parts));
    Pkey key(raw);
    if (made != 1) key.reset();
    return key;
}

Result<PrivateKey> generate(EVP_PKEY_CTX* ctx) {
    EVP_PKEY* raw = nullptr;
    int made = EVP_PKEY_generate(ctx, &raw);
    Pkey key(raw);
    if (made != 1) return fail(Code::internal, "key generation failed");
    return PrivateKey(share(std::move(key)));
}

SigAlg ecdsa_with(Curve curve) {
    constexpr SigAlg kByCurve[] = {SigAlg::es256, SigAlg::es384, SigAlg::es512, SigAlg::es256k};
    return kByCurve[static_cast<size_t>(curve)];
}

// check_pair signs and verifies once: parts of a private key that do not belong together are
// refused before anything is signed for somebody.
Result<void> check_pair(const PrivateKey& key) {
    SigAlg alg = SigAlg::rs256;
    if (key.type() == KeyType::ec) {
        alg = ecdsa_with(TRY(curve_of(key.handle(), Curves::with_p256k)));
    }
    Bytes message = to_bytes("pairwise consistency");
    auto signature = key.sign(alg, message);
    if (!signature || !key.public_key().verify(alg, message, *signature)) {
        return fail(Code::invalid, "the parts of the private key do not belong together");
    }
    return {};
}

Result<Pkey> read_private(ByteView der) {
    if (der.size() > kMaxKeyDer) return fail(Code::invalid, "the private key is too long");
    const uint8_t* next = der.data();
    Pkey key(
        d2i_AutoPrivateKey_ex(nullptr, &next, static_cast<long>(der.size()), nullptr, nullptr));
    if (!key || next != der.data() + der.size()) {
        return fail(Code::invalid, "not a private key in PKCS#8, PKCS#1 or SEC1 form");
    }
    return key;
}

}  // namespace

Result<PublicKey> checked_public_key(Pkey key, Curves curves) {
    ErrorScope errors;
    TRY(check_key(key.get(), kMinPublicRsaBits, curves));
    return PublicKey(share(std::move(key)));
}

Result<PublicKey> PublicKey::from_spki(ByteView der, Curves curves) {
    ErrorScope errors;
    if (der.size() > kMaxKeyDer) return fail(Code::invalid, "the public key is too long");
    if (const auto numbers = split_plain_spki(der)) {
        if (const auto* rsa = std::get_if<RsaNumbers>(&*numbers)) {
            return from_rsa(rsa->modulus, rsa->exponent);
        }
        const auto& point = std::get<EcPoint>(*numbers);
        if (point.curve != Curve::p256k || curves == Curves::with_p256k) {
            return from_ec(point.curve, point.x, point.y);
        }
    }
    const uint8_t* next = der.data();
    Pkey key(d2i_PUBKEY(nullptr, &next, static_cast<long>(der.size())));
    if (!key || next != der.data() + der.size()) {
        return fail(Code::invalid, "not a SubjectPublicKeyInfo");
    }
    return checked_public_key(std::move(key), curves);
}

Result<PublicKey> PublicKey::from_pem(std::string_view pem) {
    auto blocks = TRY(parse_pem_blocks(as_bytes(pem), 1));
    if (blocks[0].label != "PUBLIC KEY") {
        return fail(Code::invalid, "a PEM block PUBLIC KEY was expected");
    }
    return from_spki(blocks[0].der.expose());
}

Result<PublicKey> PublicKey::from_rsa(ByteView modulus, ByteView exponent) {
    ErrorScope errors;
    modulus = without_leading_zeros(modulus);
    exponent = without_leading_zeros(exponent);
    if (modulus.size() > kMaxRsaBits / 8 || exponent.size() > kMaxExponentBits / 8) {
        return fail(Code::invalid, "the RSA modulus or exponent is too long");
    }
    BigNum n = bignum_of(modulus);
    BigNum e = bignum_of(exponent);
    TRY(check_rsa(n.get(), e.get(), kMinPublicRsaBits));
    Bytes native_n = native_bytes_of(n.get());
    Bytes native_e = native_bytes_of(e.get());
    const OSSL_PARAM parts[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, native_n.data(), native_n.size()),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, native_e.data(), native_e.size()),
        OSSL_PARAM_construct_end()};
    Pkey key = key_from_parts(KeyType::rsa, parts);
    if (!key) return fail(Code::invalid, "not an RSA public key");
    return PublicKey(share(std::move(key)));
}

Result<PublicKey> PublicKey::from_ec(Curve curve, ByteView x, ByteView y) {
    ErrorScope errors;
    const CurveInfo& info = curve_info(curve);
    if (x.size() != info.width || y.size() != info.width) {
        return fail(Code::invalid, "a coordinate on this curve has {} bytes", info.width);
    }
    Bytes point = {POINT_CONVERSION_UNCOMPRESSED};
    append(point, x);
    append(point, y);
    const OSSL_PARAM parts[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                         const_cast<char*>(info.openssl_name), 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
        OSSL_PARAM_construct_end()};
    Pkey key = key_from_parts(KeyType::ec, parts);
    if (!key) return fail(Code::invalid, "the point is not on the curve");
    return checked_public_key(std::move(key), Curves::with_p256k);
}

KeyType PublicKey::type() const {
    return type_of(key_.get());
}

size_t PublicKey::bits() const {
    return static_cast<size_t>(EVP_PKEY_get_bits(key_.get()));
}

Bytes PublicKey::spki() const {
    unsigned char* raw = nullptr;
    int size = i2d_PUBKEY(key_.get(), &raw);
    OpensslMemory der(raw);
    expect(size > 0, "i2d_PUBKEY");
    return Bytes(der.get(), der.get() + size);
}

std::string PublicKey::pem() const {
    return std::string(encode_pem("PUBLIC KEY", spki()).expose_text());
}

Result<RsaPublicParts> PublicKey::rsa() const {
    if (type() != KeyType::rsa) return fail(Code::invalid, "not an RSA key");
    const auto size = static_cast<size_t>(EVP_PKEY_get_size(key_.get()));
    return RsaPublicParts{number_bytes(key_.get(), OSSL_PKEY_PARAM_RSA_N, size),
                          number_bytes(key_.get(), OSSL_PKEY_PARAM_RSA_E, size)};
}

Result<EcPublicParts> PublicKey::ec() const {
    if (type() != KeyType::ec) return fail(Code::invalid, "not an EC key");
    Curve curve = TRY(curve_of(key_.get(), Curves::with_p256k));
    auto coordinate = [&](const char* name) {
        Bytes out(curve_info(curve).width);
        BigNum number = number_param(key_.get(), name);
        expect(BN_bn2binpad(number.get(), out.data(), static_cast<int>(out.size())) >= 0, name);
        return out;
    };
    return EcPublicParts{curve, coordinate(OSSL_PKEY_PARAM_EC_PUB_X),
                         coordinate(OSSL_PKEY_PARAM_EC_PUB_Y)};
}

bool PublicKey::operator==(const PublicKey& other) const {
    ErrorScope errors;
    return EVP_PKEY_eq(key_.get(), other.key_.get()) == 1;
}

Result<PrivateKey> PrivateKey::generate_rsa(size_t bits, unsigned primes) {
    ErrorScope errors;
    if (bits < kMinPrivateRsaBits || bits > kMaxRsaBits || bits % 8 != 0) {
        return fail(Code::invalid, "RSA keys have {} to {} bits, not {}", kMinPrivateRsaBits,
                    kMaxRsaBits, bits);
    }
    // As OpenSSL bounds them: each prime of 4096 bits and more has 1024 of them at least.
    const unsigned most_primes = bits < 4096 ? 3 : 4;
    if (primes < 2 || primes > most_primes) {
        return fail(Code::invalid, "RSA keys of {} bits have 2 to {} primes, not {}", bits,
                    most_primes, primes);
    }
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "RSA", nullptr));
    expect(ctx && EVP_PKEY_keygen_init(ctx.get()) == 1, "EVP_PKEY_keygen_init");
    expect(EVP_PKEY_CTX_set_rsa_keygen_bits(ctx.get(), static_cast<int>(bits)) == 1, "RSA bits");
    expect(EVP_PKEY_CTX_set_rsa_keygen_primes(ctx.get(), static_cast<int>(primes)) == 1,
           "RSA primes");
    return generate(ctx.get());
}

Result<PrivateKey> PrivateKey::generate_ec(Curve curve) {
    ErrorScope errors;
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
    expect(ctx && EVP_PKEY_keygen_init(ctx.get()) == 1, "EVP_PKEY_keygen_init");
    expect(EVP_PKEY_CTX_set_group_name(ctx.get(), curve_info(curve).openssl_name) == 1, "curve");
    return generate(ctx.get());
}

Result<PrivateKey> PrivateKey::from_pkcs8(ByteView der, Curves curves) {
    ErrorScope errors;
    Pkey key = TRY(read_private(der));
    TRY(check_key(key.get(), kMinPrivateRsaBits, curves));
    PrivateKey out(share(std::move(key)));
    TRY(check_pair(out));
    return out;
}

Result<PrivateKey> PrivateKey::trust_pkcs8(ByteView der) {
    ErrorScope errors;
    return PrivateKey(share(TRY(read_private(der))));
}

Result<PrivateKey> PrivateKey::from_pem(ByteView pem) {
    // `openssl ecparam -genkey` writes the curve as a block of its own before the key.
    auto blocks = TRY(parse_pem_blocks(pem, 2));
    if (blocks.size() == 2 && blocks[0].label == "EC PARAMETERS") blocks.erase(blocks.begin());
    const std::string& label = blocks[0].label;
    if (blocks[0].encrypted || label == "ENCRYPTED PRIVATE KEY") {
        return fail(Code::unsupported, "the private key is encrypted with a password");
    }
    if (blocks.size() != 1 ||
        (label != "PRIVATE KEY" && label != "RSA PRIVATE KEY" && label != "EC PRIVATE KEY")) {
        return fail(Code::invalid, "one PEM block PRIVATE KEY was expected");
    }
    return from_pkcs8(blocks[0].der.expose());
}

PublicKey PrivateKey::public_key() const {
    OSSL_PARAM* raw = nullptr;
    int got = EVP_PKEY_todata(key_.get(), EVP_PKEY_PUBLIC_KEY, &raw);
    Params parts(raw);
    expect(got == 1, "EVP_PKEY_todata");
    Pkey key = key_from_parts(type(), parts.get());
    expect(key != nullptr, "EVP_PKEY_fromdata");
    return PublicKey(share(std::move(key)));
}

KeyType PrivateKey::type() const {
    return type_of(key_.get());
}

size_t PrivateKey::bits() const {
    return static_cast<size_t>(EVP_PKEY_get_bits(key_.get()));
}

SecretBytes PrivateKey::to_pkcs8() const {
    Pkcs8 info(EVP_PKEY2PKCS8(key_.get()));
    expect(info != nullptr, "EVP_PKEY2PKCS8");
    SecretBytes der(static_cast<size_t>(i2d_PKCS8_PRIV_KEY_INFO(info.get(), nullptr)));
    uint8_t* next = der.expose_mutable().data();
    expect(i2d_PKCS8_PRIV_KEY_INFO(info.get(), &next) == static_cast<int>(der.size()),
           "i2d_PKCS8_PRIV_KEY_INFO");
    return der;
}

SecretBytes PrivateKey::to_pem() const {
    return encode_pem("PRIVATE KEY", to_pkcs8().expose());
}

}  // namespace vouchsafe::crypto
