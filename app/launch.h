// Other programs in the place of this one, and this one anew.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "vouchsafe/base/file.h"

namespace vouchsafe::app {

// become replaces this process by the command, with these variables beside its own. It returns only
// if that fails: the exit code that a shell would give, after saying why.
int become(const std::vector<std::string>& words,
           const std::vector<std::pair<std::string, std::string>>& variables = {});

// run_child runs a command as a child of this process with these standard streams, which it
// borrows, and returns its exit code; 128 + N if signal N ended it. Code::unavailable without the
// program.
Result<int> run_child(const std::vector<std::string>& words, int in, int out, int err);

// spawn_detached starts this program anew, in a session of its own, without anything of ours but
// the environment. What it prints goes to `console`.
Result<pid_t> spawn_detached(const std::vector<std::string>& words, const Path& console);

}  // namespace vouchsafe::app
