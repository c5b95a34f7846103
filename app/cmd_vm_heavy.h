// vm, the part about heavy machines: those that QEMU boots.
#pragma once

#include "app/context.h"

namespace vouchsafe::app {

// HeavyChoice is what `vm create` says of a machine's tier.
struct HeavyChoice {
    std::string tier = "light";
    std::vector<std::string> ssh_keys;  // files with public keys
};
void add_heavy_choice(Command create, HeavyChoice& choice);
// read_choice reads the keys' files: before anything is made. make_heavy notes the choice in the
// folder of a machine that was just made.
Result<std::vector<std::string>> read_choice(const HeavyChoice& choice);
Result<void> make_heavy(const Path& machine, const std::vector<std::string>& keys);
bool is_made_heavy(const Path& machine);

// add_heavy_commands adds start, stop, ssh, console and image.
void add_heavy_commands(Command group, Context& context);

}  // namespace vouchsafe::app
