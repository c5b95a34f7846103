// The body of POST /attest/SevSnpVm, decoded: azure-api C.2, guest-protocol 4.5. Pure: bytes in, a
// value out. Nothing here is verified.
#pragma once

#include "vouchsafe/attest/request/bound_data.h"

namespace vouchsafe::attest {

struct SnpVmRequest {
    Bytes report;
    Bytes chain;  // PEM
    BoundMembers bound;

    // parse fails with Code::invalid and a sentence that names the member. Members it does not know
    // are ignored, and so is `Endorsements`: no claim is made from what is not read.
    static Result<SnpVmRequest> parse(std::string_view body, size_t max_size);
};

}  // namespace vouchsafe::attest
