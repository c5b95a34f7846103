// Private keys from their parts, secp256k1, and RSA signatures without a hash.
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

const Json& rfc7517() {
    static const Json json = MUST(parse_json(
        MUST(read_text_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rfc7517.json"))));
    return json;
}

Bytes member_of(const Json& jwk, const char* name) {
    return MUST(decode_base64url(jwk[name].get<std::string>()));
}

RsaPrivateParts rsa_parts(const Json& jwk) {
    const auto secret = [&](const char* name) {
        return SecretBytes::copy_of(member_of(jwk, name));
    };
    return {member_of(jwk, "n"), member_of(jwk, "e"), secret("d"),  secret("p"),
            secret("q"),         secret("dp"),        secret("dq"), secret("qi")};
}

EcPrivateParts ec_parts(const Json& jwk) {
    return {{Curve::p256, member_of(jwk, "x"), member_of(jwk, "y")},
            SecretBytes::copy_of(member_of(jwk, "d"))};
}

TEST(PrivateKeyParts, MakesTheKeysOfRfc7517) {
    const PrivateKey rsa = MUST(PrivateKey::from_rsa(rsa_parts(rfc7517()["rsa"])));
    const PrivateKey ec = MUST(PrivateKey::from_ec(ec_parts(rfc7517()["ec"])));
    const Bytes message = to_bytes("message");
    EXPECT_TRUE(
        rsa.public_key().verify(SigAlg::ps256, message, MUST(rsa.sign(SigAlg::ps256, message))));
    EXPECT_TRUE(
        ec.public_key().verify(SigAlg::es256, message, MUST(ec.sign(SigAlg::es256, message))));
    for (const PrivateKey& key : {rsa, ec}) {
        EXPECT_EQ(MUST(PrivateKey::from_pkcs8(key.to_pkcs8().expose())).public_key(),
                  key.public_key());
        EXPECT_EQ(MUST(PrivateKey::trust_pkcs8(key.to_pkcs8().expose())).public_key(),
                  key.public_key());
    }
    EXPECT_EQ(code_of(PrivateKey::trust_pkcs8(Bytes(20, 1))), Code::invalid);
}

TEST(PrivateKeyParts, LeadingZerosChangeNothing) {
    Json jwk = rfc7517()["rsa"];
    for (const char* name : {"n", "e", "d", "p", "q", "dp", "dq", "qi"}) {
        Bytes longer(3);
        append(longer, member_of(jwk, name));
        jwk[name] = encode_base64url(longer);
    }
    EXPECT_TRUE(PrivateKey::from_rsa(rsa_parts(jwk)));
}

TEST(PrivateKeyParts, RefusesAnyPartThatDoesNotBelong) {
    for (const char* name : {"n", "e", "d", "p", "q", "dp", "dq", "qi"}) {
        const Bytes good = member_of(rfc7517()["rsa"], name);
        Bytes last = good;
        last.back() ^= 2;
        Bytes first = good;
        first.front() ^= 0x40;
        for (const Bytes& bad : {last, first, Bytes(), Bytes{0}, Bytes{1}, Bytes(good.size(), 0xff),
                                 Bytes(2000, 1), Bytes(good.begin(), good.end() - 1)}) {
            Json jwk = rfc7517()["rsa"];
            jwk[name] = encode_base64url(bad);
            EXPECT_EQ(code_of(PrivateKey::from_rsa(rsa_parts(jwk))), Code::invalid)
                << name << " " << encode_hex(bad);
        }
    }
    // The primes exchanged without qi, and another key's public half.
    Json swapped = rfc7517()["rsa"];
    swapped["p"].swap(swapped["q"]);
    EXPECT_EQ(code_of(PrivateKey::from_rsa(rsa_parts(swapped))), Code::invalid);
}

TEST(PrivateKeyParts, RefusesShortRsaKeys) {
    const PublicKey small = MUST(PublicKey::from_spki(
        MUST(PublicKey::from_rsa(hex("c1" + std::string(252, '7') + "f1"), Bytes{1, 0, 1}))
            .spki()));
    Json jwk = rfc7517()["rsa"];
    jwk["n"] = encode_base64url(MUST(small.rsa()).modulus);
    EXPECT_EQ(code_of(PrivateKey::from_rsa(rsa_parts(jwk))), Code::invalid);
}

TEST(PrivateKeyParts, RefusesAnEcKeyWhosePartsDoNotBelong) {
    for (const char* name : {"x", "y", "d"}) {
        const Bytes good = member_of(rfc7517()["ec"], name);
        Bytes changed = good;
        changed[20] ^= 1;
        for (const Bytes& bad :
             {changed, Bytes(), Bytes(32), Bytes(32, 0xff), Bytes(good.begin(), good.end() - 1)}) {
            Json jwk = rfc7517()["ec"];
            jwk[name] = encode_base64url(bad);
            EXPECT_EQ(code_of(PrivateKey::from_ec(ec_parts(jwk))), Code::invalid) << name;
        }
    }
    // d + n gives the same point and is not in range: 2^256 has no room for it in most cases, one
    // byte more has.
    const Bytes order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    EcPrivateParts parts = ec_parts(rfc7517()["ec"]);
    parts.d = SecretBytes::copy_of(order);
    EXPECT_EQ(code_of(PrivateKey::from_ec(parts)), Code::invalid);
}

// Key 1, whose point is the generator (SEC 2, 2.4.1), and its signature by RFC 6979 over "Satoshi
// Nakamoto": a value that many implementations of secp256k1 test with.
EcPrivateParts key_one() {
    return {{Curve::p256k, hex("79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"),
             hex("483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8")},
            SecretBytes::copy_of(Bytes{1})};
}

TEST(Secp256k1, VerifiesAPublishedSignatureAndItsOwn) {
    const PrivateKey key = MUST(PrivateKey::from_ec(key_one()));
    const Bytes message = to_bytes("Satoshi Nakamoto");
    Bytes signature =
        hex("934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"
            "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5");
    EXPECT_TRUE(key.public_key().verify(SigAlg::es256k, message, signature));
    EXPECT_TRUE(
        key.public_key().verify(SigAlg::es256k, message, MUST(key.sign(SigAlg::es256k, message))));
    signature[40] ^= 1;
    EXPECT_EQ(code_of(key.public_key().verify(SigAlg::es256k, message, signature)),
              Code::bad_evidence);
    // P-256 has as many bits and is another curve.
    EXPECT_EQ(code_of(key.sign(SigAlg::es256, message)), Code::invalid);
    const PrivateKey p256 = MUST(PrivateKey::generate_ec(Curve::p256));
    EXPECT_EQ(code_of(p256.sign(SigAlg::es256k, message)), Code::invalid);
    EXPECT_EQ(code_of(p256.public_key().verify(SigAlg::es256k, message, signature)), Code::invalid);
}

TEST(Secp256k1, IsReadOnlyWhereItIsAskedFor) {
    const PrivateKey key = MUST(PrivateKey::generate_ec(Curve::p256k));
    const SecretBytes pkcs8 = key.to_pkcs8();
    const Bytes spki = key.public_key().spki();
    EXPECT_EQ(code_of(PrivateKey::from_pkcs8(pkcs8.expose())), Code::unsupported);
    EXPECT_EQ(code_of(PublicKey::from_spki(spki)), Code::unsupported);
    EXPECT_EQ(MUST(PrivateKey::from_pkcs8(pkcs8.expose(), Curves::with_p256k)).public_key(),
              MUST(PublicKey::from_spki(spki, Curves::with_p256k)));
    EXPECT_EQ(MUST(key.public_key().ec()).curve, Curve::p256k);
}

TEST(UnhashedSignature, HoldsForTheBytesThemselves) {
    const PrivateKey key = MUST(PrivateKey::from_rsa(rsa_parts(rfc7517()["rsa"])));
    const PublicKey half = key.public_key();
    for (size_t size : {1, 20, 245}) {
        Bytes data = random_bytes(size);
        Bytes signature = MUST(key.sign_unhashed(data));
        EXPECT_TRUE(half.verify_unhashed(data, signature));
        data[0] ^= 1;
        EXPECT_EQ(code_of(half.verify_unhashed(data, signature)), Code::bad_evidence);
    }
    // With the DigestInfo of SHA-256 before it (RFC 8017, 9.2), it is RS256.
    const Bytes message = to_bytes("message");
    Bytes info = hex("3031300d060960864801650304020105000420");
    append(info, sha256(message));
    EXPECT_TRUE(half.verify(SigAlg::rs256, message, MUST(key.sign_unhashed(info))));
    EXPECT_EQ(code_of(key.sign_unhashed({})), Code::invalid);
    EXPECT_EQ(code_of(key.sign_unhashed(Bytes(246))), Code::invalid);
    EXPECT_EQ(code_of(half.verify_unhashed(Bytes(20), Bytes(255))), Code::bad_evidence);
    EXPECT_EQ(code_of(MUST(PrivateKey::generate_ec(Curve::p256)).sign_unhashed(Bytes(20))),
              Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
