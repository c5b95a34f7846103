// How handlers are called, by servers and by routers. Private to net/.
#pragma once

#include <exception>
#include <string_view>
#include <type_traits>
#include <typeinfo>

#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

// threw_response is 500 for a handler that threw. The log has the exception's type, under the
// request id if a router gave the request one.
Response threw_response(const Request& request, std::string_view exception_type);

// guarded is what `work` returns for the request, or 500 without the text of what it throws.
template <typename Work>
std::invoke_result_t<Work> guarded(const Request& request, const Work& work) {
    try {
        return work();
    } catch (const std::exception& error) {
        return threw_response(request, typeid(error).name());
    } catch (...) {
        return threw_response(request, "unknown");
    }
}

// call_handler is guarded for the whole of a handler.
Response call_handler(const Handler& handler, const Request& request);

}  // namespace vouchsafe::net
