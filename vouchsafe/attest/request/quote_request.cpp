#include "vouchsafe/attest/request/quote_request.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kMaxQuote = 64 << 10;  // bytes of a quote: what TdxQuote::parse takes

}  // namespace

Result<QuoteRequest> QuoteRequest::parse(std::string_view body, size_t max_size) {
    Json json = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(json, ""));
    QuoteRequest out;
    out.quote = TRY(request.bytes("quote", kMaxQuote));
    out.bound = TRY(BoundMembers::parse(request));
    return out;
}

}  // namespace vouchsafe::attest
