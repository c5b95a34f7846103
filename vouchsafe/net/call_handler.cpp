#include "vouchsafe/net/call_handler.h"

#include "vouchsafe/base/log.h"

namespace vouchsafe::net {

Response threw_response(const Request& request, std::string_view exception_type) {
    const auto id = request.params.find("request_id");
    const bool routed = id != request.params.end();
    log_event(LogLevel::error, "a handler threw an exception",
              {{"request_id", routed ? id->second : ""},
               {"method", request.method},
               {"exception_type", exception_type}});
    return error_response(500, code_info(Code::internal).azure_code,
                          routed ? "The service failed. Its log has more under the request id."
                                 : "The service failed.");
}

Response call_handler(const Handler& handler, const Request& request) {
    return guarded(request, [&] { return handler(request); });
}

}  // namespace vouchsafe::net
