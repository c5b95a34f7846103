#include "vouchsafe/attest/appraise.h"

#include "vouchsafe/attest/claims.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kMaxFound = 200;  // of hostile text repeated in a check

// require_readable turns a parser's refusal into a coded check.
template <typename T>
Result<T> require_readable(Result<T> parsed, Checks& checks) {
    std::string found = parsed ? "well formed" : parsed.error().message.substr(0, kMaxFound);
    TRY(checks.require(parsed.has_value(), "ATTEST-REQUEST", "body", "well formed", found));
    return parsed;
}

evidence::SnpRules snp_rules(const Terms& terms, const std::string& draft_policy) {
    evidence::SnpRules rules;
    bool built_in = terms.built_in_policy && draft_policy.empty();
    rules.allow_debug = !built_in;
    rules.allow_migration = !built_in;
    if (built_in) rules.minimum_tcb.reported = terms.config.minimum_tcb;
    rules.allow_unchecked = {evidence::kSnpRevocation};  // clients send no revocation lists
    return rules;
}

// check_init_data: the launch fixed this data (azure-api C.2).
Result<void> check_init_data(const BoundData& init, const evidence::SnpReport& report,
                             Checks& checks) {
    std::array<uint8_t, 32> digest = crypto::sha256(init.data);
    return checks.require(equal(digest, report.host_data), "ATTEST-INIT-DATA", "initTimeData",
                          encode_hex(report.host_data), encode_hex(digest));
}

// check_paravisor: the AK in the runtime data is only as good as the paravisor that wrote it there;
// its launch must have been signed by a known ID key.
Result<void> check_paravisor(const evidence::SnpReport& report, const Config& config,
                             Checks& checks) {
    return checks.require(
        is_compliant(report, config), "ATTEST-ID-KEY", "id_key_digest",
        fmt::format("one of {} known paravisors' ID keys", config.compliant_id_keys.size()),
        encode_hex(report.id_key_digest));
}

std::string subject_of(const evidence::RuntimeClaims& runtime) {
    return runtime.vm.vm_unique_id.value_or("").substr(0, kMaxFound);
}

}  // namespace

Result<Appraisal> appraise_azure_guest(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    AzureGuestRequest request =
        TRY(require_readable(AzureGuestRequest::parse(body, config.max_body), checks));
    evidence::AzureGuestRules rules;
    rules.snp = snp_rules(terms, request.draft_policy);
    rules.require_secure_boot = terms.built_in_policy && request.draft_policy.empty();
    evidence::VerifiedAzureGuest guest = TRY(
        evidence::verify_azure_guest(request.evidence, terms.anchors, rules, terms.now, checks));
    TRY(check_paravisor(guest.snp().report(), config, checks));
    return Appraisal{azure_guest_claims(request, guest, config), subject_of(guest.runtime()),
                     guest.encryption_public_key(), request.draft_policy};
}

Result<Appraisal> appraise_snp_vm(std::string_view body, const Terms& terms, Checks& checks) {
    const Config& config = terms.config;
    SnpVmRequest request =
        TRY(require_readable(SnpVmRequest::parse(body, config.max_body), checks));
    auto endorsements = TRY(evidence::SnpEndorsements::parse(request.chain, checks));
    evidence::VerifiedSnpReport report =
        TRY(evidence::verify_snp(request.report, endorsements, terms.anchors,
                                 snp_rules(terms, request.draft_policy), terms.now, checks));
    if (request.runtime_data) {
        TRY(evidence::check_runtime_binding(report.report().report_data, request.runtime_data->data,
                                            crypto::HashAlg::sha256, checks));
    }
    if (request.init_data) TRY(check_init_data(*request.init_data, report.report(), checks));
    return Appraisal{snp_vm_claims(request, report, config), "", std::nullopt,
                     request.draft_policy};
}

}  // namespace vouchsafe::attest
