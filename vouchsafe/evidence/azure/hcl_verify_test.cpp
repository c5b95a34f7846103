#include "vouchsafe/evidence/azure/hcl_verify.h"

#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

const std::string kFolder = "hcl/azure-snp-milan-a/";

HclRules lenient() {
    HclRules rules;
    rules.snp.allow_unchecked.insert(std::string(kSnpRevocation));
    return rules;
}

Result<VerifiedHclReport> verify(const Bytes& nv, const HclRules& rules) {
    Checks checks;
    SnpEndorsements endorsements =
        TRY(SnpEndorsements::parse(vector_bytes(kFolder + "vcek.der"), checks));
    return verify_hcl(nv, endorsements, vendor_anchors(), rules, recorded_time(), checks);
}

std::string refusal(const Result<VerifiedHclReport>& result) {
    if (result) return "accepted";
    const Check* reason = result.error().reason();
    return reason != nullptr ? reason->code : result.error().message;
}

TEST(VerifyHcl, AcceptsARecordedReportAndItsOwnKey) {
    Bytes nv = vector_bytes(kFolder + "hcl-report.bin");
    auto verified = MUST(verify(nv, lenient()));
    EXPECT_EQ(verified.snp().product(), SnpProduct::milan);
    EXPECT_EQ(verified.snp().not_checked(), std::vector{std::string(kSnpRevocation)});
    HclRules rules = lenient();
    rules.ak = verified.claims().find_key("HCLAkPub")->key;
    EXPECT_TRUE(verify(nv, rules));
    rules.ak = MUST(crypto::PublicKey::from_pem(vector_text("tpm/azure-vtpm.akpub.pem")));
    EXPECT_EQ(refusal(verify(nv, rules)), "HCL-AK");
}

TEST(VerifyHcl, RefusesWhatIsNotBoundAndWhatIsNoSnpReport) {
    Bytes nv = vector_bytes(kFolder + "hcl-report.bin");
    Bytes changed = nv;
    changed[1300] ^= 1;  // in the runtime data
    EXPECT_EQ(refusal(verify(changed, lenient())), "HCL-BINDING");
    changed = nv;
    changed[kHclHeaderSize + 0x90] ^= 1;  // in the report's measurement
    EXPECT_EQ(refusal(verify(changed, lenient())), "SNP-SIGNATURE");
    EXPECT_EQ(refusal(verify(vector_bytes("hcl/azure-tdx-a/hcl-report.bin"), lenient())),
              "HCL-TEE");
    EXPECT_EQ(refusal(verify(nv, HclRules{})), "SNP-REVOCATION");
    EXPECT_EQ(refusal(verify(to_bytes("HCLA"), lenient())), "HCL-FORM");
}

}  // namespace
}  // namespace vouchsafe::evidence
