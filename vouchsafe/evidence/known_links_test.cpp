#include "vouchsafe/evidence/known_links.h"

#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/tpm/test_vtpm_ca.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::Certificate;
using crypto::Crl;

Certificate middle() {
    static const Certificate kMade = vtpm_certificate(vtpm_spec("middle", true), &vtpm_root());
    return kMade;
}

Crl list_by_root() {
    static const Crl kMade =
        MUST(crypto::issue_crl({at("2026-06-01T00:00:00Z"), at("2026-12-31T00:00:00Z"), 1, {}},
                               vtpm_root(), vtpm_key("root"), crypto::CertSignature::ecdsa_sha256));
    return kMade;
}

// A CA of the root's name that has another key.
Certificate namesake_of_root() {
    auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    return MUST(crypto::issue_certificate(vtpm_spec("root", true), key.public_key(), nullptr, key,
                                          crypto::CertSignature::ecdsa_sha256));
}

// The last byte is the signature's.
Bytes with_other_signature(Bytes der) {
    der.back() ^= 1;
    return der;
}

TEST(KnownLinks, HoldForExactlyWhatHeld) {
    KnownLinks known;
    const Certificate namesake = namesake_of_root();
    const Certificate forged = MUST(Certificate::parse_der(with_other_signature(middle().der())));
    const Crl forged_list = MUST(Crl::parse_any(with_other_signature(list_by_root().der())));
    for (int again = 0; again < 2; ++again) {
        EXPECT_TRUE(known.verify(middle(), vtpm_root()));
        EXPECT_FALSE(known.verify(middle(), namesake));
        EXPECT_FALSE(known.verify(forged, vtpm_root()));
        EXPECT_TRUE(known.verify(list_by_root(), vtpm_root()));
        EXPECT_FALSE(known.verify(list_by_root(), namesake));
        EXPECT_FALSE(known.verify(forged_list, vtpm_root()));
    }
}

TEST(KnownLinks, AnswerAsAFreshVerificationDoes) {
    KnownLinks known;
    const Certificate forged = MUST(Certificate::parse_der(with_other_signature(middle().der())));
    for (KnownLinks* links : {static_cast<KnownLinks*>(nullptr), &known, &known}) {
        EXPECT_TRUE(verify_link(middle(), vtpm_root(), links));
        auto refused = verify_link(forged, vtpm_root(), links);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().message, forged.verify_signed_by(vtpm_root()).error().message);
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
