// What opening any sealed file starts with, and the machine that hands its frames to threads.
// Private to seal/.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>

#include "vouchsafe/seal/frame.h"
#include "vouchsafe/seal/open.h"

namespace vouchsafe::seal {

// OpenSession is a sealed file whose header is verified: the right key is known, the commitment and
// the header's tag held, the context is the wanted one.
class OpenSession {
  public:
    static Result<OpenSession> start(Source& source, const UnwrapKey& unwrap,
                                     const OpenOptions& options, Checks& checks);

    const SealedHeader& header() const { return header_; }
    SealedHeader take_header() { return std::move(header_); }
    // layout is known if the size of the source is; the final frame was seen where it says.
    const std::optional<Layout>& layout() const { return layout_; }
    Result<FrameCipher> cipher() const {
        return FrameCipher::create(key_.expose(), header_.message_id);
    }
    // threads returns how many threads are worth starting.
    unsigned threads() const { return threads_; }

  private:
    OpenSession() = default;
    SealedHeader header_;
    std::optional<Layout> layout_;
    SecretBytes key_;  // the derived one
    unsigned threads_ = 1;
};

// SealedFeed hands out the runs of a sealed file in order. Threads bring scratch memory
// of their own and get a run with its sealed bytes; nothing comes after the run with the final
// frame.
class SealedFeed {
  public:
    struct Item {
        Run run;
        ByteView sealed;  // run.sealed_size() bytes, in `scratch` or in the source
    };

    SealedFeed(Source& source, const OpenSession& session);

    // scratch_size returns what both need; 0 for a source in memory.
    size_t scratch_size() const { return scratch_size_; }
    // claim takes the next run; nullopt when there is nothing left. load then fetches its sealed
    // bytes if claim did not have to. Both are thread-safe. Errors: io, SEAL-TRUNCATED.
    Result<std::optional<Item>> claim(MutableByteView scratch);
    Result<void> load(Item& item, MutableByteView scratch);

  private:
    Result<std::optional<Item>> claim_unknown(MutableByteView scratch);

    Source& source_;
    std::optional<Layout> layout_;
    uint32_t frame_length_;
    uint64_t body_offset_;
    size_t scratch_size_ = 0;
    std::mutex mutex_;
    uint64_t next_ = 0;
    bool done_ = false;
};

// add_refusal records the check of an error that stands alone (frame.h) and returns the error with
// all checks; other errors come back as they are.
tl::unexpected<Error> add_refusal(Checks& checks, Error error);
// add_success records that all frames held and that the file ended as it must.
void add_success(Checks& checks, uint64_t frames);

// RunVisitor gets a run, its sealed bytes, the thread's cipher and the thread's number.
using RunVisitor = std::function<Result<void>(const Run&, ByteView sealed, FrameCipher&, unsigned)>;

// visit_runs calls `visit` for every run of the body, on session.threads() threads, and records
// the outcome in `checks`. The error is that of the lowest run; `on_failure`, if there is one, is
// called with its number as soon as a run fails, by its thread.
Result<void> visit_runs(Source& source, const OpenSession& session, const RunVisitor& visit,
                        const std::function<void(uint64_t)>& on_failure, Checks& checks);

}  // namespace vouchsafe::seal
