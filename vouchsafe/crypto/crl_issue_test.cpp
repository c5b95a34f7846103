#include "vouchsafe/crypto/crl_issue.h"

#include <gtest/gtest.h>

namespace vouchsafe::crypto {
namespace {

const Time kNow = from_unix(1'790'000'000);

struct Issuer {
    PrivateKey key;
    CertSignature signature;
    Certificate certificate = issue(nullptr, key, key);

    Certificate issue(const Certificate* issuer, const PrivateKey& subject,
                      const PrivateKey& signer) const {
        CertificateSpec spec;
        spec.subject = {{"CN", issuer == nullptr ? "Root" : "Leaf"}};
        spec.not_before = kNow;
        spec.not_after = kNow + Seconds{3600};
        spec.ca = issuer == nullptr;
        return MUST(issue_certificate(spec, subject.public_key(), issuer, signer, signature));
    }
    Certificate leaf() const { return issue(&certificate, key, key); }
};

Issuer rsa_issuer() {
    static const PrivateKey kKey = MUST(PrivateKey::generate_rsa(2048));
    return {kKey, CertSignature::rsa_pss_sha384};
}
Issuer ec_issuer() {
    return {MUST(PrivateKey::generate_ec(Curve::p256)), CertSignature::ecdsa_sha256};
}

TEST(IssueCrl, MakesListsThatVerifyAndRevokeWhatTheyName) {
    for (const Issuer& issuer : {rsa_issuer(), ec_issuer()}) {
        Certificate bad = issuer.leaf(), good = issuer.leaf();
        Crl crl = MUST(issue_crl({kNow, kNow + Seconds{60}, 7, {bad}}, issuer.certificate,
                                 issuer.key, issuer.signature));
        EXPECT_TRUE(crl.verify_signed_by(issuer.certificate));
        EXPECT_EQ(crl.this_update(), kNow);
        EXPECT_EQ(crl.next_update(), kNow + Seconds{60});
        EXPECT_EQ(crl.entries(), 1u);
        EXPECT_TRUE(MUST(crl.revokes(bad)));
        EXPECT_FALSE(MUST(crl.revokes(good)));
        EXPECT_FALSE(crl.verify_signed_by(ec_issuer().certificate));  // same name, another key
    }
}

TEST(IssueCrl, MakesAnEmptyListWithoutANextOne) {
    Issuer issuer = ec_issuer();
    Crl crl = MUST(issue_crl({kNow, {}, 1, {}}, issuer.certificate, issuer.key, issuer.signature));
    EXPECT_EQ(crl.entries(), 0u);
    EXPECT_FALSE(crl.next_update().has_value());
    EXPECT_FALSE(MUST(crl.revokes(issuer.leaf())));
}

TEST(IssueCrl, RefusesWhatNoListCanSay) {
    Issuer issuer = ec_issuer();
    auto code = [&](const CrlSpec& spec, const PrivateKey& key, CertSignature signature) {
        auto made = issue_crl(spec, issuer.certificate, key, signature);
        return made ? std::string("made") : std::string(code_info(made.error().code).name);
    };
    CrlSpec good{kNow, kNow, 1, {}};
    EXPECT_EQ(code(good, issuer.key, issuer.signature), "made");
    EXPECT_EQ(code(good, ec_issuer().key, issuer.signature), "invalid");
    EXPECT_EQ(code(good, issuer.key, CertSignature::rsa_pss_sha384), "invalid");
    EXPECT_EQ(code({kNow, kNow - Seconds{1}, 1, {}}, issuer.key, issuer.signature), "invalid");
    Certificate leaf = issuer.leaf();
    EXPECT_EQ(code({kNow, kNow, 1, {leaf}}, issuer.key, issuer.signature), "made");
    Certificate of_another = issuer.issue(&leaf, issuer.key, issuer.key);
    EXPECT_EQ(code({kNow, kNow, 1, {of_another}}, issuer.key, issuer.signature), "invalid");
}

}  // namespace
}  // namespace vouchsafe::crypto
