// How swtpm gets the key under which it stores a TPM's state: through a pipe, whose memory is never
// swapped out; a command line is seen by everybody.
#pragma once

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/secret.h"
#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

// pass_state_key adds to a command line of swtpm where it finds the key, and returns the pipe's end
// that must stay open until the command was started. nullptr: no key, no change, no pipe.
Result<UniqueFd> pass_state_key(Command& command, const SecretBytes* state_key);

}  // namespace vouchsafe::lab
