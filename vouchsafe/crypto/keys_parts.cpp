// Private keys from their parts, each held against the others.
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

using ParamsBuilder = Handle<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>;

constexpr size_t kMinPrivateBits = 2048;
constexpr size_t kMaxPartSize = 8192 / 8;
constexpr size_t kMaxExponentSize = 8;

// secure_number copies into a number that is wiped when it is freed. Null for one that is too long.
BigNum secure_number(ByteView big_endian, size_t max_size) {
    auto first =
        std::find_if(big_endian.begin(), big_endian.end(), [](uint8_t byte) { return byte != 0; });
    big_endian = big_endian.subspan(static_cast<size_t>(first - big_endian.begin()));
    if (big_endian.size() > max_size) return nullptr;
    BigNum number(BN_secure_new());
    expect(number && BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()),
                               number.get()) != nullptr,
           "BN_bin2bn");
    return number;
}

Pkey keypair_from(const char* type, OSSL_PARAM_BLD* builder) {
    Params params(OSSL_PARAM_BLD_to_param(builder));
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
    expect(params && ctx && EVP_PKEY_fromdata_init(ctx.get()) == 1, "EVP_PKEY_fromdata_init");
    EVP_PKEY* raw = nullptr;
    int made = EVP_PKEY_fromdata(ctx.get(), &raw, EVP_PKEY_KEYPAIR, params.get());
    Pkey key(raw);
    if (made != 1) key.reset();
    return key;
}

// belongs_together is OpenSSL's pairwise check: for RSA SP 800-56B, 6.4.1.4 and the CRT parts, for
// EC SP 800-56A, 5.6.2.1.4.
bool belongs_together(EVP_PKEY* key) {
    PkeyCtx ctx(EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr));
    expect(ctx != nullptr, "EVP_PKEY_CTX_new_from_pkey");
    return EVP_PKEY_check(ctx.get()) == 1;
}

tl::unexpected<Error> not_one_key() {
    return fail(Code::invalid, "the parts of the private key do not belong together");
}

std::shared_ptr<EVP_PKEY> shared_key(Pkey key) {
    return {key.release(), EVP_PKEY_free};
}

}  // namespace

Result<PrivateKey> PrivateKey::from_rsa(const RsaPrivateParts& parts) {
    ErrorScope errors;
    // The public half passes the rules for every key from outside first.
    const PublicKey half = TRY(PublicKey::from_rsa(parts.modulus, parts.exponent));
    if (half.bits() < kMinPrivateBits) {
        return fail(Code::invalid, "an RSA key of {} bits is shorter than {}", half.bits(),
                    kMinPrivateBits);
    }
    struct Part {
        const char* name;
        BigNum number;
    };
    const Part numbers[] = {
        {OSSL_PKEY_PARAM_RSA_N, secure_number(parts.modulus, kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_E, secure_number(parts.exponent, kMaxExponentSize)},
        {OSSL_PKEY_PARAM_RSA_D, secure_number(parts.d.expose(), kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_FACTOR1, secure_number(parts.p.expose(), kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_FACTOR2, secure_number(parts.q.expose(), kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_EXPONENT1, secure_number(parts.dp.expose(), kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_EXPONENT2, secure_number(parts.dq.expose(), kMaxPartSize)},
        {OSSL_PKEY_PARAM_RSA_COEFFICIENT1, secure_number(parts.qi.expose(), kMaxPartSize)},
    };
    ParamsBuilder builder(OSSL_PARAM_BLD_new());
    expect(builder != nullptr, "OSSL_PARAM_BLD_new");
    for (const Part& part : numbers) {
        // Zero is no value of any part; OpenSSL would take it for one that is not given.
        if (!part.number || BN_is_zero(part.number.get())) return not_one_key();
        expect(OSSL_PARAM_BLD_push_BN(builder.get(), part.name, part.number.get()) == 1, part.name);
    }
    // Both primes have half of the bits (FIPS 186-5, A.1.1), or factoring is easier than it looks.
    const int prime_bits = static_cast<int>(half.bits() / 2);
    if (BN_num_bits(numbers[3].number.get()) != prime_bits ||
        BN_num_bits(numbers[4].number.get()) != prime_bits) {
        return not_one_key();
    }
    Pkey key = keypair_from("RSA", builder.get());
    if (!key || !belongs_together(key.get())) return not_one_key();
    return PrivateKey(shared_key(std::move(key)));
}

Result<PrivateKey> PrivateKey::from_ec(const EcPrivateParts& parts) {
    ErrorScope errors;
    const EcPublicParts& point = parts.point;
    const PublicKey half = TRY(PublicKey::from_ec(point.curve, point.x, point.y));
    constexpr const char* kGroups[] = {"prime256v1", "secp384r1", "secp521r1", "secp256k1"};
    BigNum d = secure_number(parts.d.expose(), (half.bits() + 7) / 8);
    if (!d || BN_is_zero(d.get())) return not_one_key();
    Bytes encoded = {POINT_CONVERSION_UNCOMPRESSED};
    append(encoded, point.x);
    append(encoded, point.y);
    ParamsBuilder builder(OSSL_PARAM_BLD_new());
    expect(builder &&
               OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME,
                                               kGroups[static_cast<size_t>(point.curve)], 0) == 1,
           "curve");
    expect(OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, encoded.data(),
                                            encoded.size()) == 1 &&
               OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_PRIV_KEY, d.get()) == 1,
           "EC key");
    Pkey key = keypair_from("EC", builder.get());
    if (!key || !belongs_together(key.get())) return not_one_key();
    return PrivateKey(shared_key(std::move(key)));
}

}  // namespace vouchsafe::crypto
