// The words of audit entries, for their compression. Private to audit/.
#pragma once

#include <string_view>

namespace vouchsafe::audit {

// It never changes: entries that were stored are opened with it. A better one would be another
// number.
extern const std::string_view kEntryDictionary1;

}  // namespace vouchsafe::audit
