// What the fuzzers of whole verifications share: recorded files, which alone may be accepted.
#pragma once

#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::fuzz {

inline void require(bool ok) {
    if (!ok) std::abort();
}

inline Bytes recorded(const char* name) {
    return MUST(read_file(Path(VS_SOURCE_DIR) / "tests" / "vectors" / name));
}

// require_reason: a refusal names the check that failed.
template <typename T>
void require_reason(const Result<T>& result) {
    require(result || result.error().reason() != nullptr);
}

}  // namespace vouchsafe::fuzz
