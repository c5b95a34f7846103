// The parts of `vault`: explanations, and release rules.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

void add_vault_rules(Command group, Context& context);

}  // namespace vouchsafe::app
