#include "vouchsafe/policy/maa/known_claims.h"

#include <array>
#include <unordered_map>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::policy {

namespace {

constexpr unsigned bit(AttestationTarget target) {
    return 1U << static_cast<unsigned>(target);
}
constexpr unsigned kSgx =
    bit(AttestationTarget::sgx_enclave) | bit(AttestationTarget::open_enclave);
constexpr unsigned kSnp = bit(AttestationTarget::sev_snp_vm);
constexpr unsigned kTdx = bit(AttestationTarget::tdx_vm);
constexpr unsigned kGuest = bit(AttestationTarget::azure_guest);
constexpr unsigned kTpm = bit(AttestationTarget::tpm);
constexpr unsigned kAll = kSgx | kSnp | kTdx | kGuest | kTpm;

constexpr KnownClaim kKnownClaims[] = {
    {"x-ms-attestation-type", ClaimKind::text, kAll},
    {"x-ms-ver", ClaimKind::text, kAll},
    {"x-ms-policy-hash", ClaimKind::text, kAll},
    {"x-ms-runtime", ClaimKind::json, kAll},
    {"x-ms-inittime", ClaimKind::json, kAll},
    {"x-ms-compliance-status", ClaimKind::text, kSnp | kTdx | kGuest},
    {"x-ms-sgx-is-debuggable", ClaimKind::boolean, kSgx},
    {"$is-debuggable", ClaimKind::boolean, kSgx},
    {"x-ms-sgx-product-id", ClaimKind::integer, kSgx},
    {"x-ms-sgx-svn", ClaimKind::integer, kSgx},
    {"x-ms-sgx-config-svn", ClaimKind::integer, kSgx},
    {"$product-id", ClaimKind::integer, kSgx},
    {"$svn", ClaimKind::integer, kSgx},
    {"x-ms-sgx-mrsigner", ClaimKind::text, kSgx},
    {"x-ms-sgx-mrenclave", ClaimKind::text, kSgx},
    {"x-ms-sgx-ehd", ClaimKind::text, kSgx},
    {"x-ms-sgx-report-data", ClaimKind::text, kSgx},
    {"x-ms-sgx-config-id", ClaimKind::text, kSgx},
    {"x-ms-sgx-isv-extended-product-id", ClaimKind::text, kSgx},
    {"x-ms-sgx-isv-family-id", ClaimKind::text, kSgx},
    {"$sgx-mrsigner", ClaimKind::text, kSgx},
    {"$sgx-mrenclave", ClaimKind::text, kSgx},
    {"$tee", ClaimKind::text, kSgx},
    {"$maa-ehd", ClaimKind::text, kSgx},
    {"$aas-ehd", ClaimKind::text, kSgx},
    {"x-ms-sgx-collateral", ClaimKind::json, kSgx},
    {"$maa-attestationcollateral", ClaimKind::json, kSgx},
    {"x-ms-sevsnpvm-authorkeydigest", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-familyId", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-hostdata", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-idkeydigest", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-imageId", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-launchmeasurement", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-reportdata", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-reportid", ClaimKind::text, kSnp | kGuest},
    {"x-ms-sevsnpvm-bootloader-svn", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-guestsvn", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-microcode-svn", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-snpfw-svn", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-tee-svn", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-vmpl", ClaimKind::integer, kSnp | kGuest},
    {"x-ms-sevsnpvm-is-debuggable", ClaimKind::boolean, kSnp | kGuest},
    {"x-ms-sevsnpvm-migration-allowed", ClaimKind::boolean, kSnp | kGuest},
    {"x-ms-sevsnpvm-smt-allowed", ClaimKind::boolean, kSnp | kGuest},
    {"eat_profile", ClaimKind::text, kTdx},
    {"intuse", ClaimKind::text, kTdx},
    {"dbgstat", ClaimKind::text, kTdx | kGuest},
    {"attester_tcb_status", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrtd", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrseam", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrsignerseam", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrconfigid", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrowner", ClaimKind::text, kTdx | kGuest},
    {"tdx_mrownerconfig", ClaimKind::text, kTdx | kGuest},
    {"tdx_rtmr0", ClaimKind::text, kTdx | kGuest},
    {"tdx_rtmr1", ClaimKind::text, kTdx | kGuest},
    {"tdx_rtmr2", ClaimKind::text, kTdx | kGuest},
    {"tdx_rtmr3", ClaimKind::text, kTdx | kGuest},
    {"tdx_report_data", ClaimKind::text, kTdx | kGuest},
    {"tdx_tee_tcb_svn", ClaimKind::text, kTdx | kGuest},
    {"tdx_xfam", ClaimKind::text, kTdx | kGuest},
    {"tdx_td_attributes", ClaimKind::text, kTdx | kGuest},
    {"tdx_seam_attributes", ClaimKind::text, kTdx | kGuest},
    {"tdx_seamsvn", ClaimKind::integer, kTdx | kGuest},
    {"tdx_td_attributes_debug", ClaimKind::boolean, kTdx | kGuest},
    {"tdx_td_attributes_key_locker", ClaimKind::boolean, kTdx | kGuest},
    {"tdx_td_attributes_perfmon", ClaimKind::boolean, kTdx | kGuest},
    {"tdx_td_attributes_protection_keys", ClaimKind::boolean, kTdx | kGuest},
    {"tdx_td_attributes_septve_disable", ClaimKind::boolean, kTdx | kGuest},
    {"secureboot", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-bootdebug-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-dbvalidated", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-dbxvalidated", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-debuggersdisabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-default-securebootkeysvalidated", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-elam-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-flightsigning-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-hypervisordebug-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-is-windows", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-kerneldebug-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-signingdisabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-testsigning-enabled", ClaimKind::boolean, kGuest},
    {"x-ms-azurevm-attested-pcrs", ClaimKind::integer, kGuest},
    {"x-ms-azurevm-hvci-policy", ClaimKind::integer, kGuest},
    {"x-ms-azurevm-osversion-major", ClaimKind::integer, kGuest},
    {"x-ms-azurevm-osversion-minor", ClaimKind::integer, kGuest},
    {"x-ms-azurevm-attestation-protocol-ver", ClaimKind::text, kGuest},
    {"x-ms-azurevm-osbuild", ClaimKind::text, kGuest},
    {"x-ms-azurevm-osdistro", ClaimKind::text, kGuest},
    {"x-ms-azurevm-ostype", ClaimKind::text, kGuest},
    {"x-ms-azurevm-vmid", ClaimKind::text, kGuest},
    {"x-ms-isolation-tee", ClaimKind::json, kGuest},
    {"aikValidated", ClaimKind::boolean, kTpm},
    {"secureBootEnabled", ClaimKind::boolean, kTpm},
    {"iommuEnabled", ClaimKind::boolean, kTpm},
    {"bootDebuggingDisabled", ClaimKind::boolean, kTpm},
    {"notSafeMode", ClaimKind::boolean, kTpm},
    {"notWinPE", ClaimKind::boolean, kTpm},
    {"vbsEnabled", ClaimKind::boolean, kTpm},
    {"vbsReportPresent", ClaimKind::boolean, kTpm},
    {"vsmReportPresent", ClaimKind::boolean, kTpm},
    {"tpmVersion", ClaimKind::integer, kTpm},
    {"enclaveSvn", ClaimKind::integer, kTpm},
    {"enclavePlatformSvn", ClaimKind::integer, kTpm},
    {"enclaveFlags", ClaimKind::integer, kTpm},
    {"aikPubHash", ClaimKind::text, kTpm},
    {"enclaveAuthorId", ClaimKind::text, kTpm},
    {"enclaveImageId", ClaimKind::text, kTpm},
    {"enclaveOwnerId", ClaimKind::text, kTpm},
    {"enclaveFamilyId", ClaimKind::text, kTpm},
    {"events", ClaimKind::json, kTpm | kGuest},
    {"pcrs", ClaimKind::json, kTpm | kGuest},
    {"bootEvents", ClaimKind::json, kTpm},
    {"x-ms-tpm-request-key", ClaimKind::json, kTpm},
    {"x-ms-tpm-other-keys", ClaimKind::json, kTpm},
};

constexpr std::string_view kSgxDebug[] = {"x-ms-sgx-is-debuggable", "$is-debuggable"};
constexpr std::string_view kSnpDebug[] = {"x-ms-sevsnpvm-is-debuggable"};
constexpr std::string_view kTdxDebug[] = {"tdx_td_attributes_debug", "dbgstat"};
// That its boot was not debugged says nothing about a host that reads its memory.
constexpr std::string_view kGuestDebug[] = {"x-ms-sevsnpvm-is-debuggable",
                                            "tdx_td_attributes_debug"};
constexpr std::string_view kTpmDebug[] = {"secureBootEnabled", "bootDebuggingDisabled",
                                          "SecureBoot"};

}  // namespace

std::string_view target_name(AttestationTarget target) {
    constexpr std::array<std::string_view, 6> kNames = {"SgxEnclave", "OpenEnclave", "SevSnpVm",
                                                        "TdxVm",      "AzureGuest",  "Tpm"};
    return kNames.at(static_cast<size_t>(target));
}

std::optional<AttestationTarget> find_target(std::string_view name) {
    for (AttestationTarget target : kAttestationTargets) {
        if (equal_ignore_case(name, target_name(target))) return target;
    }
    return std::nullopt;
}

std::span<const KnownClaim> known_claims() {
    return kKnownClaims;
}

const KnownClaim* find_known_claim(std::string_view name) {
    // Every claim of every request is looked for here.
    static const auto kByName = [] {
        std::unordered_map<std::string_view, const KnownClaim*> out;
        for (const KnownClaim& claim : kKnownClaims) out.emplace(claim.name, &claim);
        return out;
    }();
    auto found = kByName.find(name);
    return found == kByName.end() ? nullptr : found->second;
}

bool is_claim_of(std::string_view name, AttestationTarget target) {
    if (name.starts_with("x-vouchsafe-")) return true;
    const KnownClaim* claim = find_known_claim(name);
    return claim != nullptr && (claim->targets & bit(target)) != 0;
}

std::span<const std::string_view> debug_claims(AttestationTarget target) {
    switch (target) {
        case AttestationTarget::sgx_enclave:
        case AttestationTarget::open_enclave:
            return kSgxDebug;
        case AttestationTarget::sev_snp_vm:
            return kSnpDebug;
        case AttestationTarget::tdx_vm:
            return kTdxDebug;
        case AttestationTarget::azure_guest:
            return kGuestDebug;
        case AttestationTarget::tpm:
            return kTpmDebug;
    }
    return {};
}

}  // namespace vouchsafe::policy
