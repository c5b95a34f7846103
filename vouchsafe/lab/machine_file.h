// machine.json: what a machine's folder says about it. It has no secret; a state key is only said
// to be needed.
#pragma once

#include <string>
#include <string_view>

#include "vouchsafe/lab/machine.h"

namespace vouchsafe::lab {

std::string encode_machine(const MachineIdentity& identity);
// parse_machine fails with Code::invalid. Members that older versions did not write may be absent.
Result<MachineIdentity> parse_machine(std::string_view text);

}  // namespace vouchsafe::lab
