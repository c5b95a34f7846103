#include "vouchsafe/seal/source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace vouchsafe::seal {

Result<ByteView> MemorySource::read_at(uint64_t offset, size_t count, MutableByteView) {
    if (offset >= bytes_.size()) return ByteView{};
    size_t start = static_cast<size_t>(offset);
    return bytes_.subspan(start, std::min(count, bytes_.size() - start));
}

Result<std::unique_ptr<FileSource>> FileSource::open(const Path& path) {
    bool standard_input = path == "-";
    int fd = standard_input ? STDIN_FILENO : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return fail_errno("cannot open", path);
    std::unique_ptr<FileSource> out(
        new FileSource(fd, !standard_input, standard_input ? Path("standard input") : path));
    struct stat info {};
    if (::fstat(fd, &info) != 0) return fail_errno("cannot read", out->path_);
    if (S_ISDIR(info.st_mode)) return fail(Code::io, "{} is a folder", path.string());
    // Standard input may be a regular file that was partly read already: take it as a pipe.
    if (S_ISREG(info.st_mode) && !standard_input) out->size_ = info.st_size;
    return out;
}

FileSource::~FileSource() {
    if (owned_) ::close(fd_);
}

// Reads until `out` is full or the input ends.
Result<size_t> FileSource::read_some(uint64_t offset, MutableByteView out) {
    size_t done = 0;
    while (done < out.size()) {
        ssize_t count = size_ ? ::pread(fd_, out.data() + done, out.size() - done,
                                        static_cast<off_t>(offset + done))
                              : ::read(fd_, out.data() + done, out.size() - done);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_errno("cannot read", path_);
        if (count == 0) break;
        done += static_cast<size_t>(count);
    }
    return done;
}

// Makes ahead_ hold what there is of `count` bytes from `offset` of a pipe.
Result<void> FileSource::look_ahead(uint64_t offset, size_t count) {
    size_t passed = static_cast<size_t>(std::min<uint64_t>(offset - ahead_at_, ahead_size_));
    MutableByteView bytes = ahead_.expose_mutable();
    if (passed > 0) {
        std::memmove(bytes.data(), bytes.data() + passed, ahead_size_ - passed);
        ahead_size_ -= passed;
        ahead_at_ += passed;
    }
    if (ended_ || ahead_size_ >= count) return {};
    if (ahead_.size() < count) TRY(ahead_.grow(count));
    bytes = ahead_.expose_mutable().first(count).subspan(ahead_size_);
    size_t got = TRY(read_some(0, bytes));
    ended_ = got < bytes.size();
    ahead_size_ += got;
    return {};
}

Result<ByteView> FileSource::read_at(uint64_t offset, size_t count, MutableByteView scratch) {
    if (size_) {
        size_t got = TRY(read_some(offset, scratch.first(count)));
        return scratch.first(got);
    }
    TRY(look_ahead(offset, count));
    size_t got = std::min(count, ahead_size_);
    if (got > 0) std::memcpy(scratch.data(), ahead_.expose().data(), got);
    return scratch.first(got);
}

}  // namespace vouchsafe::seal
