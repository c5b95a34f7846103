#include "vouchsafe/crypto/keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>

#include <atomic>
#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

using testing::HasSubstr;

const Path kVectors = Path(VS_SOURCE_DIR) / "tests/vectors/crypto";

Bytes b64(std::string_view text) {
    return MUST(decode_base64url(text));
}

const PrivateKey& rsa_key() {
    static const PrivateKey key =
        MUST(PrivateKey::from_pkcs8(MUST(read_file(kVectors / "rsa-2048.pkcs8.der"))));
    return key;
}

const Json& rsa_vectors() {
    static const Json json = MUST(parse_json(MUST(read_text_file(kVectors / "rsa.json"))));
    return json;
}

HashAlg hash_from(const Json& name) {
    return name == "sha1"     ? HashAlg::sha1
           : name == "sha256" ? HashAlg::sha256
           : name == "sha384" ? HashAlg::sha384
                              : HashAlg::sha512;
}

// --- RFC 7515, appendix A

TEST(Signature, VerifiesTheRs256ExampleOfRfc7515) {
    PublicKey key = MUST(PublicKey::from_rsa(
        b64("ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz"
            "P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6"
            "3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw"
            "Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW"
            "yuXpoQ"),
        b64("AQAB")));
    std::string_view message =
        "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    Bytes signature = b64(
        "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W"
        "2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkS"
        "jtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnv"
        "Wh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw");
    EXPECT_TRUE(key.verify(SigAlg::rs256, as_bytes(message), signature));
    EXPECT_TRUE(key.verify_digest(SigAlg::rs256, sha256(as_bytes(message)), signature));
    EXPECT_EQ(code_of(key.verify(SigAlg::ps256, as_bytes(message), signature)), Code::bad_evidence);
    EXPECT_EQ(code_of(key.verify(SigAlg::rs256, as_bytes("x"), signature)), Code::bad_evidence);
}

TEST(Signature, VerifiesTheEs256ExampleOfRfc7515) {
    PublicKey key =
        MUST(PublicKey::from_ec(Curve::p256, b64("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
                                b64("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0")));
    std::string_view message =
        "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        "cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    Bytes signature = b64(
        "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q");
    EXPECT_TRUE(key.verify(SigAlg::es256, as_bytes(message), signature));
}

TEST(Signature, VerifiesTheEs512ExampleOfRfc7515) {
    PublicKey key = MUST(PublicKey::from_ec(
        Curve::p521,
        b64("AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQ"
            "Gk"),
        b64("ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyM"
            "j2")));
    Bytes signature = b64(
        "AdwMgeerwtHoh-l192l60hp9wAHZFVJbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7Xdt"
        "AG8GaSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmxYbSW9ERBXukOXolLzeO_Jn");
    EXPECT_TRUE(key.verify(SigAlg::es512, as_bytes("eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA"), signature));
}

// --- signing

TEST(Signature, OfEveryAlgorithmHoldsAndEveryFlippedBitIsRefused) {
    struct Case {
        SigAlg alg;
        PrivateKey key;
        size_t size;
    };
    PrivateKey p256 = MUST(PrivateKey::generate_ec(Curve::p256));
    PrivateKey p384 = MUST(PrivateKey::generate_ec(Curve::p384));
    PrivateKey p521 = MUST(PrivateKey::generate_ec(Curve::p521));
    const Case cases[] = {{SigAlg::rs256, rsa_key(), 256}, {SigAlg::rs384, rsa_key(), 256},
                          {SigAlg::rs512, rsa_key(), 256}, {SigAlg::ps256, rsa_key(), 256},
                          {SigAlg::ps384, rsa_key(), 256}, {SigAlg::ps512, rsa_key(), 256},
                          {SigAlg::es256, p256, 64},       {SigAlg::es384, p384, 96},
                          {SigAlg::es512, p521, 132}};
    Bytes message = to_bytes("attack at dawn");
    for (const Case& c : cases) {
        SCOPED_TRACE(sig_alg_name(c.alg));
        PublicKey public_key = c.key.public_key();
        Bytes signature = MUST(c.key.sign(c.alg, message));
        EXPECT_EQ(signature.size(), c.size);
        EXPECT_TRUE(public_key.verify(c.alg, message, signature));
        for (size_t i = 0; i < signature.size(); i += 7) {
            Bytes changed = signature;
            changed[i] = static_cast<uint8_t>(changed[i] ^ (1U << (i % 8)));
            EXPECT_EQ(code_of(public_key.verify(c.alg, message, changed)), Code::bad_evidence);
        }
        for (size_t size : {size_t{0}, signature.size() - 1, signature.size() + 1}) {
            Bytes resized = signature;
            resized.resize(size);
            EXPECT_EQ(code_of(public_key.verify(c.alg, message, resized)), Code::bad_evidence);
        }
        EXPECT_EQ(code_of(public_key.verify(c.alg, message, Bytes(c.size, 0))), Code::bad_evidence);
        EXPECT_EQ(code_of(public_key.verify(c.alg, message, Bytes(c.size, 0xff))),
                  Code::bad_evidence);
        EXPECT_EQ(code_of(c.key.sign_digest(c.alg, Bytes(31))), Code::invalid);
        EXPECT_EQ(code_of(public_key.verify_digest(c.alg, Bytes(31), signature)), Code::invalid);
        EXPECT_EQ(sig_alg_from_name(sig_alg_name(c.alg)), c.alg);
    }
    EXPECT_FALSE(sig_alg_from_name("none"));
    EXPECT_FALSE(sig_alg_from_name("rs256"));
}

TEST(Signature, AlgorithmMustFitTheKey) {
    PrivateKey p256 = MUST(PrivateKey::generate_ec(Curve::p256));
    Bytes message = to_bytes("m");
    EXPECT_EQ(code_of(p256.sign(SigAlg::es384, message)), Code::invalid);
    EXPECT_EQ(code_of(p256.sign(SigAlg::rs256, message)), Code::invalid);
    EXPECT_EQ(code_of(rsa_key().sign(SigAlg::es256, message)), Code::invalid);
    EXPECT_EQ(code_of(p256.public_key().verify(SigAlg::es384, message, Bytes(96))), Code::invalid);
}

TEST(Signature, FailuresLeaveNothingInOpensslsErrorQueue) {
    PublicKey key = rsa_key().public_key();
    EXPECT_FALSE(key.verify(SigAlg::rs256, as_bytes("m"), Bytes(256, 1)));
    EXPECT_FALSE(PublicKey::from_spki(Bytes{0x30, 0x03, 1, 2, 3}));
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Signature, OneKeyServesManyThreads) {
    PrivateKey ec = MUST(PrivateKey::generate_ec(Curve::p256));
    PublicKey rsa_public = rsa_key().public_key();
    Bytes ciphertext = MUST(rsa_public.encrypt_oaep(HashAlg::sha256, as_bytes("shared")));
    std::atomic<int> good = 0;
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int k = 0; k < 5; ++k) {
                Bytes message = random_bytes(20);
                bool held = ec.public_key().verify(SigAlg::es256, message,
                                                   MUST(ec.sign(SigAlg::es256, message))) &&
                            rsa_public.verify(SigAlg::ps256, message,
                                              MUST(rsa_key().sign(SigAlg::ps256, message))) &&
                            rsa_key().decrypt_oaep(HashAlg::sha256, ciphertext).has_value();
                if (held) ++good;
            }
        });
    }
    threads.clear();
    EXPECT_EQ(good, 20);
}

// --- forms

TEST(PublicKey, KeepsItsPartsThroughEveryForm) {
    PublicKey rsa = rsa_key().public_key();
    EXPECT_EQ(rsa.type(), KeyType::rsa);
    EXPECT_EQ(rsa.bits(), 2048U);
    RsaPublicParts parts = MUST(rsa.rsa());
    EXPECT_EQ(parts.modulus.size(), 256U);
    EXPECT_EQ(encode_hex(parts.exponent), "010001");
    Bytes padded = {0, 0};
    append(padded, parts.modulus);
    EXPECT_TRUE(MUST(PublicKey::from_rsa(padded, parts.exponent)) == rsa);
    EXPECT_TRUE(MUST(PublicKey::from_spki(rsa.spki())) == rsa);
    EXPECT_TRUE(MUST(PublicKey::from_pem(rsa.pem())) == rsa);
    EXPECT_EQ(code_of(rsa.ec()), Code::invalid);

    for (Curve curve : {Curve::p256, Curve::p384, Curve::p521}) {
        PublicKey key = MUST(PrivateKey::generate_ec(curve)).public_key();
        EcPublicParts ec = MUST(key.ec());
        EXPECT_EQ(ec.curve, curve);
        EXPECT_EQ(ec.x.size(), (key.bits() + 7) / 8);
        EXPECT_TRUE(MUST(PublicKey::from_ec(curve, ec.x, ec.y)) == key);
        EXPECT_TRUE(MUST(PublicKey::from_spki(key.spki())) == key);
        EXPECT_EQ(code_of(key.rsa()), Code::invalid);
        EXPECT_FALSE(key == rsa);
    }
}

TEST(PublicKey, RefusesRsaNumbersThatAreTooSmallTooLargeOrEven) {
    Bytes odd1024(128, 0xff), odd1023(128, 0xff);
    odd1023[0] = 0x7f;
    Bytes e = {1, 0, 1};
    EXPECT_TRUE(PublicKey::from_rsa(odd1024, e));
    EXPECT_EQ(code_of(PublicKey::from_rsa(odd1023, e)), Code::invalid);
    EXPECT_TRUE(PublicKey::from_rsa(Bytes(1024, 0xff), e));
    EXPECT_EQ(code_of(PublicKey::from_rsa(Bytes(1025, 0xff), e)), Code::invalid);
    Bytes even = odd1024;
    even.back() = 0xfe;
    EXPECT_EQ(code_of(PublicKey::from_rsa(even, e)), Code::invalid);
    EXPECT_TRUE(PublicKey::from_rsa(odd1024, Bytes{3}));
    EXPECT_TRUE(PublicKey::from_rsa(odd1024, Bytes(8, 0xff)));
    for (const Bytes& bad : {Bytes{}, Bytes{0}, Bytes{1}, Bytes{2}, Bytes{1, 0}, Bytes(9, 0xff)}) {
        EXPECT_EQ(code_of(PublicKey::from_rsa(odd1024, bad)), Code::invalid);
    }
    EXPECT_EQ(code_of(PublicKey::from_rsa({}, e)), Code::invalid);
}

TEST(PublicKey, RefusesPointsThatAreNotOnTheCurve) {
    EcPublicParts ec = MUST(MUST(PrivateKey::generate_ec(Curve::p256)).public_key().ec());
    Bytes other_y = ec.y;
    other_y.back() ^= 1;
    EXPECT_EQ(code_of(PublicKey::from_ec(Curve::p256, ec.x, other_y)), Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_ec(Curve::p256, ByteView(ec.x).first(31), ec.y)),
              Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_ec(Curve::p384, ec.x, ec.y)), Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_ec(Curve::p256, Bytes(32), Bytes(32))), Code::invalid);
}

TEST(PublicKey, RefusesThePointAtInfinityAndForeignCurves) {
    // SubjectPublicKeyInfo with the one byte 00 as point, P-256.
    EXPECT_FALSE(
        PublicKey::from_spki(hex("3019301306072a8648ce3d020106082a8648ce3d030107030200"
                                 "00")));
    Pkey secp256k1(EVP_EC_gen("secp256k1"));
    EXPECT_EQ(code_of(PublicKey::from_spki(
                  PublicKey(std::shared_ptr<EVP_PKEY>(secp256k1.release(), EVP_PKEY_free)).spki())),
              Code::unsupported);
    Pkey explicit_curve(EVP_EC_gen("P-256"));
    ASSERT_EQ(EVP_PKEY_set_utf8_string_param(explicit_curve.get(), "encoding", "explicit"), 1);
    EXPECT_EQ(
        code_of(PublicKey::from_spki(
            PublicKey(std::shared_ptr<EVP_PKEY>(explicit_curve.release(), EVP_PKEY_free)).spki())),
        Code::unsupported);
    Pkey ed25519(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
    EXPECT_EQ(code_of(PublicKey::from_spki(
                  PublicKey(std::shared_ptr<EVP_PKEY>(ed25519.release(), EVP_PKEY_free)).spki())),
              Code::unsupported);
}

TEST(PublicKey, RefusesTrailingBytesAndDamagedForms) {
    Bytes spki = rsa_key().public_key().spki();
    Bytes longer = spki;
    longer.push_back(0);
    EXPECT_EQ(code_of(PublicKey::from_spki(longer)), Code::invalid);
    for (size_t size = 0; size < spki.size(); ++size) {
        EXPECT_FALSE(PublicKey::from_spki(ByteView(spki).first(size)));
    }
    std::string pem = rsa_key().public_key().pem();
    EXPECT_EQ(code_of(PublicKey::from_pem(pem + pem)), Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_pem(pem.substr(0, pem.size() / 2))), Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_pem("")), Code::invalid);
    EXPECT_EQ(code_of(PublicKey::from_pem(rsa_key().to_pem().expose_text())), Code::invalid);
}

TEST(PrivateKey, KeepsItsPartsThroughEveryForm) {
    PrivateKey ec = MUST(PrivateKey::generate_ec(Curve::p384));
    for (const PrivateKey& key : {rsa_key(), ec}) {
        SecretBytes der = key.to_pkcs8();
        PrivateKey again = MUST(PrivateKey::from_pkcs8(der.expose()));
        EXPECT_TRUE(again.public_key() == key.public_key());
        EXPECT_TRUE(equal_ct(again.to_pkcs8().expose(), der.expose()));
        PrivateKey from_pem = MUST(PrivateKey::from_pem(key.to_pem().expose()));
        EXPECT_TRUE(from_pem.public_key() == key.public_key());
        EXPECT_EQ(from_pem.type(), key.type());
        EXPECT_EQ(from_pem.bits(), key.bits());
    }
    EXPECT_TRUE(
        equal(rsa_key().to_pkcs8().expose(), MUST(read_file(kVectors / "rsa-2048.pkcs8.der"))));
}

TEST(PrivateKey, ReadsPkcs1AndSec1Files) {
    EXPECT_TRUE(
        MUST(PrivateKey::from_pem(MUST(read_file(kVectors / "rsa-2048.pkcs1.pem")))).public_key() ==
        rsa_key().public_key());
    PrivateKey ec = MUST(PrivateKey::from_pem(MUST(read_file(kVectors / "p256.sec1.pem"))));
    EXPECT_EQ(ec.bits(), 256U);
}

TEST(PrivateKey, RefusesEncryptedShortAndForeignKeys) {
    auto encrypted = PrivateKey::from_pem(MUST(read_file(kVectors / "p256.encrypted.pem")));
    EXPECT_EQ(code_of(encrypted), Code::unsupported);
    auto encrypted_der = PrivateKey::from_pkcs8(MUST(read_file(kVectors / "p256.encrypted.der")));
    EXPECT_EQ(code_of(encrypted_der), Code::invalid);
    auto old_style = PrivateKey::from_pem(MUST(read_file(kVectors / "p256.encrypted-sec1.pem")));
    EXPECT_EQ(code_of(old_style), Code::unsupported);
    EXPECT_EQ(code_of(PrivateKey::from_pkcs8(MUST(read_file(kVectors / "rsa-1024.pkcs8.der")))),
              Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::from_pem(as_bytes(rsa_key().public_key().pem()))), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(1024)), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(2049)), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(2048, 4)), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(4096, 5)), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(4096, 1)), Code::invalid);
    EXPECT_EQ(code_of(PrivateKey::generate_rsa(16384)), Code::invalid);
}

TEST(PrivateKey, OfFourPrimesIsAnRsaKeyLikeOthers) {
    PrivateKey made = MUST(PrivateKey::generate_rsa(4096, 4));
    const SecretBytes der = made.to_pkcs8();
    PrivateKey key = MUST(PrivateKey::from_pkcs8(der.expose()));
    Bytes signature = MUST(key.sign(SigAlg::ps384, as_bytes("text")));
    EXPECT_TRUE(made.public_key().verify(SigAlg::ps384, as_bytes("text"), signature));
    EXPECT_FALSE(made.public_key().verify(SigAlg::ps384, as_bytes("test"), signature));
    EXPECT_EQ(made.public_key().bits(), 4096U);
}

TEST(PrivateKey, RefusesPartsThatDoNotBelongTogether) {
    // The public point of one key in the PKCS#8 form of another: the last 65 bytes are the point.
    SecretBytes one = MUST(PrivateKey::generate_ec(Curve::p256)).to_pkcs8();
    SecretBytes other = MUST(PrivateKey::generate_ec(Curve::p256)).to_pkcs8();
    ByteView point = other.expose().last(65);
    std::copy(point.begin(), point.end(), one.expose_mutable().last(65).begin());
    EXPECT_EQ(code_of(PrivateKey::from_pkcs8(one.expose())), Code::invalid);
    // One bit of the RSA private exponent and its friends.
    SecretBytes rsa = rsa_key().to_pkcs8();
    for (size_t at : {size_t{400}, size_t{700}, rsa.size() - 20}) {
        SecretBytes changed = rsa.clone();
        changed.expose_mutable()[at] ^= 4;
        auto key = PrivateKey::from_pkcs8(changed.expose());
        // OpenSSL falls back from damaged CRT parts to the exponent: then the key is a good one.
        EXPECT_TRUE(!key || key->public_key() == rsa_key().public_key());
    }
}

// --- RSA encryption

TEST(RsaOaep, OpensWhatAnotherImplementationEncrypted) {
    for (const Json& vector : rsa_vectors()["oaep"]) {
        auto opened = rsa_key().decrypt_oaep(hash_from(vector["hash"]),
                                             hex(vector["ciphertext"].get<std::string>()));
        ASSERT_TRUE(opened) << vector["hash"];
        EXPECT_EQ(encode_hex(opened->expose()), vector["plaintext"].get<std::string>());
    }
}

TEST(RsaOaep, RefusesEveryDamageWithOneAndTheSameError) {
    std::string message;
    auto refuse = [&](ByteView ciphertext, std::string_view why) {
        auto opened = rsa_key().decrypt_oaep(HashAlg::sha256, ciphertext);
        ASSERT_FALSE(opened) << why;
        EXPECT_EQ(opened.error().code, Code::bad_evidence);
        EXPECT_TRUE(message.empty() || opened.error().message == message) << why;
        message = opened.error().message;
    };
    for (const Json& vector : rsa_vectors()["oaep_bad"]) {
        refuse(hex(vector["ciphertext"].get<std::string>()), vector["why"].get<std::string>());
    }
    refuse({}, "empty");
    refuse(Bytes(255, 1), "short");
    refuse(Bytes(257, 1), "long");
    refuse(Bytes(256, 0xff), "not below the modulus");
}

TEST(RsaOaep, TakesAsMuchAsFitsAndNoMore) {
    PublicKey key = rsa_key().public_key();
    Bytes most(256 - 2 * 32 - 2, 7);
    Bytes ciphertext = MUST(key.encrypt_oaep(HashAlg::sha256, most));
    EXPECT_TRUE(equal(MUST(rsa_key().decrypt_oaep(HashAlg::sha256, ciphertext)).expose(), most));
    most.push_back(7);
    EXPECT_EQ(code_of(key.encrypt_oaep(HashAlg::sha256, most)), Code::invalid);
    EXPECT_TRUE(
        MUST(rsa_key().decrypt_oaep(HashAlg::sha1, MUST(key.encrypt_oaep(HashAlg::sha1, {}))))
            .empty());
    PrivateKey ec = MUST(PrivateKey::generate_ec(Curve::p256));
    EXPECT_EQ(code_of(ec.public_key().encrypt_oaep(HashAlg::sha256, {})), Code::invalid);
    EXPECT_EQ(code_of(ec.decrypt_oaep(HashAlg::sha256, ciphertext)), Code::invalid);
}

TEST(RsaPkcs1, OpensWhatAnotherImplementationEncrypted) {
    for (const Json& vector : rsa_vectors()["pkcs1"]) {
        std::string plaintext = vector["plaintext"];
        SecretBytes opened = MUST(rsa_key().decrypt_pkcs1(
            hex(vector["ciphertext"].get<std::string>()), plaintext.size() / 2));
        EXPECT_EQ(encode_hex(opened.expose()), plaintext);
    }
    Bytes ours = MUST(rsa_key().public_key().encrypt_pkcs1(as_bytes("0123456789")));
    EXPECT_EQ(MUST(rsa_key().decrypt_pkcs1(ours, 10)).expose_text(), "0123456789");
}

TEST(RsaPkcs1, AnswersWrongPaddingWithBytesInsteadOfAnError) {
    std::vector<Bytes> answers;
    for (const Json& vector : rsa_vectors()["pkcs1_bad"]) {
        Bytes ciphertext = hex(vector["ciphertext"].get<std::string>());
        SecretBytes first = MUST(rsa_key().decrypt_pkcs1(ciphertext, 48));
        SecretBytes again = MUST(rsa_key().decrypt_pkcs1(ciphertext, 48));
        EXPECT_EQ(first.size(), 48U);
        EXPECT_TRUE(equal_ct(first.expose(), again.expose())) << vector["why"];
        EXPECT_FALSE(all_zero(first.expose().first(16)));
        answers.push_back(to_bytes(first.expose()));
    }
    // A number that is not below the modulus is no error either.
    answers.push_back(to_bytes(MUST(rsa_key().decrypt_pkcs1(Bytes(256, 0xff), 48)).expose()));
    for (size_t i = 0; i < answers.size(); ++i) {
        for (size_t k = 0; k < i; ++k) EXPECT_NE(answers[i], answers[k]);
    }
}

TEST(RsaPkcs1, SizesThatEverybodySeesAreErrors) {
    EXPECT_EQ(code_of(rsa_key().decrypt_pkcs1(Bytes(255, 1), 48)), Code::invalid);
    EXPECT_EQ(code_of(rsa_key().decrypt_pkcs1(Bytes(256, 1), 246)), Code::invalid);
    EXPECT_EQ(code_of(rsa_key().decrypt_pkcs1(Bytes(256, 1), 0)), Code::invalid);
    PublicKey key = rsa_key().public_key();
    EXPECT_TRUE(key.encrypt_pkcs1(Bytes(245, 1)));
    EXPECT_EQ(code_of(key.encrypt_pkcs1(Bytes(246, 1))), Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
