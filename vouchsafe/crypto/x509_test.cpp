#include "vouchsafe/crypto/x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/openssl.h"
#include "vouchsafe/crypto/test_support.h"

namespace vouchsafe::crypto {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const Path kCertificates = Path(VS_SOURCE_DIR) / "tests/vectors/certs";
const std::string kAmd = "1.3.6.1.4.1.3704.1";  // AMD 57230, table 8

Bytes file(std::string_view name) {
    return MUST(read_file(kCertificates / name));
}

Certificate vcek(std::string_view name) {
    return MUST(Certificate::parse_der(file(name)));
}

// ASK, then ARK.
std::vector<Certificate> amd_chain(std::string_view name) {
    return MUST(Certificate::parse_pem_bundle(as_text(file(name))));
}

Bytes extension(const Certificate& cert, const std::string& oid) {
    return MUST(cert.extension(oid)).value_or(Bytes{});
}

// read_everything calls whatever reads a certificate.
void read_everything(const Certificate& cert) {
    (void)cert.subject().size();
    (void)cert.issuer().size();
    (void)cert.subject_common_name().size();
    (void)cert.issuer_common_name().size();
    (void)cert.subject_der().size();
    (void)cert.issuer_der().size();
    (void)cert.serial_hex().size();
    (void)cert.valid_at(from_unix(0));
    (void)cert.is_ca();
    (void)cert.dns_names().size();
    (void)cert.public_key().has_value();
    (void)cert.extension(kAmd + ".4").has_value();
    (void)cert.signature_is_pss_sha384();
}

TEST(Certificate, ReadsAGenuineMilanVcek) {
    Certificate cert = vcek("milan-v3-aci.vcek.der");
    EXPECT_EQ(cert.subject_common_name(), "SEV-VCEK");
    EXPECT_EQ(cert.issuer_common_name(), "SEV-Milan");
    EXPECT_THAT(cert.subject(), HasSubstr("CN=SEV-VCEK,O=Advanced Micro Devices"));
    EXPECT_EQ(cert.serial_hex(), "00");
    EXPECT_EQ(format_rfc3339(cert.not_before()), "2026-02-05T01:04:33Z");
    EXPECT_EQ(format_rfc3339(cert.not_after()), "2033-02-05T01:04:33Z");
    EXPECT_TRUE(cert.valid_at(cert.not_before()));
    EXPECT_TRUE(cert.valid_at(cert.not_after()));
    EXPECT_FALSE(cert.valid_at(cert.not_before() - Seconds{1}));
    EXPECT_FALSE(cert.valid_at(cert.not_after() + Seconds{1}));
    EXPECT_FALSE(cert.is_ca());
    EXPECT_TRUE(cert.signature_is_pss_sha384());
    EXPECT_EQ(encode_hex(cert.sha256_fingerprint()),
              "6444b5146cbbe2aa3a1050544e391235ba7eb5c2564e2de27c44c60ef2f67545");
    EXPECT_EQ(cert.sha1_fingerprint().size(), 20U);
    EXPECT_EQ(cert.der(), file("milan-v3-aci.vcek.der"));
    PublicKey key = MUST(cert.public_key());
    EXPECT_EQ(key.bits(), 384U);
    EXPECT_EQ(MUST(parse_der_ia5_string(extension(cert, kAmd + ".2"))), "Milan-B0");
    EXPECT_EQ(MUST(parse_der_integer(extension(cert, kAmd + ".3.1"))), 4U);
    EXPECT_EQ(MUST(parse_der_integer(extension(cert, kAmd + ".3.3"))), 24U);
    EXPECT_EQ(MUST(parse_der_integer(extension(cert, kAmd + ".3.8"))), 219U);
    EXPECT_EQ(extension(cert, kAmd + ".4").size(), 64U);
    EXPECT_FALSE(MUST(cert.extension(kAmd + ".3.9")));
}

TEST(Certificate, ReadsAGenuineTurinVcek) {
    Certificate cert = vcek("turin-v5-azure.vcek.der");
    EXPECT_EQ(encode_hex(extension(cert, kAmd + ".4")), "59790fb1c39f35c1");
    EXPECT_EQ(MUST(parse_der_integer(extension(cert, kAmd + ".3.9"))), 1U);
    EXPECT_EQ(MUST(parse_der_ia5_string(extension(cert, kAmd + ".2"))), "Turin");
}

TEST(Certificate, OfAmdVerifiesLinkByLink) {
    for (auto [leaf_file, chain_file, root] :
         {std::tuple("milan-v3-aci.vcek.der", "amd-milan-ask-ark.pem",
                     "69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd"),
          std::tuple("turin-v5-azure.vcek.der", "amd-turin-ask-ark.pem",
                     "1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a")}) {
        Certificate leaf = vcek(leaf_file);
        auto chain = amd_chain(chain_file);
        ASSERT_EQ(chain.size(), 2U);
        EXPECT_EQ(encode_hex(chain[1].sha256_fingerprint()), root);
        EXPECT_TRUE(leaf.verify_signed_by(chain[0]));
        EXPECT_TRUE(chain[0].verify_signed_by(chain[1]));
        EXPECT_TRUE(chain[1].verify_signed_by(chain[1]));
        EXPECT_TRUE(chain[0].is_ca());
        EXPECT_TRUE(chain[1].signature_is_pss_sha384());
        EXPECT_EQ(code_of(leaf.verify_signed_by(chain[1])), Code::bad_evidence);
        EXPECT_EQ(code_of(chain[1].verify_signed_by(chain[0])), Code::bad_evidence);
        EXPECT_EQ(code_of(leaf.verify_signed_by(leaf)), Code::bad_evidence);
    }
}

TEST(Certificate, OfAnotherProductOrAnImpostorDoesNotVerify) {
    Certificate milan_ask = amd_chain("amd-milan-ask-ark.pem")[0];
    EXPECT_EQ(code_of(vcek("turin-v5-azure.vcek.der").verify_signed_by(milan_ask)),
              Code::bad_evidence);
    Certificate impostor = vcek("bad-vcek-new.der");
    EXPECT_EQ(impostor.issuer_common_name(), "SEV-Milan");
    EXPECT_EQ(code_of(impostor.verify_signed_by(milan_ask)), Code::bad_evidence);
    EXPECT_EQ(MUST(parse_der_octet_string(extension(impostor, kAmd + ".4"))).size(), 64U);
}

TEST(Certificate, WithAnyByteChangedIsRefusedByTheParserOrTheIssuer) {
    Bytes good = file("milan-v3-aci.vcek.der");
    Certificate ask = amd_chain("amd-milan-ask-ark.pem")[0];
    size_t parsed = 0;
    for (size_t i = 0; i < good.size(); ++i) {
        Bytes changed = good;
        changed[i] = static_cast<uint8_t>(changed[i] ^ (1U << (i % 8)));
        auto cert = Certificate::parse_der(changed);
        if (!cert) continue;
        ++parsed;
        read_everything(*cert);
        EXPECT_FALSE(cert->verify_signed_by(ask)) << "byte " << i;
    }
    EXPECT_GT(parsed, good.size() / 2);
    EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST(Certificate, CutOrFollowedByBytesIsRefused) {
    Bytes good = file("turin-v5-azure.vcek.der");
    for (size_t size = 0; size < good.size(); ++size) {
        EXPECT_FALSE(Certificate::parse_any(ByteView(good).first(size)));
        EXPECT_FALSE(Certificate::parse_der_prefix(ByteView(good).first(size)));
    }
    Bytes padded = good;
    padded.resize(2048);
    EXPECT_EQ(code_of(Certificate::parse_der(padded)), Code::invalid);
    EXPECT_EQ(MUST(Certificate::parse_der_prefix(padded)).der(), good);
    EXPECT_EQ(code_of(Certificate::parse_der(Bytes(65537, 0x30))), Code::invalid);
}

TEST(Certificate, ParsersTakeTheFormTheyName) {
    std::string pem = to_text(file("amd-milan-ask-ark.pem"));
    Certificate ask = amd_chain("amd-milan-ask-ark.pem")[0];
    EXPECT_EQ(MUST(Certificate::parse_any(ask.der())).der(), ask.der());
    EXPECT_EQ(MUST(Certificate::parse_any(as_bytes(ask.pem()))).der(), ask.der());
    EXPECT_EQ(MUST(Certificate::parse_any(as_bytes("a remark\n" + ask.pem()))).der(), ask.der());
    EXPECT_EQ(code_of(Certificate::parse_pem(pem)), Code::invalid);  // two
    EXPECT_EQ(code_of(Certificate::parse_pem("")), Code::invalid);
    EXPECT_EQ(code_of(Certificate::parse_pem("-----BEGIN CERTIFICATE-----\n")), Code::invalid);
    std::string many;
    for (int i = 0; i < 16; ++i) many += ask.pem();
    EXPECT_EQ(MUST(Certificate::parse_pem_bundle(many)).size(), 16U);
    EXPECT_EQ(code_of(Certificate::parse_pem_bundle(many + ask.pem())), Code::invalid);
    EXPECT_EQ(MUST(Certificate::parse_pem_bundle(many + ask.pem(), 17)).size(), 17U);
    EXPECT_EQ(code_of(Certificate::parse_pem_bundle(ask.pem() + MUST(ask.public_key()).pem())),
              Code::invalid);
    EXPECT_EQ(code_of(Certificate::parse_pem_bundle(std::string((1 << 20) + 1, '\n'))),
              Code::invalid);
}

// --- issuing

const PrivateKey& rsa_key() {
    static const PrivateKey key = MUST(PrivateKey::from_pkcs8(
        MUST(read_file(Path(VS_SOURCE_DIR) / "tests/vectors/crypto/rsa-2048.pkcs8.der"))));
    return key;
}

constexpr Time kNow = std::chrono::sys_days{std::chrono::year{2026} / 7 / 1};

CertificateSpec spec(std::string common_name) {
    CertificateSpec out;
    out.subject = {{"OU", "Engineering"}, {"O", "Simulated"}, {"CN", std::move(common_name)}};
    out.not_before = kNow;
    out.not_after = kNow + std::chrono::years{30};  // crosses 2050, where the time's form changes
    return out;
}

TEST(Issue, MakesAChainInAmdsShape) {
    const PrivateKey& ark_key = rsa_key();
    CertificateSpec ark_spec = spec("ARK-SIM");
    ark_spec.ca = true;
    Certificate ark = MUST(issue_certificate(ark_spec, ark_key.public_key(), nullptr, ark_key,
                                             CertSignature::rsa_pss_sha384));
    PrivateKey ask_key = MUST(PrivateKey::generate_rsa(2048));
    CertificateSpec ask_spec = spec("SEV-SIM");
    ask_spec.ca = true;
    ask_spec.path_length = 0;
    Certificate ask = MUST(issue_certificate(ask_spec, ask_key.public_key(), &ark, ark_key,
                                             CertSignature::rsa_pss_sha384));
    PrivateKey vcek_key = MUST(PrivateKey::generate_ec(Curve::p384));
    CertificateSpec vcek_spec = spec("SEV-VCEK");
    vcek_spec.serial = 7;
    vcek_spec.extensions = {{kAmd + ".2", encode_der_ia5_string("Sim-A0")},
                            {kAmd + ".3.8", encode_der_integer(219)},
                            {kAmd + ".4", Bytes(64, 0xab)}};
    Certificate leaf = MUST(issue_certificate(vcek_spec, vcek_key.public_key(), &ask, ask_key,
                                              CertSignature::rsa_pss_sha384));

    EXPECT_TRUE(ark.verify_signed_by(ark));
    EXPECT_TRUE(ask.verify_signed_by(ark));
    EXPECT_TRUE(leaf.verify_signed_by(ask));
    EXPECT_EQ(code_of(leaf.verify_signed_by(ark)), Code::bad_evidence);
    for (const Certificate& cert : {ark, ask, leaf}) {
        EXPECT_TRUE(cert.signature_is_pss_sha384());
        EXPECT_EQ(cert.not_before(), kNow);
        EXPECT_EQ(cert.not_after(), kNow + std::chrono::years{30});
        EXPECT_EQ(MUST(Certificate::parse_pem(cert.pem())).der(), cert.der());
    }
    EXPECT_TRUE(ark.is_ca());
    EXPECT_TRUE(ask.is_ca());
    EXPECT_FALSE(leaf.is_ca());
    EXPECT_EQ(leaf.serial_hex(), "07");
    EXPECT_EQ(ask.serial_hex().size(), 32U);
    EXPECT_NE(ask.serial_hex(), ark.serial_hex());
    EXPECT_EQ(leaf.subject(), "CN=SEV-VCEK,O=Simulated,OU=Engineering");
    EXPECT_EQ(leaf.issuer_der(), ask.subject_der());
    EXPECT_TRUE(MUST(leaf.public_key()) == vcek_key.public_key());
    EXPECT_EQ(MUST(parse_der_integer(extension(leaf, kAmd + ".3.8"))), 219U);
    EXPECT_EQ(extension(leaf, kAmd + ".4"), Bytes(64, 0xab));
}

TEST(Issue, MakesATlsServerCertificate) {
    PrivateKey ca_key = MUST(PrivateKey::generate_ec(Curve::p256));
    CertificateSpec ca_spec = spec("Simulated TLS CA");
    ca_spec.ca = true;
    Certificate ca = MUST(issue_certificate(ca_spec, ca_key.public_key(), nullptr, ca_key,
                                            CertSignature::ecdsa_sha256));
    CertificateSpec server = spec("vault");
    server.dns_names = {"name.vault.azure.net", "127.0.0.1", "::1", "*.example.org"};
    server.server_auth = true;
    Certificate cert = MUST(issue_certificate(server, rsa_key().public_key(), &ca, ca_key,
                                              CertSignature::ecdsa_sha384));
    EXPECT_TRUE(cert.verify_signed_by(ca));
    EXPECT_FALSE(cert.signature_is_pss_sha384());
    EXPECT_THAT(cert.dns_names(), ElementsAre("name.vault.azure.net", "*.example.org"));
    EXPECT_EQ(X509_check_host(cert.handle(), "name.vault.azure.net", 0, 0, nullptr), 1);
    EXPECT_EQ(X509_check_host(cert.handle(), "other.vault.azure.net", 0, 0, nullptr), 0);
    EXPECT_EQ(X509_check_ip_asc(cert.handle(), "127.0.0.1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(cert.handle(), "::1", 0), 1);
    EXPECT_EQ(X509_check_ip_asc(cert.handle(), "127.0.0.2", 0), 0);
    EXPECT_EQ(X509_check_purpose(cert.handle(), X509_PURPOSE_SSL_SERVER, 0), 1);
    EXPECT_EQ(X509_check_purpose(cert.handle(), X509_PURPOSE_SSL_CLIENT, 0), 0);
    EXPECT_EQ(X509_check_issued(ca.handle(), cert.handle()), X509_V_OK);
}

TEST(Issue, RefusesWhatCannotStandInACertificate) {
    PrivateKey key = MUST(PrivateKey::generate_ec(Curve::p256));
    auto issue = [&](const CertificateSpec& what, CertSignature signature) {
        return issue_certificate(what, key.public_key(), nullptr, key, signature);
    };
    EXPECT_TRUE(issue(spec("x"), CertSignature::ecdsa_sha256));
    EXPECT_EQ(code_of(issue(spec("x"), CertSignature::rsa_pss_sha384)), Code::invalid);
    EXPECT_EQ(code_of(issue(spec(std::string(65, 'x')), CertSignature::ecdsa_sha256)),
              Code::invalid);
    CertificateSpec backwards = spec("x");
    backwards.not_after = kNow - Seconds{1};
    EXPECT_EQ(code_of(issue(backwards, CertSignature::ecdsa_sha256)), Code::invalid);
    for (std::string name : {"", "a,IP:1.2.3.4", "with space", "new\nline"}) {
        CertificateSpec bad = spec("x");
        bad.dns_names = {name};
        EXPECT_EQ(code_of(issue(bad, CertSignature::ecdsa_sha256)), Code::invalid) << name;
    }
    CertificateSpec bad_type = spec("x");
    bad_type.subject.emplace_back("NOSUCH", "y");
    EXPECT_EQ(code_of(issue(bad_type, CertSignature::ecdsa_sha256)), Code::invalid);
    CertificateSpec bad_oid = spec("x");
    bad_oid.extensions = {{"not an oid", {}}};
    EXPECT_EQ(code_of(issue(bad_oid, CertSignature::ecdsa_sha256)), Code::invalid);
    PrivateKey other = MUST(PrivateKey::generate_ec(Curve::p256));
    EXPECT_EQ(code_of(issue_certificate(spec("x"), key.public_key(), nullptr, other,
                                        CertSignature::ecdsa_sha256)),
              Code::invalid);
}

TEST(Issue, SaysSoWhenAnExtensionStandsTwice) {
    PrivateKey key = MUST(PrivateKey::generate_ec(Curve::p256));
    CertificateSpec twice = spec("x");
    twice.extensions = {{"1.2.3.4", {1}}, {"1.2.3.5", {2}}, {"1.2.3.4", {3}}};
    Certificate cert =
        MUST(issue_certificate(twice, key.public_key(), nullptr, key, CertSignature::ecdsa_sha256));
    EXPECT_EQ(code_of(cert.extension("1.2.3.4")), Code::invalid);
    EXPECT_EQ(extension(cert, "1.2.3.5"), Bytes{2});
}

TEST(Issue, CertificatesWithWeakHashesOrTheWrongNameDoNotVerify) {
    // Signed with SHA-1 by OpenSSL itself, as issue_certificate cannot.
    PrivateKey key = MUST(PrivateKey::generate_ec(Curve::p256));
    Certificate good = MUST(
        issue_certificate(spec("x"), key.public_key(), nullptr, key, CertSignature::ecdsa_sha256));
    EXPECT_TRUE(good.verify_signed_by(good));
    X509Cert weak(X509_dup(good.handle()));
    ASSERT_GT(X509_sign(weak.get(), key.handle(), digest_of(HashAlg::sha1)), 0);
    Certificate sha1(std::shared_ptr<X509>(weak.release(), X509_free));
    EXPECT_EQ(code_of(sha1.verify_signed_by(sha1)), Code::bad_evidence);
    // The right key under another name.
    Certificate renamed = MUST(
        issue_certificate(spec("y"), key.public_key(), nullptr, key, CertSignature::ecdsa_sha256));
    EXPECT_EQ(code_of(good.verify_signed_by(renamed)), Code::bad_evidence);
}

TEST(Certificate, AcceptsNegativeSerialNumbersButNoMalformedTimes) {
    PrivateKey key = MUST(PrivateKey::generate_ec(Curve::p256));
    CertificateSpec seven = spec("x");
    seven.serial = 7;
    Bytes der =
        MUST(issue_certificate(seven, key.public_key(), nullptr, key, CertSignature::ecdsa_sha256))
            .der();
    const Bytes serial = {0x02, 0x01, 0x07};
    auto at = std::search(der.begin(), der.end(), serial.begin(), serial.end());
    ASSERT_NE(at, der.end());
    Bytes negative = der;
    negative[static_cast<size_t>(at - der.begin()) + 2] = 0x81;
    EXPECT_EQ(MUST(Certificate::parse_der(negative)).serial_hex(), "-7f");
    const Bytes month = to_bytes("260701");
    at = std::search(der.begin(), der.end(), month.begin(), month.end());
    ASSERT_NE(at, der.end());
    Bytes thirteenth = der;
    thirteenth[static_cast<size_t>(at - der.begin()) + 2] = '9';
    EXPECT_EQ(code_of(Certificate::parse_der(thirteenth)), Code::invalid);
}

// --- DER values

TEST(Der, IntegersComeBackAsTheyWent) {
    for (uint64_t value : {uint64_t{0}, uint64_t{1}, uint64_t{127}, uint64_t{128}, uint64_t{255},
                           uint64_t{256}, uint64_t{0x7fffffffffffffff}, UINT64_MAX}) {
        EXPECT_EQ(MUST(parse_der_integer(encode_der_integer(value))), value);
    }
    EXPECT_EQ(encode_hex(encode_der_integer(219)), "020200db");
    EXPECT_EQ(MUST(parse_der_ia5_string(encode_der_ia5_string("Milan"))), "Milan");
    for (size_t size : {0, 1, 127, 128, 255, 256, 70000}) {
        Bytes bytes(size, 0x5a);
        EXPECT_EQ(MUST(parse_der_octet_string(encode_der_octet_string(bytes))), bytes);
    }
}

TEST(Der, RefusesEverySecondForm) {
    for (std::string_view bad :
         {"", "02", "0201", "0200", "020101ff", "0201ff", "02020001", "0202ff00", "02810101",
          "0280010000", "02850000000001ff", "0209010000000000000000", "020a00ffffffffffffffffff",
          "040101", "1f020101"}) {
        EXPECT_EQ(code_of(parse_der_integer(hex(bad))), Code::invalid) << bad;
    }
    EXPECT_EQ(code_of(parse_der_ia5_string(hex("160180"))), Code::invalid);
    EXPECT_EQ(code_of(parse_der_ia5_string(hex("0c0141"))), Code::invalid);
    EXPECT_EQ(code_of(parse_der_octet_string(hex("04024100ff"))), Code::invalid);
    EXPECT_EQ(code_of(parse_der_octet_string(hex("0482000141"))), Code::invalid);
    EXPECT_EQ(code_of(parse_der_octet_string(hex("0484ffffffff"))), Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::crypto
