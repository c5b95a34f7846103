#include "vouchsafe/attest/request/bound_data.h"

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/request/azure_guest_request.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kMaxNonce = 1024;  // characters of a request's nonce

Result<std::optional<BoundData>> parse_bound_data(const JsonFields& request,
                                                  std::string_view name) {
    if (TRY(request.find(name)) == nullptr) return std::optional<BoundData>{};
    JsonFields fields = TRY(request.object(name));
    BoundData out;
    out.data = TRY(fields.bytes("data", kMaxRuntimeJson));
    std::string type = TRY(fields.string("dataType", 16));
    if (equal_ignore_case(type, "Binary")) return std::optional<BoundData>{std::move(out)};
    if (!equal_ignore_case(type, "JSON")) {
        return fail(Code::invalid, "{} must be JSON or Binary", fields.path_of("dataType"));
    }
    Json json = TRY(with_context(parse_json_object(as_text(out.data)), fields.path_of("data")));
    out.json = std::make_shared<const Json>(std::move(json));
    return std::optional<BoundData>{std::move(out)};
}

Result<std::optional<std::string>> parse_nonce(const JsonFields& request) {
    const Json* nonce = TRY(request.find("nonce"));
    if (nonce != nullptr && nonce->is_number_integer()) {
        return std::optional<std::string>{dump_json(*nonce)};
    }
    return request.optional_string("nonce", kMaxNonce);
}

}  // namespace

Result<BoundMembers> BoundMembers::parse(const JsonFields& request) {
    BoundMembers out;
    out.runtime_data = TRY(parse_bound_data(request, "runtimeData"));
    out.init_data = TRY(parse_bound_data(request, "initTimeData"));
    out.nonce = TRY(parse_nonce(request));
    out.draft_policy = TRY(parse_draft_policy(request));
    out.challenge = TRY(request.optional_string("challenge", kMaxChallenge));
    return out;
}

}  // namespace vouchsafe::attest
