// Which library verifies ECDSA P-384 fastest on one core? Each verifies the same signature; the
// product uses OpenSSL alone (docs/decisions/0014).
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <cstdlib>
#include <memory>

#ifdef VS_HAVE_NETTLE
#include <nettle/ecc-curve.h>
#include <nettle/ecdsa.h>
#include <nettle/version.h>
#endif
#ifdef VS_HAVE_WOLFSSL
#include <wolfssl/options.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/ecc.h>
#endif
#ifdef VS_HAVE_BOTAN
#include <botan/ec_group.h>
#include <botan/ecdsa.h>
#include <botan/pubkey.h>
#include <botan/version.h>
#endif

#include "bench/environment.h"
#include "bench/rate.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::bench {
namespace {

struct Signed {
    crypto::PublicKey public_key;
    crypto::EcPublicParts point;
    Bytes digest;
    Bytes signature;  // r || s

    static Signed make() {
        auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p384));
        Bytes hash = crypto::hash(crypto::HashAlg::sha384, as_bytes("what was signed"));
        Bytes made = MUST(key.sign_digest(crypto::SigAlg::es384, hash));
        return {key.public_key(), MUST(key.public_key().ec()), std::move(hash), std::move(made)};
    }
    ByteView r() const { return ByteView(signature).first(48); }
    ByteView s() const { return ByteView(signature).subspan(48); }
};

Way with_our_wrapper(const Signed& one) {
    return {"vouchsafe::crypto (over OpenSSL)", [&one] {
                return one.public_key
                    .verify_digest(crypto::SigAlg::es384, one.digest, one.signature)
                    .has_value();
            }};
}

Way with_openssl(const Signed& one) {
    std::shared_ptr<EVP_PKEY_CTX> ctx(
        EVP_PKEY_CTX_new_from_pkey(nullptr, one.public_key.handle(), nullptr), EVP_PKEY_CTX_free);
    if (EVP_PKEY_verify_init(ctx.get()) != 1) std::abort();
    ECDSA_SIG* parts = ECDSA_SIG_new();
    ECDSA_SIG_set0(parts, BN_bin2bn(one.r().data(), 48, nullptr),
                   BN_bin2bn(one.s().data(), 48, nullptr));
    unsigned char* raw = nullptr;
    int size = i2d_ECDSA_SIG(parts, &raw);
    Bytes der(raw, raw + size);
    OPENSSL_free(raw);
    ECDSA_SIG_free(parts);
    return {std::string(OpenSSL_version(OPENSSL_VERSION)).substr(0, 14),
            [ctx, der, digest = one.digest] {
                return EVP_PKEY_verify(ctx.get(), der.data(), der.size(), digest.data(),
                                       digest.size()) == 1;
            }};
}

#ifdef VS_HAVE_NETTLE
struct Nettle {
    ecc_point point;
    dsa_signature signature;

    static void set(mpz_t number, ByteView bytes) {
        mpz_import(number, bytes.size(), 1, 1, 1, 0, bytes.data());
    }
    explicit Nettle(const Signed& one) {
        ecc_point_init(&point, nettle_get_secp_384r1());
        dsa_signature_init(&signature);
        mpz_t x, y;
        mpz_inits(x, y, nullptr);
        set(x, one.point.x);
        set(y, one.point.y);
        if (ecc_point_set(&point, x, y) != 1) std::abort();
        mpz_clears(x, y, nullptr);
        set(signature.r, one.r());
        set(signature.s, one.s());
    }
    Nettle(const Nettle&) = delete;
    Nettle& operator=(const Nettle&) = delete;
    ~Nettle() {
        dsa_signature_clear(&signature);
        ecc_point_clear(&point);
    }
};

Way with_nettle(const Signed& one) {
    auto state = std::make_shared<Nettle>(one);
    return {fmt::format("nettle {}.{} (hogweed)", NETTLE_VERSION_MAJOR, NETTLE_VERSION_MINOR),
            [state, digest = one.digest] {
                return ecdsa_verify(&state->point, digest.size(), digest.data(),
                                    &state->signature) == 1;
            }};
}
#endif

#ifdef VS_HAVE_WOLFSSL
Way with_wolfssl(const Signed& one) {
    auto key = std::shared_ptr<ecc_key>(new ecc_key, [](ecc_key* old) {
        wc_ecc_free(old);
        delete old;
    });
    wc_ecc_init(key.get());
    if (wc_ecc_import_unsigned(key.get(), const_cast<byte*>(one.point.x.data()),
                               const_cast<byte*>(one.point.y.data()), nullptr,
                               ECC_SECP384R1) != 0) {
        std::abort();
    }
    Bytes der(128);
    word32 size = 128;
    wc_ecc_rs_raw_to_sig(one.r().data(), 48, one.s().data(), 48, der.data(), &size);
    der.resize(size);
    return {fmt::format("wolfSSL {}", LIBWOLFSSL_VERSION_STRING), [key, der, &one] {
                int holds = 0;
                int done = wc_ecc_verify_hash(der.data(), static_cast<word32>(der.size()),
                                              one.digest.data(), 48, &holds, key.get());
                return done == 0 && holds == 1;
            }};
}
#endif

#ifdef VS_HAVE_BOTAN
Way with_botan(const Signed& one) {
    Botan::EC_Group group("secp384r1");
    Botan::BigInt x(one.point.x.data(), 48), y(one.point.y.data(), 48);
    auto key = std::make_shared<Botan::ECDSA_PublicKey>(group, group.point(x, y));
    auto verifier = std::make_shared<Botan::PK_Verifier>(*key, "Raw");
    return {Botan::short_version_cstr() + std::string(" (Botan)"), [key, verifier, &one] {
                return verifier->verify_message(one.digest.data(), 48, one.signature.data(), 96);
            }};
}
#endif

std::vector<Way> ways(const Signed& one) {
    std::vector<Way> out{with_openssl(one), with_our_wrapper(one)};
#ifdef VS_HAVE_NETTLE
    out.push_back(with_nettle(one));
#endif
#ifdef VS_HAVE_WOLFSSL
    out.push_back(with_wolfssl(one));
#endif
#ifdef VS_HAVE_BOTAN
    out.push_back(with_botan(one));
#endif
    return out;
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    using namespace vouchsafe::bench;
    print_environment();
    const Signed one = Signed::make();
    compare(ways(one));
    return 0;
}
