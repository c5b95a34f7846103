#include "vouchsafe/lab/reset.h"

#include <algorithm>

#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/remove_tree.h"

namespace vouchsafe::lab {

namespace {

// What a lab makes in its directory: data_directory.h, running_lab.h, and the second attestation
// service of the demo. Its work is for people, and stays.
constexpr std::string_view kOurs[] = {
    "attestation",       "azure", "cloud", "collateral",    "identity", "machines",
    "other-attestation", "root",  "up",    "user.password", "vault",    "vms"};

bool is_ours(const std::string& name) {
    return std::find(std::begin(kOurs), std::end(kOurs), name) != std::end(kOurs) ||
           name.starts_with("root.");
}

Result<std::vector<Path>> entries_of(const Path& path) {
    std::error_code error;
    std::vector<Path> out;
    for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
        out.push_back(entry.path());
    }
    if (error) return fail(Code::io, "cannot read {}: {}", path.string(), error.message());
    return out;
}

}  // namespace

Result<void> check_resettable(const Path& path) {
    auto kind = DataDirectory::kind_of(path);
    if (!kind && kind.error().code == Code::not_found) {
        return fail(Code::not_found, "there is no lab in {}: nothing to remove", path.string());
    }
    if (TRY(std::move(kind)) == DirectoryKind::lab) return {};
    return fail(Code::invalid, "{} is a production directory: it is not removed by a command",
                path.string());
}

Result<std::vector<std::string>> reset_lab(const Path& path) {
    TRY(check_resettable(path));
    FileLock lock = TRY(FileLock::take(path / "lock"));
    for (const Path& entry : TRY(entries_of(path))) {
        if (is_ours(entry.filename().string())) TRY(remove_tree(entry));
    }
    // The description last: until then this can be done again.
    TRY(remove_tree(path / "directory.json"));
    TRY(remove_tree(path / "lock"));
    std::vector<std::string> left;
    for (const Path& entry : TRY(entries_of(path))) left.push_back(entry.filename().string());
    std::sort(left.begin(), left.end());
    if (left.empty()) TRY(remove_tree(path));
    return left;
}

}  // namespace vouchsafe::lab
