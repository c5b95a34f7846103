// Commands about the inside of the virtual machines that a running lab has.
#pragma once

#include "app/context.h"
#include "vouchsafe/lab/vm_list.h"

namespace vouchsafe::app {

// add_vm_inside adds shell, cp and connect to the group `vm`.
void add_vm_inside(Command group, Context& context);

// exec_inside runs a command in a machine of the running lab in `lab` and returns its exit code.
Result<int> exec_inside(const Path& lab, const lab::ListedVm& machine,
                        const std::vector<std::string>& argv);

}  // namespace vouchsafe::app
