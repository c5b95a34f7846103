// remove_tree removes a folder with all that is in it, whatever the programs did that made it:
// folders in which nobody may write, and folders within folders deeper than a path's length or a
// process' descriptors go. Nothing to remove is no failure. A symbolic link is removed, not
// followed. Nobody may change the folder meanwhile.
#pragma once

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

Result<void> remove_tree(const Path& path);  // Code::forbidden for what is another user's, Code::io

}  // namespace vouchsafe::lab
