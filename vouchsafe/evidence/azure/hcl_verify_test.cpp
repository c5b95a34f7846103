#include "vouchsafe/evidence/azure/hcl_verify.h"

#include <gmock/gmock.h>

#include <numeric>

#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using vouchsafe::testing::free_bits;

const std::string kFolder = "hcl/azure-snp-milan-a/";

using Ak = std::optional<crypto::PublicKey>;

SnpRules lenient() {
    SnpRules rules;
    rules.allow_unchecked.insert(std::string(kSnpRevocation));
    return rules;
}

crypto::PublicKey foreign_key() {
    return MUST(crypto::PublicKey::from_pem(vector_text("tpm/azure-vtpm.akpub.pem")));
}

Result<VerifiedHclReport> verify(const Bytes& nv, const SnpRules& rules, const Ak& ak = {}) {
    Checks checks;
    SnpEndorsements endorsements =
        TRY(SnpEndorsements::parse(vector_bytes(kFolder + "vcek.der"), checks));
    return verify_hcl(nv, endorsements, vendor_anchors(), rules, ak, recorded_time(), checks);
}

template <typename T>
std::string refusal(const Result<T>& result) {
    if (result) return "accepted";
    const Check* reason = result.error().reason();
    return reason != nullptr ? reason->code : result.error().message;
}

TEST(VerifyHcl, AcceptsARecordedReportAndItsOwnKey) {
    Bytes nv = vector_bytes(kFolder + "hcl-report.bin");
    auto verified = MUST(verify(nv, lenient()));
    EXPECT_EQ(verified.snp().product(), SnpProduct::milan);
    EXPECT_EQ(verified.snp().not_checked(), std::vector{std::string(kSnpRevocation)});
    EXPECT_TRUE(verify(nv, lenient(), verified.claims().find_key("HCLAkPub")->key));
    EXPECT_EQ(refusal(verify(nv, lenient(), foreign_key())), "HCL-AK");
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
    EXPECT_EQ(refusal(verify(nv, SnpRules{})), "SNP-REVOCATION");
    EXPECT_EQ(refusal(verify(to_bytes("HCLA"), lenient())), "HCL-FORM");
}

struct TdHclCase {
    Bytes nv = vector_bytes("hcl/azure-tdx-a/hcl-report.bin");
    Bytes quote = vector_bytes("tdx/v4-azure.quote.bin");
    TdxRules rules = {.may_be_unchecked = everything_unchecked()};
    Ak ak = {};

    Result<VerifiedTdHclReport> verify() const {
        Checks checks;
        return verify_td_hcl(nv, quote, {}, vendor_anchors(), rules, ak, recorded_time(), checks);
    }
};

TEST(VerifyTdHcl, AcceptsARecordedReportWithItsQuoteAndKey) {
    auto verified = MUST(TdHclCase().verify());
    EXPECT_EQ(verified.claims().vm.secure_boot, true);
    EXPECT_EQ(verified.quote().not_checked().size(), 3u);
    TdHclCase with_key;
    with_key.ak = verified.claims().find_key("HCLAkPub")->key;
    EXPECT_TRUE(with_key.verify());
    with_key.ak = foreign_key();
    EXPECT_EQ(refusal(with_key.verify()), "HCL-AK");
}

TEST(VerifyTdHcl, RefusesTheQuoteOfAnotherMachine) {
    TdHclCase one;
    one.quote = vector_bytes("tdx/v4-azure-akcert.quote.bin");
    EXPECT_EQ(refusal(one.verify()), "HCL-QUOTE");
}

TEST(VerifyTdHcl, RefusesATdreportThatDiffersFromTheQuoteInAnyField) {
    for (size_t offset : {128, 191, 512, 527, 528, 576, 624, 672, 720, 768, 816, 911}) {
        TdHclCase one;
        one.nv[kHclHeaderSize + offset] ^= 1;
        EXPECT_EQ(refusal(one.verify()), "HCL-QUOTE") << offset;
    }
}

TEST(VerifyTdHcl, RefusesChangedClaimsAndReportsThatAreNoTdx) {
    TdHclCase changed;
    changed.nv[1300] ^= 1;
    EXPECT_EQ(refusal(changed.verify()), "HCL-BINDING");
    TdHclCase snp;
    snp.nv = vector_bytes(kFolder + "hcl-report.bin");
    EXPECT_EQ(refusal(snp.verify()), "HCL-TEE");
    TdHclCase strict;
    strict.rules = {};
    EXPECT_EQ(refusal(strict.verify()), "TDX-NOT-CHECKED");
}

// Nobody signs the header; what is free of it has no meaning to a verifier. The runtime data is
// bound byte by byte, with zeros behind it, and the report has its own tests.
TEST(HclMutation, TheListOfFreeBytesOfAnHclReportIsWhole) {
    Bytes nv = vector_bytes(kFolder + "hcl-report.bin");
    Checks checks;
    auto endorsements = MUST(SnpEndorsements::parse(vector_bytes(kFolder + "vcek.der"), checks));
    auto refused = [&](const Bytes& changed) {
        Checks of_this;
        return !verify_hcl(changed, endorsements, vendor_anchors(), lenient(), {}, recorded_time(),
                           of_this);
    };
    ASSERT_FALSE(refused(nv));
    constexpr size_t kRequestType = 12;  // then status, and reserved words, to the header's end
    std::vector<size_t> free(8 * (kHclHeaderSize - kRequestType));
    std::iota(free.begin(), free.end(), 8 * kRequestType);
    EXPECT_EQ(free_bits(nv, {1, 0, kHclHeaderSize}, refused), free);
    size_t behind = kHclHeaderSize + kSnpReportSize;
    EXPECT_THAT(free_bits(nv, {201, kHclHeaderSize, behind}, refused), ::testing::IsEmpty());
    EXPECT_THAT(free_bits(nv, {33, behind}, refused), ::testing::IsEmpty());
}

}  // namespace
}  // namespace vouchsafe::evidence
