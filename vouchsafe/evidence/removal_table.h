// What the check-removal tests of this module share: base/removal_table.h and the recorded vectors.
#pragma once

#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence::testing {

using namespace vouchsafe::testing;

}  // namespace vouchsafe::evidence::testing
