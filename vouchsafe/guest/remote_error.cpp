#include "vouchsafe/guest/remote_error.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::guest {

namespace {

constexpr size_t kMaxText = 300;

std::string tidy(std::string_view text) {
    std::string out;
    for (char c : text.substr(0, kMaxText)) out += c < ' ' || c > '~' ? ' ' : c;
    return out;
}

std::string text_member(const Json& object, std::string_view name) {
    const Json* member = find_member_ignore_case(object, name);
    return member != nullptr && member->is_string() ? tidy(member->get<std::string>()) : "";
}

Code code_of_status(int status) {
    switch (status) {
        case 400:
            return Code::bad_evidence;
        case 401:
            return Code::unauthenticated;
        case 403:
            return Code::forbidden;
        case 404:
            return Code::not_found;
        case 409:
            return Code::conflict;
        case 501:
            return Code::unsupported;
        default:
            return status >= 500 || status == 429 ? Code::unavailable : Code::invalid;
    }
}

}  // namespace

Error remote_error(std::string_view service, const net::ClientResponse& response) {
    std::string code;
    std::string message;
    std::string inner = tidy(response.headers.get("x-vouchsafe-check"));
    auto body = parse_json(response.body);
    if (body) {
        const Json* error = find_member_ignore_case(*body, "error");
        if (error != nullptr && error->is_object()) {
            code = text_member(*error, "code");
            message = text_member(*error, "message");
            const Json* innererror = find_member_ignore_case(*error, "innererror");
            if (inner.empty() && innererror != nullptr) inner = text_member(*innererror, "code");
        } else {
            code = text_member(*body, "error");
            message = text_member(*body, "error_description");
        }
    }
    Error out;
    out.code = code_of_status(response.status);
    out.request_id = tidy(response.headers.get("x-ms-request-id"));
    out.message =
        fmt::format("{} answered {}{}{}", service, response.status, code.empty() ? "" : " " + code,
                    message.empty() ? "" : ": " + message);
    // A service tells which check said no, but not what it compared: that stays with its owner.
    const CheckInfo* info = find_check_info(inner);
    if (info != nullptr) out.checks.push_back({inner, std::string(service), "", "", false});
    return out;
}

}  // namespace vouchsafe::guest
