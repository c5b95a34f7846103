// Where bytes to seal or to open come from: memory, a file, or a pipe.
#pragma once

#include <memory>
#include <optional>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::seal {

// Source is a run of bytes that is read by offset. Reading needs no more memory than is asked for.
class Source {
  public:
    virtual ~Source() = default;

    // size returns the number of bytes if it is known before reading (memory, regular files).
    // A source that knows its size may be read from several threads, at any offset. One that does
    // not (a pipe) is read by one thread at a time and never at an offset lower than before.
    virtual std::optional<uint64_t> size() const = 0;

    // read_at returns `count` bytes from `offset`, fewer only where the source ends. They are
    // either the source's own memory or `scratch`, which must hold `count` bytes, and stay valid as
    // long as those. Fails with Code::io.
    virtual Result<ByteView> read_at(uint64_t offset, size_t count, MutableByteView scratch) = 0;

    // in_memory tells that read_at never uses `scratch`, which may then be empty.
    virtual bool in_memory() const { return false; }
};

// MemorySource borrows its bytes.
class MemorySource : public Source {
  public:
    explicit MemorySource(ByteView bytes) : bytes_(bytes) {}
    std::optional<uint64_t> size() const override { return bytes_.size(); }
    Result<ByteView> read_at(uint64_t offset, size_t count, MutableByteView scratch) override;
    bool in_memory() const override { return true; }

  private:
    ByteView bytes_;
};

// FileSource reads a file, or anything else that can be opened and read to its end.
class FileSource : public Source {
  public:
    // open fails with Code::not_found, forbidden or io. "-" is standard input. A folder is refused.
    static Result<std::unique_ptr<FileSource>> open(const Path& path);
    ~FileSource() override;
    FileSource(const FileSource&) = delete;
    FileSource& operator=(const FileSource&) = delete;

    std::optional<uint64_t> size() const override { return size_; }
    Result<ByteView> read_at(uint64_t offset, size_t count, MutableByteView scratch) override;

  private:
    FileSource(int fd, bool owned, Path path) : fd_(fd), owned_(owned), path_(std::move(path)) {}
    Result<size_t> read_some(uint64_t offset, MutableByteView out);
    Result<void> look_ahead(uint64_t offset, size_t count);

    int fd_;
    bool owned_;
    Path path_;
    std::optional<uint64_t> size_;
    // What was read of a pipe and is still wanted: `ahead_` starts at offset `ahead_at_`. Secret
    // because a pipe may carry the plaintext to be sealed.
    SecretPages ahead_;
    size_t ahead_size_ = 0;
    uint64_t ahead_at_ = 0;
    bool ended_ = false;
};

}  // namespace vouchsafe::seal
