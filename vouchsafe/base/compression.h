// Compression of short texts that resemble each other: Zstandard (RFC 8878) with a dictionary, a
// text of which they repeat much. The door to libzstd.
#pragma once

#include <memory>
#include <string_view>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe {

// CompressionDictionary is a raw content dictionary (RFC 8878, section 5). What was compressed with
// one is opened with the very same only: a dictionary never changes. Thread-safe. Each thread that
// compresses keeps some 100 KiB of work memory until it ends.
class CompressionDictionary {
  public:
    explicit CompressionDictionary(std::string_view content);
    ~CompressionDictionary();
    CompressionDictionary(const CompressionDictionary&) = delete;
    CompressionDictionary& operator=(const CompressionDictionary&) = delete;

    // compress makes one frame that tells its content's size and has no checksum.
    Bytes compress(ByteView content) const;
    // decompress opens what is one such frame and nothing else. Code::invalid if it is not, or if
    // its content has more than `max` bytes, for which no memory is taken then.
    Result<Bytes> decompress(ByteView frame, size_t max) const;

  private:
    struct Tables;
    std::unique_ptr<const Tables> tables_;
};

}  // namespace vouchsafe
