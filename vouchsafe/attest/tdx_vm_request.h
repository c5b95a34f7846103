// The body of POST /attest/TdxVm, decoded (azure-api C.2). Pure: bytes in, a value out. Nothing
// here is verified.
#pragma once

#include "vouchsafe/attest/bound_data.h"

namespace vouchsafe::attest {

struct TdxVmRequest {
    Bytes quote;
    std::optional<BoundData> runtime_data;
    std::optional<BoundData> init_data;
    std::optional<std::string> nonce;
    std::string draft_policy;  // draftPolicyForAttestation, or ""

    // parse fails with Code::invalid and a sentence that names the member. Members it does not know
    // are ignored.
    static Result<TdxVmRequest> parse(std::string_view body, size_t max_size);
};

}  // namespace vouchsafe::attest
