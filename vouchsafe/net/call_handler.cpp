#include "vouchsafe/net/call_handler.h"

#include <typeinfo>

#include "vouchsafe/base/log.h"

namespace vouchsafe::net {

Response call_handler(const Handler& handler, const Request& request) {
    std::string type = "unknown";
    try {
        return handler(request);
    } catch (const std::exception& error) {
        type = typeid(error).name();
    } catch (...) {
    }
    const auto id = request.params.find("request_id");
    const bool routed = id != request.params.end();
    log_event(LogLevel::error, "a handler threw an exception",
              {{"request_id", routed ? id->second : ""},
               {"method", request.method},
               {"exception_type", type}});
    return error_response(500, code_info(Code::internal).azure_code,
                          routed ? "The service failed. Its log has more under the request id."
                                 : "The service failed.");
}

}  // namespace vouchsafe::net
