// The kinds of evidence, as the routes name them (azure-api C.1). Each has a policy of its own.
#pragma once

#include <array>
#include <optional>
#include <string_view>

namespace vouchsafe::attest {

enum class AttestationType { sgx_enclave, open_enclave, sev_snp_vm, tdx_vm, azure_guest, tpm };

inline constexpr std::array<AttestationType, 6> kAttestationTypes = {
    AttestationType::sgx_enclave, AttestationType::open_enclave, AttestationType::sev_snp_vm,
    AttestationType::tdx_vm,      AttestationType::azure_guest,  AttestationType::tpm};

std::string_view type_name(AttestationType type);  // "SevSnpVm", as in the routes

// parse_type compares without case; nullopt if there is no such type.
std::optional<AttestationType> parse_type(std::string_view name);

}  // namespace vouchsafe::attest
