// How handlers are called, by servers and by routers. Private to net/.
#pragma once

#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

// call_handler turns what a handler throws into 500 without its text. The log has the exception's
// type, under the request id if a router gave the request one.
Response call_handler(const Handler& handler, const Request& request);

}  // namespace vouchsafe::net
