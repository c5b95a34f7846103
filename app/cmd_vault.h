// The parts of `vault`: explanations, release rules, and the root key.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

void add_vault_rules(Command group, Context& context);
void add_vault_root(Command group, Context& context);

}  // namespace vouchsafe::app
