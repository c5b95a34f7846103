#include "vouchsafe/attest/request/quote_request.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kMaxQuote = 64 << 10;  // bytes of a quote: what TdxQuote::parse takes

constexpr size_t kEnvelope = 16;  // what stands before a quote in Open Enclave's report

// open_envelope returns the quote in it, which must fill it.
Result<Bytes> open_envelope(ByteView report) {
    constexpr uint32_t kVersion = 1, kRemote = 2;
    Reader in(report, "report");
    uint32_t version = TRY(in.u32_le("version"));
    uint32_t type = TRY(in.u32_le("type"));
    uint64_t size = TRY(in.u64_le("size"));
    if (version != kVersion) return fail(Code::invalid, "report has version {}, not 1", version);
    if (type != kRemote) return fail(Code::invalid, "report is of type {}, not 2 (remote)", type);
    if (size != in.left()) {
        return fail(Code::invalid, "report states {} bytes and has {}", size, in.left());
    }
    return to_bytes(TRY(in.rest("quote")));
}

// parse_quote reads a request whose member `name` has at most `max_evidence` bytes.
Result<QuoteRequest> parse_quote(std::string_view body, size_t max_size, std::string_view name,
                                 size_t max_evidence) {
    Json json = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(json, ""));
    QuoteRequest out;
    out.quote = TRY(request.bytes(name, max_evidence));
    out.bound = TRY(BoundMembers::parse(request));
    return out;
}

}  // namespace

Result<QuoteRequest> QuoteRequest::parse(std::string_view body, size_t max_size) {
    return parse_quote(body, max_size, "quote", kMaxQuote);
}

Result<QuoteRequest> QuoteRequest::parse_open_enclave(std::string_view body, size_t max_size) {
    QuoteRequest out = TRY(parse_quote(body, max_size, "report", kEnvelope + kMaxQuote));
    out.quote = TRY(open_envelope(out.quote));
    return out;
}

}  // namespace vouchsafe::attest
