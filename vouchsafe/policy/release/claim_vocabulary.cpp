#include "vouchsafe/policy/release/claim_vocabulary.h"

#include <algorithm>
#include <vector>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kTee = "x-ms-isolation-tee.";

// Names in tokens beside those that attestation policies see (azure-api C.3).
constexpr std::string_view kTokenNames[] = {"iss",
                                            "iat",
                                            "nbf",
                                            "exp",
                                            "jti",
                                            "nonce",
                                            "aud",
                                            "sub",
                                            "eat_nonce",
                                            "cnf",
                                            "ver",
                                            "x-ms-policy",
                                            "x-ms-policy-signer",
                                            "maa-policyHash",
                                            "policy_hash",
                                            "policy_signer",
                                            "rp_data",
                                            "x-vouchsafe-trust-tier",
                                            "x-vouchsafe-trusted-launch",
                                            "x-vouchsafe-checks",
                                            "x-vouchsafe-revocation",
                                            "x-vouchsafe-not-checked",
                                            "x-vouchsafe-challenge",
                                            "x-vouchsafe-collateral",
                                            "x-vouchsafe-collateral-age",
                                            "x-vouchsafe-collateral-valid-to",
                                            "x-vouchsafe-pcrs",
                                            "x-vouchsafe-confirmed-pcrs",
                                            "x-vouchsafe-boot-authorities",
                                            "x-vouchsafe-boot-images",
                                            "x-vouchsafe-boot-kernel",
                                            "x-vouchsafe-boot-command-line",
                                            "x-vouchsafe-firmware-version",
                                            "x-vouchsafe-fmspc",
                                            "x-vouchsafe-ima-verified",
                                            "x-vouchsafe-minimum-svn",
                                            "x-vouchsafe-reference-values",
                                            "x-vouchsafe-reference-value-versions",
                                            "x-vouchsafe-sgx-advisories",
                                            "x-vouchsafe-sgx-evaluation",
                                            "x-vouchsafe-sgx-tcb-status",
                                            "x-vouchsafe-snp-fmc-svn",
                                            "x-vouchsafe-snp-product",
                                            "x-vouchsafe-snp-report-version",
                                            "x-vouchsafe-tdx-advisories",
                                            "x-vouchsafe-tdx-evaluation"};

// Claims that are objects whose members have any names.
constexpr std::string_view kOpen[] = {
    "x-ms-runtime.", "x-ms-inittime.", "x-ms-policy.",        "x-ms-sgx-collateral.",
    "submods.",      "ear.",           "x-ms-policy-signer.", "cnf.",
    "pcrs.",         "events."};

// What a guest tells of itself beside its evidence (azure-api C.2), and what anybody asks for.
constexpr std::string_view kTold[] = {"x-ms-azurevm-osbuild",
                                      "x-ms-azurevm-osdistro",
                                      "x-ms-azurevm-ostype",
                                      "x-ms-azurevm-osversion-major",
                                      "x-ms-azurevm-osversion-minor",
                                      "nonce",
                                      "eat_nonce",
                                      "rp_data",
                                      "x-ms-sgx-ehd",
                                      "maa-ehd",
                                      "aas-ehd"};

constexpr std::string_view kDebug[] = {"x-ms-sevsnpvm-is-debuggable", "tdx_td_attributes_debug",
                                       "x-ms-sgx-is-debuggable", "is-debuggable", "dbgstat"};

constexpr std::string_view kMachine[] = {"x-ms-azurevm-vmid",
                                         "x-ms-sevsnpvm-hostdata",
                                         "x-ms-sevsnpvm-reportid",
                                         "x-ms-sevsnpvm-authorkeydigest",
                                         "tdx_mrowner",
                                         "tdx_mrownerconfig",
                                         "tdx_mrconfigid",
                                         "x-ms-sgx-mrsigner",
                                         "x-ms-sgx-mrenclave",
                                         "sgx-mrsigner",
                                         "sgx-mrenclave",
                                         "aikPubHash"};

constexpr std::string_view kWorkload[] = {"x-ms-sevsnpvm-launchmeasurement",
                                          "x-ms-sevsnpvm-imageId",
                                          "x-ms-sevsnpvm-familyId",
                                          "tdx_mrtd",
                                          "tdx_rtmr0",
                                          "tdx_rtmr1",
                                          "tdx_rtmr2",
                                          "tdx_rtmr3",
                                          "x-vouchsafe-boot-kernel",
                                          "x-vouchsafe-boot-command-line",

                                          "x-ms-policy-hash",
                                          "x-ms-sgx-config-id"};

// Our claims that are lists or objects.
constexpr std::string_view kOurLists[] = {"x-vouchsafe-checks",
                                          "x-vouchsafe-not-checked",
                                          "x-vouchsafe-boot-authorities",
                                          "x-vouchsafe-boot-images",
                                          "x-vouchsafe-reference-values",
                                          "x-vouchsafe-reference-value-versions",
                                          "x-vouchsafe-pcrs",
                                          "x-vouchsafe-confirmed-pcrs",
                                          "x-vouchsafe-collateral",
                                          "x-vouchsafe-sgx-advisories",
                                          "x-vouchsafe-tdx-advisories"};

template <size_t N>
bool is_in(const std::string_view (&names)[N], std::string_view name) {
    return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

template <size_t N>
bool is_below(const std::string_view (&prefixes)[N], std::string_view name) {
    return std::any_of(std::begin(prefixes), std::end(prefixes),
                       [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// slips is the edit distance of two names; names of tokens are short.
size_t slips(std::string_view a, std::string_view b) {
    std::vector<size_t> row(b.size() + 1);
    for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (size_t i = 1; i <= a.size(); ++i) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.size(); ++j) {
            const size_t changed = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            row[j] = std::min({changed, row[j] + 1, row[j - 1] + 1});
        }
    }
    return row[b.size()];
}

// known_name writes the name of an attestation policy's claim as tokens have it.
std::string_view known_name(const KnownClaim& claim) {
    return claim.name.starts_with('$') ? claim.name.substr(1) : claim.name;
}

}  // namespace

std::string_view token_claim(std::string_view path) {
    return path.starts_with(kTee) ? path.substr(kTee.size()) : path;
}

bool is_token_claim(std::string_view path) {
    const std::string_view name = token_claim(path);
    if (is_in(kTokenNames, name) || is_below(kOpen, name)) return true;
    return std::any_of(known_claims().begin(), known_claims().end(),
                       [&](const KnownClaim& claim) { return known_name(claim) == name; });
}

std::string nearest_claim(std::string_view path) {
    constexpr size_t kLongestName = 200;
    const std::string_view name = token_claim(path);
    if (name.size() > kLongestName) return "";
    size_t least = std::max<size_t>(2, name.size() / 8) + 1;
    std::string_view nearest;
    const auto look = [&](std::string_view known) {
        const size_t count = slips(to_lower(name), to_lower(known));
        if (count >= least) return;
        least = count;
        nearest = known;
    };
    for (const KnownClaim& claim : known_claims()) look(known_name(claim));
    for (std::string_view known : kTokenNames) look(known);
    if (nearest.empty()) return "";
    return std::string(path.substr(0, path.size() - name.size())) + std::string(nearest);
}

bool is_callers_word(std::string_view path) {
    constexpr std::string_view kRuntime = "x-ms-runtime.";
    if (is_in(kTold, path)) return true;
    // Below the isolation TEE it is the paravisor that speaks, whom the report measures.
    return path.starts_with(kRuntime) &&
           !path.substr(kRuntime.size()).starts_with("vm-configuration.");
}

std::optional<ClaimKind> claim_kind(std::string_view path) {
    const std::string_view name = token_claim(path);
    if (is_in(kOurLists, name)) return ClaimKind::json;
    for (const KnownClaim& claim : known_claims()) {
        if (known_name(claim) == name) return claim.kind;
    }
    return std::nullopt;
}

bool is_debug_claim(std::string_view path) {
    return is_in(kDebug, token_claim(path));
}

bool is_machine_claim(std::string_view path) {
    const std::string_view name = token_claim(path);
    return is_in(kMachine, name) || name == "x-ms-runtime.vm-configuration.vmUniqueId" ||
           name.starts_with("x-ms-inittime.");
}

bool is_workload_claim(std::string_view path) {
    const std::string_view name = token_claim(path);
    return is_machine_claim(path) || is_in(kWorkload, name) || name.starts_with("x-ms-policy.") ||
           name.starts_with("submods.") || name.starts_with("pcrs.");
}

}  // namespace vouchsafe::policy
