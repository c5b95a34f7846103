// The body of an attest request whose evidence is one quote of Intel's: POST /attest/TdxVm
// (azure-api C.2). Pure: bytes in, a value out. Nothing here is verified.
#pragma once

#include "vouchsafe/attest/request/bound_data.h"

namespace vouchsafe::attest {

struct QuoteRequest {
    Bytes quote;
    BoundMembers bound;

    // parse fails with Code::invalid and a sentence that names the member. Members it does not know
    // are ignored.
    static Result<QuoteRequest> parse(std::string_view body, size_t max_size);
};

}  // namespace vouchsafe::attest
