// The body of an attest request whose evidence is one quote of Intel's: POST /attest/TdxVm,
// /attest/SgxEnclave and /attest/OpenEnclave (azure-api C.2). Pure: bytes in, a value out. Nothing
// here is verified.
#pragma once

#include "vouchsafe/attest/request/bound_data.h"

namespace vouchsafe::attest {

struct QuoteRequest {
    Bytes quote;
    BoundMembers bound;

    // parse fails with Code::invalid and a sentence that names the member. Members it does not know
    // are ignored.
    static Result<QuoteRequest> parse(std::string_view body, size_t max_size);
    // parse_open_enclave takes the quote out of the envelope that Open Enclave's SDK puts around
    // it (`report`; oe_report_header_t): version 1, type 2 (remote), size, and as many bytes.
    static Result<QuoteRequest> parse_open_enclave(std::string_view body, size_t max_size);
};

}  // namespace vouchsafe::attest
