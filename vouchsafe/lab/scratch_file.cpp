#include "vouchsafe/lab/scratch_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vouchsafe/base/fd.h"

namespace vouchsafe::lab {

namespace {

// is_so tells whether the file is a regular one with this content and mode.
bool is_so(const Path& path, std::string_view text, int mode) {
    struct stat info {};
    if (::lstat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) return false;
    if ((info.st_mode & 07777) != static_cast<mode_t>(mode)) return false;
    if (static_cast<size_t>(info.st_size) != text.size()) return false;
    auto found = read_text_file(path, text.size());
    return found && *found == text;
}

}  // namespace

Result<void> write_scratch_file(const Path& path, std::string_view text, int mode) {
    if (is_so(path, text, mode)) return {};
    std::string name = path.string() + ".XXXXXX";
    UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return fail_errno("cannot create", path);
    const bool done =
        ::fchmod(fd.get(), static_cast<mode_t>(mode)) == 0 &&
        ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
        ::rename(name.c_str(), path.c_str()) == 0;
    if (done) return {};
    auto error = fail_errno("cannot write", path);
    ::unlink(name.c_str());
    return error;
}

}  // namespace vouchsafe::lab
