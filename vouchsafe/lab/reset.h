// Removing a lab from its directory.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

// check_resettable fails with Code::not_found if `path` is no data directory and Code::invalid if
// it is a production directory. A lab whose keys are damaged is one all the same.
Result<void> check_resettable(const Path& path);

// reset_lab removes what the lab made in its directory, and the directory if nothing else is in it.
// It returns the names of what is left: files of other people's. Errors of check_resettable, and
// Code::conflict while another process uses the lab. What was interrupted can be done again.
Result<std::vector<std::string>> reset_lab(const Path& path);

}  // namespace vouchsafe::lab
