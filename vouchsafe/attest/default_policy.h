// The built-in attestation policy, as text in the policy language of Microsoft Azure Attestation
// (azure-api C.6). It says what `appraise` demands beyond genuine evidence, so that whoever gets a
// token can know by x-ms-policy-hash under which rules it was made:
//   - the guest policy allows neither debugging nor migration, and the report comes from VMPL 0;
//   - every component of the TCB is at its floor or above (Config::minimum_tcb), per product line;
//   - nothing in the certificates' chain is on a revocation list, and the lists were at hand;
//   - SgxEnclave, OpenEnclave: Intel's collateral calls the platform up to date, and the enclave
//     cannot be debugged. Which enclave it is nobody judges: whoever relies on the token has to;
//   - TdxVm: Intel's collateral calls the platform up to date, and the domain cannot be debugged;
//   - AzureGuest only: Secure Boot was on, and the paravisor is a known one
//     (Config::compliant_id_keys; the claim x-ms-compliance-status stands for it). On TDX what
//     TdxVm's asks, and Config::compliant_td_measurements.
// While it is in force its demands are checks of `evidence` and `appraise` as well (Terms), whose
// refusals say more; another policy replaces them (policy/administration.h).
#pragma once

#include <string>

#include "vouchsafe/attest/config.h"
#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::attest {

std::string default_azure_guest_policy(const Config& config);
std::string default_snp_vm_policy(const Config& config);
std::string default_tdx_vm_policy();
std::string default_sgx_policy();  // of SgxEnclave and OpenEnclave

// default_policies has the text of each kind that has a built-in policy: all but Tpm.
std::map<policy::AttestationTarget, std::string> default_policies(const Config& config);

// policy_hash is the claim x-ms-policy-hash: base64url(SHA-256(base64url(text))) (azure-api C.3).
std::string policy_hash(std::string_view policy_text);

}  // namespace vouchsafe::attest
