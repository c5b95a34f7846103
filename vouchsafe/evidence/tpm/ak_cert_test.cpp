#include "vouchsafe/evidence/tpm/ak_cert.h"

#include <gmock/gmock.h>

#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/ak_cert_use.h"
#include "vouchsafe/evidence/tpm/test_vtpm_ca.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using vouchsafe::testing::free_bits;

// Recorded certificates of Google's virtual TPMs: two hierarchies, RSA and EC.
const char* const kGoogle[] = {"gcp-pca-rsa", "gcp-pca-ecc", "gcp-uca-rsa", "gcp-uca-ecc"};

Bytes google(const std::string& name, const char* key) {
    return vector_bytes(fmt::format("ak_cert/{}-{}.pem", name, key));
}

Result<VerifiedVtpmCertificate> verify(const Bytes& certificate, VtpmKey key) {
    Checks checks;
    return verify_vtpm_certificate(certificate, key, vendor_anchors(), recorded_time(), checks);
}

TEST(VtpmCertificate, OfGooglesAttestationKeysAreTheirsAndNoEndorsementKeys) {
    for (const char* name : kGoogle) {
        SCOPED_TRACE(name);
        auto verified = verify(google(name, "ak"), VtpmKey::attestation);
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->key(), VtpmKey::attestation);
        EXPECT_EQ(verified->tier(), Tier::hardware);
        EXPECT_TRUE(verified->root().subject().find("Google LLC") != std::string::npos);
        EXPECT_EQ(refusal(verify(google(name, "ak"), VtpmKey::endorsement)), "AK-CERT-USAGE");
    }
}

TEST(VtpmCertificate, OfGooglesEndorsementKeysAreNeverAnAttestationKeys) {
    for (const char* name : kGoogle) {
        SCOPED_TRACE(name);
        auto verified = verify(google(name, "ek"), VtpmKey::endorsement);
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->key(), VtpmKey::endorsement);
        auto refused = verify(google(name, "ek"), VtpmKey::attestation);
        EXPECT_EQ(refusal(refused), "AK-CERT-USAGE");
        EXPECT_TRUE(message(refused).find("that of an endorsement key") != std::string::npos);
    }
}

// A TPM of Google's cloud says nothing about a machine of Azure's.
TEST(VtpmCertificate, OfGoogleIsNothingToAzuresEvidence) {
    Bytes pem = google("gcp-uca-rsa", "ak");
    crypto::PublicKey key = MUST(MUST(crypto::Certificate::parse_pem(as_text(pem))).public_key());
    Checks checks;
    EXPECT_EQ(refusal(verify_ak_certificate(pem, key, vendor_anchors(), recorded_time(), checks)),
              "AK-CERT-CHAIN");
}

// The genuine certificate of an attestation key has the purpose of an endorsement key and a TPM in
// its alternative name: neither tells the two apart.
TEST(VtpmCertificate, ShowsWhatItSaysOfItsUseAndItsTpm) {
    auto facts_about = [](const char* file) { return facts_of(vector_certificate(file)); };
    Json ak = facts_about("ak_cert/gcp-uca-ecc-ak.pem");
    EXPECT_EQ(ak["key_usage"], Json::array({"digitalSignature"}));
    EXPECT_EQ(ak["extended_key_usage"], Json::array({"2.23.133.8.1 (tcg-kp-EKCertificate)"}));
    EXPECT_EQ(
        ak["tpm"],
        (Json{{"manufacturer", "id:474F4F47"}, {"model", "vTPM"}, {"version", "id:20160511"}}));
    EXPECT_EQ(facts_about("ak_cert/gcp-uca-ecc-ek.pem")["key_usage"],
              Json::array({"keyAgreement"}));
    EXPECT_EQ(facts_about("ak_cert/gcp-uca-rsa-ek.pem")["key_usage"],
              Json::array({"keyEncipherment"}));
    Json other = facts_about("ak_cert/gcp-pca-rsa-ek.pem");
    EXPECT_FALSE(other.contains("extended_key_usage") || other.contains("tpm"));
}

TEST(AkCertificate, IsRefusedForAnotherUse) {
    AkCase one;
    EXPECT_TRUE(one.verify());
    crypto::CertificateSpec spec = vtpm_spec("ak", false);
    spec.server_auth = true;  // a purpose that is no TPM key's
    one.certificate = vtpm_certificate(spec, &vtpm_root()).der();
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-USAGE");
    one.certificate = vtpm_certificate(vtpm_spec("ak", true), &vtpm_root()).der();
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-USAGE");
    spec = vtpm_spec("ak", false);
    spec.extensions = {{"2.5.29.37", from_hex("3007060567810508ff")}};  // no OID
    one.certificate = vtpm_certificate(spec, &vtpm_root()).der();
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-USAGE");
    spec.extensions = {{"2.5.29.37", from_hex("300706056781050803")}};  // tcg-kp-AIKCertificate
    one.certificate = vtpm_certificate(spec, &vtpm_root()).der();
    EXPECT_TRUE(one.verify());
}

TEST(AkCertificate, FollowsAsManyAuthoritiesAsTheRootAllows) {
    AkCase one;
    one.issued_by({vtpm_spec("first", true)});
    EXPECT_TRUE(one.verify());
    one.issued_by({vtpm_spec("first", true), vtpm_spec("second", true)});
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-CA");
    one.issued_by({vtpm_spec("first", false)});
    EXPECT_EQ(refusal(one.verify()), "AK-CERT-CA");
}

TEST(CertificateUse, RefusesExtensionsThatAreMalformed) {
    auto parsed = [](const char* oid, const char* value) {
        crypto::CertificateSpec spec = vtpm_spec("ak", false);
        spec.extensions = {{oid, from_hex(value)}};
        return CertificateUse::parse(vtpm_certificate(spec, &vtpm_root())).has_value();
    };
    const char* purposes = "2.5.29.37";
    const char* names = "2.5.29.17";
    EXPECT_TRUE(parsed(purposes, "3003060103"));
    EXPECT_FALSE(parsed(purposes, "3000"));
    EXPECT_FALSE(parsed(purposes, "300306010300"));
    EXPECT_FALSE(parsed(purposes, "3003020103"));
    EXPECT_FALSE(parsed("2.5.29.15", "03020780"));  // a second key usage
    EXPECT_TRUE(parsed(names, "3003820161"));       // a DNS name
    const char* manufacturer =
        "a41530133111300f06056781050201"
        "0c0669643a313233";
    EXPECT_TRUE(parsed(names, fmt::format("3017{}", manufacturer).c_str()));
    EXPECT_FALSE(parsed(names, fmt::format("302e{0}{0}", manufacturer).c_str()));
    EXPECT_FALSE(parsed(names, "3007a405300330013a"));
    EXPECT_FALSE(parsed(names, "30"));
}

TEST(AkCertificateMutation, NoBitOfARecordedCertificateIsFree) {
    for (const char* name : {"gcp-uca-rsa", "gcp-pca-ecc"}) {
        SCOPED_TRACE(name);
        Bytes der = MUST(crypto::Certificate::parse_pem(as_text(google(name, "ak")))).der();
        auto refused = [](const Bytes& changed) { return !verify(changed, VtpmKey::attestation); };
        ASSERT_FALSE(refused(der));
        EXPECT_THAT(free_bits(der, {25}, refused), ::testing::IsEmpty());
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
