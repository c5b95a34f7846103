// What a token of Microsoft Azure Attestation is: the service signs its attestations, its answers
// about policies and about policy signers all with the same keys. Only the first say anything about
// a machine, and only the claims tell them apart (azure-api C.3, C.5).
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::jose {

enum class MaaStatement {
    attestation,  // it has x-ms-attestation-type
    policy,       // an answer about a policy or its signers: no attestation
    other,        // none of the service's kinds
};
std::string_view maa_statement_name(MaaStatement statement);  // "attestation"

struct MaaToken {
    MaaStatement statement = MaaStatement::other;
    // Of an attestation: what was attested ("azurevm"), and the hardware that vouches for it
    // ("sevsnpvm", "tdxvm", "sgx"), "" if none does: a trusted-launch machine has azurevm alone.
    std::string attestation_type;
    std::string tee;
    std::string compliance;  // "azure-compliant-cvm", or ""
    // Of an answer about a policy: its text, if it is readable. Its own signature is not looked at.
    std::optional<std::string> policy_text;
};

// describe_maa_token reads claims. It verifies nothing.
MaaToken describe_maa_token(const Json& claims);

}  // namespace vouchsafe::jose
