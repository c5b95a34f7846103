#include "vouchsafe/attest/tdx_vm_request.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kMaxQuote = 64 << 10;  // bytes of a quote: what TdxQuote::parse takes

}  // namespace

Result<TdxVmRequest> TdxVmRequest::parse(std::string_view body, size_t max_size) {
    Json json = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(json, ""));
    TdxVmRequest out;
    out.quote = TRY(request.bytes("quote", kMaxQuote));
    out.runtime_data = TRY(parse_bound_data(request, "runtimeData"));
    out.init_data = TRY(parse_bound_data(request, "initTimeData"));
    out.nonce = TRY(parse_nonce(request));
    out.draft_policy = TRY(parse_draft_policy(request));
    return out;
}

}  // namespace vouchsafe::attest
