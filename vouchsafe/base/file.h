// Files, the careful way: reads have limits, outputs appear whole or not at all.
#pragma once

#include <filesystem>
#include <string>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe {

using Path = std::filesystem::path;

// fail_errno says what could not be done with `path` and why, as errno has it: Code::not_found,
// Code::conflict, Code::forbidden, else Code::io.
tl::unexpected<Error> fail_errno(std::string_view what, const Path& path);

// read_file reads a whole regular file, pipe or device of at most `max_bytes`. Code::not_found,
// Code::io, or Code::invalid if it is longer.
Result<Bytes> read_file(const Path& path, size_t max_bytes = 64 << 20);
Result<std::string> read_text_file(const Path& path, size_t max_bytes = 1 << 20);

enum class Overwrite { no, yes };

// OutputFile is a file being written. It becomes visible under its name by rename in commit(); if
// it is destroyed before that nothing is left behind. The parent folder must exist.
class OutputFile {
  public:
    // create fails with Code::conflict if the name exists and overwriting was not asked for. It
    // notes the temporary name for remove_unfinished_outputs().
    static Result<OutputFile> create(const Path& path, Overwrite overwrite, int mode = 0644);
    ~OutputFile();
    OutputFile(OutputFile&& other) noexcept;
    OutputFile& operator=(OutputFile&&) = delete;

    Result<void> write(ByteView bytes);
    Result<void> write_at(ByteView bytes, uint64_t offset);
    // commit flushes to disk and renames. With Overwrite::no it fails with Code::conflict if
    // somebody made the file in the meantime.
    Result<void> commit();
    int fd() const { return fd_; }
    const Path& path() const { return path_; }

  private:
    OutputFile() = default;
    Path path_;
    Path temporary_;
    Overwrite overwrite_ = Overwrite::no;
    int fd_ = -1;
};

Result<void> write_file(const Path& path, ByteView bytes, Overwrite overwrite, int mode = 0644);

// remove_unfinished_outputs deletes the temporary names of OutputFiles not yet committed. Safe to
// call from a signal handler: it only calls unlink on names noted before.
void remove_unfinished_outputs() noexcept;

// make_private_dir creates a folder (and its parents) readable by the owner alone. A folder that is
// there already must belong to us (Code::forbidden) and be writable by nobody else; Code::conflict
// if the name is no folder's.
Result<void> make_private_dir(const Path& path);

// FileLock holds an exclusive lock on a file until it is destroyed, also if the process is killed.
// Children that have not come to exec yet do not prolong it, nor does their end shorten it.
class FileLock {
  public:
    // take fails with Code::conflict at once if another process holds the lock.
    static Result<FileLock> take(const Path& path);
    ~FileLock();
    FileLock(FileLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)), taker_(other.taker_) {}
    FileLock& operator=(FileLock&&) = delete;

  private:
    explicit FileLock(int fd);
    int fd_;
    int taker_;  // the process that took it
};

// TemporaryDir is a private folder that is removed with all its content on destruction.
class TemporaryDir {
  public:
    static Result<TemporaryDir> create(std::string_view prefix);
    ~TemporaryDir();
    TemporaryDir(TemporaryDir&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    TemporaryDir& operator=(TemporaryDir&&) = delete;
    const Path& path() const { return path_; }

  private:
    explicit TemporaryDir(Path path) : path_(std::move(path)) {}
    Path path_;
};

// remove_temporary_dirs removes every TemporaryDir that is still there, for an end by signal. Call
// it from an ordinary thread, not from a signal handler.
void remove_temporary_dirs() noexcept;

}  // namespace vouchsafe
