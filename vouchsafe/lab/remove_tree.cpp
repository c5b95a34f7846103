#include "vouchsafe/lab/remove_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "vouchsafe/base/fd.h"

namespace vouchsafe::lab {

namespace {

constexpr unsigned kDeep = 32;  // folders that are open at once
constexpr int kFolder = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

struct FolderClose {
    void operator()(DIR* folder) const { ::closedir(folder); }
};
using Folder = std::unique_ptr<DIR, FolderClose>;

bool is_dots(const char* name) {
    return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

// TreeEmptier empties the folder `top`. errno says why it cannot.
class TreeEmptier {
  public:
    explicit TreeEmptier(int top) : top_(top) {}

    // empty empties a folder. What lies too deep below it is moved up into the top one.
    bool empty(int fd, unsigned depth) {
        UniqueFd own(::openat(fd, ".", kFolder));
        Folder folder(own ? ::fdopendir(own.get()) : nullptr);
        if (!folder) return false;
        own.release();
        for (;;) {
            errno = 0;
            const dirent* entry = ::readdir(folder.get());
            if (entry == nullptr) return errno == 0;
            if (!is_dots(entry->d_name) && !remove(fd, entry->d_name, depth)) return false;
        }
    }
    // moved tells, once, whether there is more in the top folder than was seen.
    bool moved() { return std::exchange(moved_, false); }

  private:
    bool remove(int parent, const char* name, unsigned depth) {
        if (::unlinkat(parent, name, 0) == 0) return true;
        if (errno != EISDIR) return false;
        // Its owner may have taken his own rights to it away.
        if (::fchmodat(parent, name, 0700, 0) != 0) return false;
        if (depth >= kDeep) return move_up(parent, name);
        const UniqueFd folder(::openat(parent, name, kFolder));
        return folder && empty(folder.get(), depth + 1) &&
               ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
    }
    bool move_up(int parent, const char* name) {
        for (;; ++next_) {
            const std::string free = "moved-up-" + std::to_string(next_);
            if (::renameat2(parent, name, top_, free.c_str(), RENAME_NOREPLACE) == 0) break;
            if (errno != EEXIST) return false;
        }
        moved_ = true;
        return true;
    }

    int top_;
    unsigned next_ = 0;
    bool moved_ = false;
};

}  // namespace

Result<void> remove_tree(const Path& path) {
    if (::unlink(path.c_str()) == 0 || errno == ENOENT) return {};
    if (errno != EISDIR) return fail_errno("cannot remove", path);
    if (::chmod(path.c_str(), 0700) != 0) return fail_errno("cannot remove", path);
    const UniqueFd top(::open(path.c_str(), kFolder));
    if (!top) return fail_errno("cannot open", path);
    TreeEmptier emptier(top.get());
    do {
        if (!emptier.empty(top.get(), 0)) return fail_errno("cannot remove what is in", path);
    } while (emptier.moved());
    if (::rmdir(path.c_str()) != 0) return fail_errno("cannot remove", path);
    return {};
}

}  // namespace vouchsafe::lab
