// A machine's serial console in this terminal.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

// join_console connects standard input and output with the console at the unix socket, until
// Ctrl-] is typed, the input ends where it is no terminal, or the machine does. A terminal is raw
// meanwhile. Code::unavailable if nobody listens.
Result<void> join_console(const Path& socket);

}  // namespace vouchsafe::app
