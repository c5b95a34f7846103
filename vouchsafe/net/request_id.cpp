#include "vouchsafe/net/request_id.h"

namespace vouchsafe::net {

namespace {

constexpr size_t kMaxClientRequestId = 128;

std::string sanitised_client_id(const Headers& request) {
    std::string out;
    for (char c : request.get("x-ms-client-request-id")) {
        if (c > ' ' && c < 0x7f) out += c;
        if (out.size() == kMaxClientRequestId) break;
    }
    return out;
}

}  // namespace

void echo_client_id(const Headers& request, Response& response) {
    std::string client_id = sanitised_client_id(request);
    if (!client_id.empty()) response.headers.set("x-ms-client-request-id", std::move(client_id));
}

void identify(const Headers& request, std::string_view request_id, Response& response) {
    if (response.headers.find("x-ms-request-id") == nullptr) {
        response.headers.set("x-ms-request-id", std::string(request_id));
    }
    echo_client_id(request, response);
}

}  // namespace vouchsafe::net
