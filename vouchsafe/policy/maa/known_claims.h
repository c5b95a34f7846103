// The claims that an attestation service makes for each kind of evidence: for warnings about names
// that nobody issues.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>

namespace vouchsafe::policy {

// AttestationTarget is the kind of evidence a policy is for (azure-api C.1).
enum class AttestationTarget { sgx_enclave, open_enclave, sev_snp_vm, tdx_vm, azure_guest, tpm };

inline constexpr std::array<AttestationTarget, 6> kAttestationTargets = {
    AttestationTarget::sgx_enclave, AttestationTarget::open_enclave, AttestationTarget::sev_snp_vm,
    AttestationTarget::tdx_vm,      AttestationTarget::azure_guest,  AttestationTarget::tpm};

std::string_view target_name(AttestationTarget target);  // "SevSnpVm"
// find_target compares without case; nullopt if there is none of this name.
std::optional<AttestationTarget> find_target(std::string_view name);

enum class ClaimKind { text, integer, boolean, json };  // json: an object or a list as text

struct KnownClaim {
    std::string_view name;
    ClaimKind kind;
    unsigned targets;  // bit 1 << AttestationTarget
};

// known_claims returns the claims a rule may look at (azure-api C.3 and C.6; our own begin with
// x-vouchsafe- and are not listed).
std::span<const KnownClaim> known_claims();

// find_known_claim returns nullptr if no kind of evidence has it; see is_claim_of.
const KnownClaim* find_known_claim(std::string_view name);

// is_claim_of tells whether the service makes this claim for the target. Names that begin with
// x-vouchsafe- count as made for all.
bool is_claim_of(std::string_view name, AttestationTarget target);

// debug_claims are those by which a policy for the target can refuse what is debugged.
std::span<const std::string_view> debug_claims(AttestationTarget target);

}  // namespace vouchsafe::policy
