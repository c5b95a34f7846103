#include "vouchsafe/evidence/snp/rules.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/snp/steps.h"

namespace vouchsafe::evidence {

namespace {

// The states of a policy bit that lets somebody do something.
std::string bit_text(bool allowed) {
    return allowed ? "1 (allowed)" : "0 (forbidden)";
}

Result<void> check_policy(const SnpPolicy& policy, const SnpRules& rules, Checks& checks) {
    TRY(checks.require(policy.reserved_must_be_one() && policy.unknown_bits() == 0,
                       "SNP-POLICY-RESERVED", "policy", "bit 17 set, bits 26 to 63 clear",
                       fmt::format("{:#x}", policy.raw)));
    auto expected = [](bool allow) {
        return allow ? "0 or 1: these rules allow it" : "0 (forbidden)";
    };
    TRY(checks.require(!policy.debug_allowed() || rules.allow_debug, "SNP-POLICY-DEBUG",
                       "policy.debug", expected(rules.allow_debug),
                       bit_text(policy.debug_allowed())));
    return checks.require(!policy.migration_allowed() || rules.allow_migration,
                          "SNP-POLICY-MIGRATION", "policy.migrate_ma",
                          expected(rules.allow_migration), bit_text(policy.migration_allowed()));
}

Result<void> check_smt(const SnpReport& report, Checks& checks) {
    TRY(checks.require(!report.policy.smt_allowed(), "SNP-SMT", "policy.smt", "0 (forbidden)",
                       bit_text(report.policy.smt_allowed())));
    bool on = report.platform.smt_enabled();
    return checks.require(!on, "SNP-SMT", "platform_info.smt_en", "0 (off)",
                          on ? "1 (on)" : "0 (off)");
}

Result<void> check_floor(std::string_view code, std::string_view field, const RawTcb& raw,
                         SnpProduct product, const SnpTcbFloor& floors, Checks& checks) {
    auto floor = floors.find(product);
    if (floor == floors.end()) return {};
    SnpTcb tcb = decode_tcb(raw, product);
    return checks.require(reaches(tcb, floor->second), code, field,
                          "at least " + describe(floor->second), describe(tcb));
}

Result<void> check_floors(const SnpReport& report, SnpProduct product, const SnpTcbFloors& floors,
                          Checks& checks) {
    TRY(check_floor("SNP-TCB-FLOOR", "reported_tcb", report.reported_tcb, product, floors.reported,
                    checks));
    TRY(check_floor("SNP-TCB-FLOOR-CURRENT", "current_tcb", report.current_tcb, product,
                    floors.current, checks));
    TRY(check_floor("SNP-TCB-FLOOR-COMMITTED", "committed_tcb", report.committed_tcb, product,
                    floors.committed, checks));
    return check_floor("SNP-TCB-FLOOR-LAUNCH", "launch_tcb", report.launch_tcb, product,
                       floors.launch, checks);
}

template <size_t N>
Result<void> check_equal(std::string_view code, std::string_view field,
                         const std::optional<std::array<uint8_t, N>>& expected,
                         const std::array<uint8_t, N>& found, Checks& checks) {
    if (!expected) return {};
    return checks.require(equal(found, *expected), code, field, encode_hex(*expected),
                          encode_hex(found));
}

Result<void> check_values(const SnpReport& report, const SnpRules& rules, Checks& checks) {
    TRY(check_equal("SNP-REPORT-DATA", "report_data", rules.report_data, report.report_data,
                    checks));
    TRY(check_equal("SNP-MEASUREMENT", "measurement", rules.measurement, report.measurement,
                    checks));
    TRY(check_equal("SNP-HOST-DATA", "host_data", rules.host_data, report.host_data, checks));
    TRY(check_equal("SNP-FAMILY-ID", "family_id", rules.family_id, report.family_id, checks));
    TRY(check_equal("SNP-IMAGE-ID", "image_id", rules.image_id, report.image_id, checks));
    if (rules.minimum_guest_svn == 0) return {};
    return checks.require(report.guest_svn >= rules.minimum_guest_svn, "SNP-GUEST-SVN", "guest_svn",
                          fmt::format("at least {}", rules.minimum_guest_svn),
                          fmt::format("{}", report.guest_svn));
}

using Digest = std::array<uint8_t, 48>;

bool is_one_of(const std::vector<Digest>& digests, const Digest& digest) {
    return !all_zero(digest) && std::find(digests.begin(), digests.end(), digest) != digests.end();
}

std::string expected_digest(const std::vector<Digest>& digests) {
    if (digests.size() == 1) return encode_hex(digests.front());
    return fmt::format("one of {} digests", digests.size());
}

Result<void> check_keys(const SnpReport& report, const SnpRules& rules, Checks& checks) {
    if (!rules.id_key_digests.empty()) {
        TRY(checks.require(is_one_of(rules.id_key_digests, report.id_key_digest), "SNP-ID-KEY",
                           "id_key_digest", expected_digest(rules.id_key_digests),
                           encode_hex(report.id_key_digest)));
    }
    if (rules.author_key_digests.empty()) return {};
    bool known = is_one_of(rules.author_key_digests, report.author_key_digest);
    return checks.require(
        report.author_key_enabled && known, "SNP-AUTHOR-KEY", "author_key_digest",
        expected_digest(rules.author_key_digests),
        report.author_key_enabled ? encode_hex(report.author_key_digest) : "no author key");
}

Result<void> check_mitigations(std::string_view code, std::string_view field, uint64_t required,
                               const std::optional<uint64_t>& vector, Checks& checks) {
    if (required == 0) return {};
    return checks.require(vector && (*vector & required) == required, code, field,
                          fmt::format("all bits of {:#x} set", required),
                          vector ? fmt::format("{:#x}", *vector) : "not in a report before v5");
}

}  // namespace

Result<void> check_snp_rules(const SnpReport& report, SnpProduct product, const SnpRules& rules,
                             Checks& checks) {
    TRY(check_policy(report.policy, rules, checks));
    if (rules.require_smt_off) TRY(check_smt(report, checks));
    TRY(checks.require(report.vmpl == rules.vmpl, "SNP-VMPL", "vmpl", fmt::format("{}", rules.vmpl),
                       fmt::format("{}", report.vmpl)));
    TRY(check_floors(report, product, rules.minimum_tcb, checks));
    TRY(check_values(report, rules, checks));
    TRY(check_keys(report, rules, checks));
    TRY(check_mitigations("SNP-MITIGATION-LAUNCH", "launch_mit_vector", rules.launch_mitigations,
                          report.launch_mitigation_vector, checks));
    return check_mitigations("SNP-MITIGATION-CURRENT", "current_mit_vector",
                             rules.current_mitigations, report.current_mitigation_vector, checks);
}

}  // namespace vouchsafe::evidence
