// Files that a lab makes anew whenever it needs them: settings of a machine's inside, lists for
// other processes. Flushing each to the disk would take more time than all else in making a
// machine.
#pragma once

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

// write_scratch_file replaces a file's content, whole or not at all for who looks meanwhile.
// Nothing is written if it is so already. After a power failure the file may be empty: write it
// again before it is used. Code::io and others of fail_errno.
Result<void> write_scratch_file(const Path& path, std::string_view text, int mode);

}  // namespace vouchsafe::lab
