// Tunnels of a proxy: bytes between a client and a real host, not looked at. Private to net/.
#pragma once

#include "vouchsafe/net/connection.h"

namespace vouchsafe::net {

// connect_upstream opens `upstream` of the connection. False: nobody is there, or not in time.
Awaitable<bool> connect_upstream(ConnectionPtr connection, std::string host, std::string port);

// run_tunnel carries bytes both ways until both ends are done, one fails, or nothing moves for
// `idle`. An end that takes no more still says what it has to say.
Awaitable<void> run_tunnel(ConnectionPtr connection, Milliseconds idle);

}  // namespace vouchsafe::net
