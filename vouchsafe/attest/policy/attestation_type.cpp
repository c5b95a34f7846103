#include "vouchsafe/attest/policy/attestation_type.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

std::string_view type_name(AttestationType type) {
    switch (type) {
        case AttestationType::sgx_enclave:
            return "SgxEnclave";
        case AttestationType::open_enclave:
            return "OpenEnclave";
        case AttestationType::sev_snp_vm:
            return "SevSnpVm";
        case AttestationType::tdx_vm:
            return "TdxVm";
        case AttestationType::azure_guest:
            return "AzureGuest";
        case AttestationType::tpm:
            return "Tpm";
    }
    return "";
}

std::optional<AttestationType> parse_type(std::string_view name) {
    for (AttestationType type : kAttestationTypes) {
        if (equal_ignore_case(name, type_name(type))) return type;
    }
    return std::nullopt;
}

}  // namespace vouchsafe::attest
