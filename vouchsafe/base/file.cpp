#include "vouchsafe/base/file.h"

#include "vouchsafe/base/secret.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <set>

namespace vouchsafe {

namespace {

Code code_of_errno(int number) {
    switch (number) {
        case ENOENT:
        case ENOTDIR:
            return Code::not_found;
        case EEXIST:
            return Code::conflict;
        case EACCES:
        case EPERM:
            return Code::forbidden;
        default:
            return Code::io;
    }
}

// Names of outputs not yet committed, kept in plain memory that a signal handler may read.
constexpr size_t kMaxOutputs = 32;
constexpr size_t kMaxPath = 4096;
struct Slot {
    std::atomic<int> state{0};  // 0 free, 1 being filled, 2 in use
    char path[kMaxPath];
};
std::array<Slot, kMaxOutputs> g_outputs;

void note_output(const std::string& path) {
    if (path.size() + 1 > kMaxPath) return;
    for (Slot& slot : g_outputs) {
        int free = 0;
        if (!slot.state.compare_exchange_strong(free, 1)) continue;
        std::memcpy(slot.path, path.c_str(), path.size() + 1);
        slot.state = 2;
        return;
    }
}

void forget_output(const std::string& path) {
    for (Slot& slot : g_outputs) {
        if (slot.state == 2 && path == slot.path) {
            slot.state = 0;
            return;
        }
    }
}

// Live temporary folders, for remove_temporary_dirs.
std::mutex& temporary_mutex() {
    static auto* mutex = new std::mutex;
    return *mutex;
}
std::set<Path>& temporary_dirs() {
    static auto* dirs = new std::set<Path>;
    return *dirs;
}

// sync_folder makes a rename last through a power failure, where the file system can do that.
void sync_folder(const Path& folder) {
    int fd = ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    ::fsync(fd);
    ::close(fd);
}

Result<void> write_all(int fd, ByteView bytes, const Path& path) {
    while (!bytes.empty()) {
        ssize_t count = ::write(fd, bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot write", path);
        bytes = bytes.subspan(static_cast<size_t>(count));
    }
    return {};
}

}  // namespace

tl::unexpected<Error> fail_errno(std::string_view what, const Path& path) {
    int number = errno;
    return fail(code_of_errno(number), "{} {}: {}", what, path.string(), std::strerror(number));
}

Result<Bytes> read_file(const Path& path, size_t max_bytes) {
    int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno("cannot open", path);
    Bytes out;
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        out.reserve(std::min(static_cast<size_t>(info.st_size), max_bytes) + 1);
    }
    std::array<uint8_t, 65536> chunk;
    while (true) {
        ssize_t count = ::read(fd, chunk.data(), chunk.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) {
            auto error = fail_errno("cannot read", path);
            ::close(fd);
            return error;
        }
        if (count == 0) break;
        const auto got = MutableByteView(chunk).first(static_cast<size_t>(count));
        append(out, got);
        wipe(got);  // it may be a secret, and the stack is nobody's
        if (out.size() > max_bytes) {
            ::close(fd);
            return fail(Code::invalid, "{} is longer than the limit of {} bytes", path.string(),
                        max_bytes);
        }
    }
    ::close(fd);
    return out;
}

Result<std::string> read_text_file(const Path& path, size_t max_bytes) {
    return to_text(TRY(read_file(path, max_bytes)));
}

Result<OutputFile> OutputFile::create(const Path& path, Overwrite overwrite, int mode) {
    std::error_code ignored;
    if (overwrite == Overwrite::no && std::filesystem::exists(path, ignored)) {
        return fail(Code::conflict, "{} exists; give another name or --force to replace it",
                    path.string());
    }
    OutputFile out;
    out.path_ = path;
    out.overwrite_ = overwrite;
    std::string name = path.string() + ".XXXXXX";
    out.fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (out.fd_ < 0) return fail_errno("cannot create", path);
    out.temporary_ = name;
    note_output(name);
    if (::fchmod(out.fd_, static_cast<mode_t>(mode)) != 0) {
        return fail_errno("cannot set the mode of", path);
    }
    return out;
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)),
      temporary_(std::exchange(other.temporary_, {})),
      overwrite_(other.overwrite_),
      fd_(std::exchange(other.fd_, -1)) {}

OutputFile::~OutputFile() {
    if (fd_ >= 0) ::close(fd_);
    if (temporary_.empty()) return;
    ::unlink(temporary_.c_str());
    forget_output(temporary_);
}

Result<void> OutputFile::write(ByteView bytes) {
    return write_all(fd_, bytes, path_);
}

Result<void> OutputFile::write_at(ByteView bytes, uint64_t offset) {
    while (!bytes.empty()) {
        ssize_t count = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot write", path_);
        bytes = bytes.subspan(static_cast<size_t>(count));
        offset += static_cast<uint64_t>(count);
    }
    return {};
}

Result<void> OutputFile::commit() {
    if (::fsync(fd_) != 0) return fail_errno("cannot flush", path_);
    // link fails if the name exists, so nobody's file is replaced by accident.
    int done = overwrite_ == Overwrite::yes ? ::rename(temporary_.c_str(), path_.c_str())
                                            : ::link(temporary_.c_str(), path_.c_str());
    if (done != 0) return fail_errno("cannot create", path_);
    if (overwrite_ == Overwrite::no) ::unlink(temporary_.c_str());
    forget_output(temporary_);
    temporary_.clear();
    ::close(std::exchange(fd_, -1));
    sync_folder(path_.parent_path());
    return {};
}

Result<void> write_file(const Path& path, ByteView bytes, Overwrite overwrite, int mode) {
    OutputFile file = TRY(OutputFile::create(path, overwrite, mode));
    TRY(file.write(bytes));
    return file.commit();
}

void remove_unfinished_outputs() noexcept {
    for (Slot& slot : g_outputs) {
        if (slot.state == 2) ::unlink(slot.path);
    }
}

Result<void> make_private_dir(const Path& path) {
    std::error_code error;
    if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path(), error);
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    if (errno != EEXIST) return fail_errno("cannot create the folder", path);
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return fail_errno("cannot read", path);
    if (!S_ISDIR(info.st_mode)) {
        return fail(Code::conflict, "{} exists and is no folder", path.string());
    }
    if (info.st_uid != ::geteuid()) {
        return fail(Code::forbidden,
                    "the folder {} belongs to another user, who could replace what is in it",
                    path.string());
    }
    if ((info.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fail(Code::forbidden,
                    "others may write to the folder {}: chmod go-w, or another one", path.string());
    }
    return {};
}

Result<FileLock> FileLock::take(const Path& path) {
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return fail_errno("cannot open the lock", path);
    if (::flock(fd, LOCK_EX | LOCK_NB) == 0) return FileLock(fd);
    bool held = errno == EWOULDBLOCK;
    auto error = fail_errno("cannot lock", path);
    ::close(fd);
    if (!held) return error;
    return fail(Code::conflict, "{} is in use by another vouchsafe process",
                path.parent_path().string());
}

FileLock::FileLock(int fd) : fd_(fd), taker_(::getpid()) {}

FileLock::~FileLock() {
    if (fd_ < 0) return;
    // A child that was just made has the file open too, and closing ours would not end the lock.
    if (taker_ == ::getpid()) ::flock(fd_, LOCK_UN);
    ::close(fd_);
}

Result<TemporaryDir> TemporaryDir::create(std::string_view prefix) {
    std::error_code error;
    Path base = std::filesystem::temp_directory_path(error);
    if (error) base = "/tmp";
    std::string name = (base / (std::string(prefix) + "-XXXXXX")).string();
    if (::mkdtemp(name.data()) == nullptr) return fail_errno("cannot create a folder in", base);
    std::lock_guard lock(temporary_mutex());
    temporary_dirs().insert(name);
    return TemporaryDir(name);
}

TemporaryDir::~TemporaryDir() {
    if (path_.empty()) return;
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
    std::lock_guard lock(temporary_mutex());
    temporary_dirs().erase(path_);
}

void remove_temporary_dirs() noexcept {
    std::lock_guard lock(temporary_mutex());
    for (const Path& dir : temporary_dirs()) {
        std::error_code error;
        // Another thread may still be writing into it: what it adds meanwhile is removed as well.
        for (int tries = 0; tries < 5; ++tries) {
            std::filesystem::remove_all(dir, error);
            if (!error) break;
        }
    }
}

}  // namespace vouchsafe
