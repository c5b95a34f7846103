// Evidence bundles (docs/formats/bundle.md): what a verdict rests on, in one file. Nothing in a
// bundle is believed: it is input for a verification like any other.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::evidence {

inline constexpr size_t kMaxBundle = 48 << 20;
inline constexpr size_t kMaxBundleFiles = 64;
inline constexpr size_t kMaxBundleValues = 1 << 19;  // JSON values altogether

struct BundleFile {
    std::string name;  // for people; never a path
    Bytes bytes;
};

struct Bundle {
    std::string made_by;
    std::string kind;
    Time time;
    std::map<std::string, std::vector<std::string>> rules;  // by name of the option
    std::map<std::string, std::vector<BundleFile>> files;   // the same
    Json verdict;

    // parse is strict: no other members, at most kMaxBundle bytes and kMaxBundleFiles files, names
    // of options of small letters, digits and hyphens. Fails with Code::invalid.
    static Result<Bundle> parse(std::string_view json);
    std::string encode() const;
};

// compare_verdicts requires that everything in `recorded` is in `now` (docs/formats/bundle.md,
// "Comparing"): BUNDLE-VERDICT, whose field is the path of the first difference.
Result<void> compare_verdicts(const Json& recorded, const Json& now, Checks& checks);

}  // namespace vouchsafe::evidence
