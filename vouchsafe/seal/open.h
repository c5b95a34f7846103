// Opening the native format (header.h) into memory, on every core.
#pragma once

#include "vouchsafe/seal/keys.h"
#include "vouchsafe/seal/source.h"

namespace vouchsafe::seal {

struct OpenOptions {
    // Entries the encryption context must have, with these values (check SEAL-CONTEXT). It may have
    // more.
    EncryptionContext required_context;
    unsigned threads = 0;  // 0: one per core
};

// Opened is plaintext whose every tag held. Only this module can make one.
class Opened {
  public:
    ByteView expose() const { return pages_.expose(); }
    const EncryptionContext& context() const { return context_; }  // empty for the pair format
    size_t size() const { return pages_.size(); }

  private:
    friend class OpenedMaker;
    Opened(SecretPages pages, EncryptionContext context)
        : pages_(std::move(pages)), context_(std::move(context)) {}
    SecretPages pages_;
    EncryptionContext context_;
};

// open_to_pages opens all of a sealed file. Nothing is given out unless everything held: header,
// key commitment, every frame, the end. Beside the result it needs a few frames of memory (a pipe,
// whose size is not known, is first read whole, still sealed).
// Refusals carry a check: SEAL-FORMAT, SEAL-SUITE, SEAL-HEADER, SEAL-KEY, SEAL-COMMITMENT,
// SEAL-HEADER-TAG, SEAL-CONTEXT, SEAL-FRAME, SEAL-TAG, SEAL-TRUNCATED. Errors of `unwrap` other
// than not_found come back as they are.
Result<Opened> open_to_pages(Source& in, const UnwrapKey& unwrap, const OpenOptions& options,
                             Checks& checks);

// open_bytes is open_to_pages from memory.
Result<Opened> open_bytes(ByteView sealed, const UnwrapKey& unwrap, const OpenOptions& options,
                          Checks& checks);

// open_into writes the plaintext of `sealed` to `out`, which must be at least as long as `sealed`
// is, and returns its size. If anything fails `out` is wiped.
Result<size_t> open_into(ByteView sealed, const UnwrapKey& unwrap, const OpenOptions& options,
                         MutableByteView out, Checks& checks);

}  // namespace vouchsafe::seal
