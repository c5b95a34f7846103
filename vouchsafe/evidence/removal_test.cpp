// The checks of bundles and of paths' revocation are needed: see base/removal_table.h.
#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/bundle.h"
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/revocation.h"
#include "vouchsafe/evidence/tpm/test_vtpm_ca.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::Crl;

Crl root_list(const std::vector<crypto::Certificate>& revoked = {}) {
    return MUST(crypto::issue_crl(
        {at("2026-06-01T00:00:00Z"), at("2026-12-31T00:00:00Z"), 1, revoked}, vtpm_root(),
        vtpm_key(vtpm_root().subject_common_name()), crypto::CertSignature::ecdsa_sha256));
}

const crypto::Certificate& leaf_below_root() {
    static const crypto::Certificate kLeaf =
        vtpm_certificate(vtpm_spec("leaf", false), &vtpm_root());
    return kLeaf;
}

// looked_up judges the path of that leaf.
Judge looked_up(const std::vector<Crl>& lists, Time now = recorded_time()) {
    return [=] {
        const crypto::Certificate path[] = {leaf_below_root(), vtpm_root()};
        Unchecked unchecked("CERT-NOT-CHECKED", {});
        Checks checks;
        return outcome(check_path_revocation(path, lists, unchecked, now, checks));
    };
}

RemovalTable path_rows() {
    Bytes der = root_list().der();
    der.back() ^= 1;
    return {
        {"CERT-CRL-SIGNATURE", {looked_up({MUST(Crl::parse_any(der))})}},
        {"CERT-CRL-DATES", {looked_up({root_list()}, at("2026-12-31T00:00:01Z"))}},
        {"CERT-REVOKED", {looked_up({root_list({leaf_below_root()})})}},
        {"CERT-NOT-CHECKED", {looked_up({})}},
    };
}

TEST(EvidenceCheckRemoval, EveryCheckDecidesACase) {
    RemovalTable table = path_rows();
    table["BUNDLE-VERDICT"] = {[] {
        Checks checks;
        return outcome(compare_verdicts(Json{{"valid", true}}, Json{{"valid", false}}, checks));
    }};
    expect_every_check_decides("evidence", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
