#include "vouchsafe/crypto/crl.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {
namespace {

using testing::HasSubstr;

const Path kCollateral = Path(VS_SOURCE_DIR) / "tests/vectors/tdx";

Bytes file(std::string_view name) {
    return MUST(read_file(kCollateral / name));
}
Crl list(std::string_view name) {
    return MUST(Crl::parse_any(file(name)));
}
Certificate certificate(std::string_view name) {
    return MUST(Certificate::parse_any(file(name)));
}
Certificate intel_root() {
    return certificate("intel-sgx-root-ca.pem");
}
Certificate platform_ca() {
    return certificate("intel-pck-platform-ca.pem");
}

template <typename T>
std::string message(const Result<T>& result) {
    return result ? "accepted" : result.error().message;
}

// Authority issues certificates and lists for these tests.
struct Authority {
    explicit Authority(PrivateKey its_key, CertSignature signature = CertSignature::ecdsa_sha256,
                       bool ca = true)
        : key(std::move(its_key)),
          cert(MUST(issue_certificate(spec("Test CA", 1, ca), key.public_key(), nullptr, key,
                                      signature))),
          how(signature) {}

    static CertificateSpec spec(std::string name, uint64_t serial, bool ca) {
        CertificateSpec out;
        out.subject = {{"CN", std::move(name)}};
        out.not_before = from_unix(1'700'000'000);
        out.not_after = from_unix(1'900'000'000);
        out.serial = serial;
        out.ca = ca;
        return out;
    }

    Certificate leaf(uint64_t serial) const {
        PrivateKey leaf_key = MUST(PrivateKey::generate_ec(Curve::p256));
        return MUST(
            issue_certificate(spec("Leaf", serial, false), leaf_key.public_key(), &cert, key, how));
    }

    PrivateKey key;
    Certificate cert;
    CertSignature how;
};

struct ListSpec {
    std::vector<uint64_t> serials;
    bool next_update = true;
    int critical_extension = NID_undef;
    const EVP_MD* digest = EVP_sha256();
    const EVP_MD* mask_digest = nullptr;  // set: RSASSA-PSS
    int salt = 48;
};

void set_time(X509_CRL* crl, int (*set)(X509_CRL*, const ASN1_TIME*), time_t seconds) {
    ASN1_TIME* time = ASN1_TIME_set(nullptr, seconds);
    expect(set(crl, time) == 1, "a time");
    ASN1_TIME_free(time);
}

void add_entry(X509_CRL* crl, uint64_t serial) {
    X509_REVOKED* entry = X509_REVOKED_new();
    ASN1_INTEGER* number = ASN1_INTEGER_new();
    ASN1_TIME* time = ASN1_TIME_set(nullptr, 1'750'000'000);
    expect(ASN1_INTEGER_set_uint64(number, serial) == 1 &&
               X509_REVOKED_set_serialNumber(entry, number) == 1 &&
               X509_REVOKED_set_revocationDate(entry, time) == 1 &&
               X509_CRL_add0_revoked(crl, entry) == 1,
           "an entry");
    ASN1_TIME_free(time);
    ASN1_INTEGER_free(number);
}

Bytes make_list(const Authority& issuer, const ListSpec& spec) {
    std::unique_ptr<X509_CRL, Freer<X509_CRL_free>> crl(X509_CRL_new());
    expect(X509_CRL_set_version(crl.get(), 1) == 1 &&
               X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.cert.handle())),
           "the list");
    set_time(crl.get(), X509_CRL_set1_lastUpdate, 1'750'000'000);
    if (spec.next_update) set_time(crl.get(), X509_CRL_set1_nextUpdate, 1'760'000'000);
    for (uint64_t serial : spec.serials) add_entry(crl.get(), serial);
    if (spec.critical_extension != NID_undef) {
        ASN1_INTEGER* number = ASN1_INTEGER_new();
        expect(X509_CRL_add1_ext_i2d(crl.get(), spec.critical_extension, number, 1, 0) == 1,
               "an extension");
        ASN1_INTEGER_free(number);
    }
    MdCtx context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* options = nullptr;
    expect(
        EVP_DigestSignInit(context.get(), &options, spec.digest, nullptr, issuer.key.handle()) == 1,
        "signing");
    if (spec.mask_digest != nullptr) {
        expect(EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
                   EVP_PKEY_CTX_set_rsa_mgf1_md(options, spec.mask_digest) == 1 &&
                   EVP_PKEY_CTX_set_rsa_pss_saltlen(options, spec.salt) == 1,
               "PSS");
    }
    expect(X509_CRL_sign_ctx(crl.get(), context.get()) > 0, "signing");
    unsigned char* raw = nullptr;
    int size = i2d_X509_CRL(crl.get(), &raw);
    OpensslMemory der(raw);
    return Bytes(der.get(), der.get() + size);
}

const Authority& ec_authority() {
    static const Authority kAuthority(MUST(PrivateKey::generate_ec(Curve::p256)));
    return kAuthority;
}
const Authority& rsa_authority() {
    static const Authority kAuthority(MUST(PrivateKey::generate_rsa(2048)),
                                      CertSignature::rsa_pss_sha384);
    return kAuthority;
}

TEST(Crl, ReadsIntelsLists) {
    Crl pck = list("collateral/pck-platform-2026.crl.der");
    EXPECT_EQ(pck.entries(), 57u);
    EXPECT_EQ(format_rfc3339(pck.this_update()), "2026-03-16T22:34:05Z");
    ASSERT_TRUE(pck.next_update().has_value());
    EXPECT_EQ(format_rfc3339(*pck.next_update()), "2026-04-15T22:34:05Z");
    EXPECT_THAT(pck.issuer(), HasSubstr("CN=Intel SGX PCK Platform CA"));
    EXPECT_EQ(pck.issuer_der(), platform_ca().subject_der());
    EXPECT_EQ(list("collateral/pck-platform-2023.crl.der").entries(), 44u);
    EXPECT_EQ(list("collateral/root-2023.crl.der").entries(), 0u);
}

TEST(Crl, VerifiesIntelsLists) {
    for (const char* year : {"2023", "2026"}) {
        Crl pck = list(fmt::format("collateral/pck-platform-{}.crl.der", year));
        Crl root = list(fmt::format("collateral/root-{}.crl.der", year));
        EXPECT_EQ(message(pck.verify_signed_by(platform_ca())), "accepted");
        EXPECT_EQ(message(root.verify_signed_by(intel_root())), "accepted");
        EXPECT_THAT(message(pck.verify_signed_by(intel_root())), HasSubstr("not by"));
        EXPECT_THAT(message(root.verify_signed_by(platform_ca())), HasSubstr("not by"));
    }
}

TEST(Crl, TellsThatIntelsIntermediateIsNotRevoked) {
    EXPECT_FALSE(MUST(list("collateral/root-2026.crl.der").revokes(platform_ca())));
}

TEST(Crl, SaysNothingAboutCertificatesOfOthers) {
    auto answer = list("collateral/pck-platform-2026.crl.der").revokes(platform_ca());
    ASSERT_FALSE(answer.has_value());
    EXPECT_EQ(answer.error().code, Code::invalid);
}

TEST(Crl, RevokesBySerialNumber) {
    const Authority& ca = ec_authority();
    Crl crl = MUST(Crl::parse_any(make_list(ca, {.serials = {0x7001, 9, 0x80}})));
    EXPECT_EQ(crl.entries(), 3u);
    EXPECT_EQ(message(crl.verify_signed_by(ca.cert)), "accepted");
    EXPECT_TRUE(MUST(crl.revokes(ca.leaf(9))));
    EXPECT_TRUE(MUST(crl.revokes(ca.leaf(0x80))));
    EXPECT_FALSE(MUST(crl.revokes(ca.leaf(8))));
    EXPECT_FALSE(MUST(crl.revokes(ca.leaf(0x7002))));
}

TEST(Crl, ReadsAListThatPromisesNoNextOne) {
    EXPECT_FALSE(MUST(Crl::parse_any(make_list(ec_authority(), {.next_update = false})))
                     .next_update()
                     .has_value());
}

TEST(Crl, ReadsPem) {
    Bytes der = file("collateral/pck-platform-2026.crl.der");
    std::string pem =
        fmt::format("-----BEGIN X509 CRL-----\n{}\n-----END X509 CRL-----\n", encode_base64(der));
    EXPECT_EQ(MUST(Crl::parse_any(as_bytes(pem))).der(), der);
    EXPECT_FALSE(Crl::parse_any(file("intel-sgx-root-ca.pem")).has_value());
    EXPECT_FALSE(Crl::parse_any(as_bytes(pem + pem)).has_value());
}

TEST(Crl, RefusesMalformedInput) {
    Bytes der = file("collateral/root-2026.crl.der");
    EXPECT_FALSE(Crl::parse_any({}).has_value());
    EXPECT_FALSE(Crl::parse_any(ByteView(der).first(der.size() - 1)).has_value());
    EXPECT_FALSE(Crl::parse_any(intel_root().der()).has_value());
    der.push_back(0);
    EXPECT_FALSE(Crl::parse_any(der).has_value());
    EXPECT_FALSE(Crl::parse_any(Bytes((4 << 20) + 1, 0x30)).has_value());
}

TEST(Crl, RefusesListsThatAreNotComplete) {
    Bytes delta = make_list(ec_authority(), {.critical_extension = NID_delta_crl});
    EXPECT_THAT(message(Crl::parse_any(delta)), HasSubstr("critical extension"));
}

TEST(Crl, RefusesEveryChangedByte) {
    Bytes der = file("collateral/root-2026.crl.der");
    Certificate root = intel_root();
    for (size_t i = 0; i < der.size(); ++i) {
        Bytes changed = der;
        changed[i] ^= 1;
        auto crl = Crl::parse_any(changed);
        EXPECT_FALSE(crl.has_value() && crl->verify_signed_by(root).has_value()) << i;
    }
}

TEST(Crl, VerifiesAmdsFormOfPssAlone) {
    const Authority& ca = rsa_authority();
    auto verify = [&](const ListSpec& spec) {
        return message(MUST(Crl::parse_any(make_list(ca, spec))).verify_signed_by(ca.cert));
    };
    EXPECT_EQ(verify({.digest = EVP_sha384(), .mask_digest = EVP_sha384()}), "accepted");
    EXPECT_EQ(verify({.digest = EVP_sha256()}), "accepted");  // PKCS#1
    auto refused = HasSubstr("not accepted");
    EXPECT_THAT(verify({.digest = EVP_sha384(), .mask_digest = EVP_sha256()}), refused);
    EXPECT_THAT(verify({.digest = EVP_sha256(), .mask_digest = EVP_sha256()}), refused);
    EXPECT_THAT(verify({.digest = EVP_sha384(), .mask_digest = EVP_sha384(), .salt = 32}), refused);
    EXPECT_THAT(verify({.digest = EVP_sha1(), .mask_digest = EVP_sha1()}), refused);
}

TEST(Crl, RefusesSha1) {
    for (const Authority* ca : {&ec_authority(), &rsa_authority()}) {
        Crl crl = MUST(Crl::parse_any(make_list(*ca, {.digest = EVP_sha1()})));
        EXPECT_THAT(message(crl.verify_signed_by(ca->cert)), HasSubstr("not accepted"));
    }
}

TEST(Crl, RefusesAnotherKeyOfTheSameName) {
    Authority other(MUST(PrivateKey::generate_ec(Curve::p256)));
    Crl crl = MUST(Crl::parse_any(make_list(ec_authority(), {.serials = {9}})));
    EXPECT_THAT(message(crl.verify_signed_by(other.cert)), HasSubstr("does not hold"));
}

TEST(Crl, RefusesAnIssuerThatMayNotSignLists) {
    Authority leaf(MUST(PrivateKey::generate_ec(Curve::p256)), CertSignature::ecdsa_sha256, false);
    Crl crl = MUST(Crl::parse_any(make_list(leaf, {})));
    EXPECT_THAT(message(crl.verify_signed_by(leaf.cert)), HasSubstr("may not sign"));
}

}  // namespace
}  // namespace vouchsafe::crypto
