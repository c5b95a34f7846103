#include "vouchsafe/evidence/azure/hcl_verify.h"

namespace vouchsafe::evidence {

struct HclVerifier {
    static Result<VerifiedHclReport> verify(ByteView nv, const SnpEndorsements& endorsements,
                                            const TrustAnchors& anchors, const HclRules& rules,
                                            Time now, Checks& checks) {
        HclReport report = TRY(HclReport::parse(nv, checks));
        TRY(checks.require(report.type == HclReportType::snp, "HCL-TEE", "report type", "SNP",
                           std::string(report_type_name(report.type))));
        VerifiedSnpReport snp =
            TRY(verify_snp(report.hardware_report, endorsements, anchors, rules.snp, now, checks));
        TRY(check_runtime_binding(snp.report().report_data, report.runtime_data, report.hash,
                                  checks));
        RuntimeClaims claims = TRY(RuntimeClaims::parse(report.runtime_data, checks));
        if (rules.ak) {
            const RuntimeKey* key = claims.find_key("HCLAkPub");
            bool same = key != nullptr && key->key == *rules.ak;
            TRY(checks.require(same, "HCL-AK", "runtime key HCLAkPub", "the AK that was given",
                               key == nullptr ? "absent"
                               : same         ? "the AK that was given"
                                              : "another key"));
        }
        return VerifiedHclReport(std::move(report), std::move(claims), std::move(snp));
    }
};

Result<VerifiedHclReport> verify_hcl(ByteView nv, const SnpEndorsements& endorsements,
                                     const TrustAnchors& anchors, const HclRules& rules, Time now,
                                     Checks& checks) {
    return HclVerifier::verify(nv, endorsements, anchors, rules, now, checks);
}

}  // namespace vouchsafe::evidence
