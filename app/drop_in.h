// This program in the place of Azure's AttestationClient and AzureAttestSKR: it is one of them when
// it is called by that name, through a link. Their flags, their standard output, their exit code
// for success; for failures docs/run/drop-in-programs.md. Nothing but the result goes to standard
// output.
#pragma once

#include <optional>

namespace vouchsafe::app {

// run_drop_in returns the exit code if argv[0] is the name of one of them. It fills the value of
// AzureAttestSKR's -s in `argv` with zeros.
std::optional<int> run_drop_in(int argc, char** argv);

}  // namespace vouchsafe::app
