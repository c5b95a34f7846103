// Opening the native format piece by piece: for data that shall never be in memory as a whole.
//
//     auto reader = TRY(SealedReader::open(source, unwrap, {}, checks));
//     while (auto chunk = TRY(reader.next_chunk())) use(*chunk);
//     // here, and only here, it is known that the file was complete
#pragma once

#include "vouchsafe/seal/open.h"

namespace vouchsafe::seal {

class SealedReader {
  public:
    // open checks the header, unwraps the data key and checks the commitment and the header's tag.
    // If the size of `source` is known, it also looks whether the final frame is where it should
    // be. Borrows `source` and `checks` for the reader's life. Errors as in open_to_pages.
    static Result<SealedReader> open(Source& source, const UnwrapKey& unwrap,
                                     const OpenOptions& options, Checks& checks);
    SealedReader(SealedReader&&) noexcept;
    SealedReader& operator=(SealedReader&&) noexcept;
    ~SealedReader();  // wipes everything opened

    // header returns the header, whose tag was checked.
    const SealedHeader& header() const;
    // plaintext_size returns the exact number of bytes to come, if the size of the source is known.
    std::optional<uint64_t> plaintext_size() const;

    // next_chunk returns the next plaintext in order, one or more whole frames, every tag checked;
    // it is valid until the next call. nullopt says that the file ended properly: whoever acts on
    // the data before that acts on a prefix. Meanwhile other threads open what follows. After an
    // error every call fails.
    Result<std::optional<ByteView>> next_chunk();

    // ChunkVisitor gets the chunk's place in the order (0, 1, 2 ...), its plaintext, which is valid
    // only during the call, and the number of the calling thread, below thread_count().
    using ChunkVisitor =
        std::function<Result<void>(uint64_t number, ByteView plaintext, unsigned thread)>;

    // visit_chunks opens the whole file and calls `visit` for every chunk from several threads at
    // once: chunks are handed out in order, but may be finished in any. Success means that the file
    // ended properly and no visitor failed; otherwise the error is that of the lowest chunk. A
    // visitor may wait for those of lower chunks, if `on_failure` frees it: that is called at once,
    // from any thread, with the number of a chunk that failed. Instead of next_chunk, not mixed.
    Result<void> visit_chunks(const ChunkVisitor& visit,
                              const std::function<void(uint64_t number)>& on_failure = {});

    // chunk_limit returns the largest size a chunk can have, thread_count the number of threads
    // visit_chunks uses.
    size_t chunk_limit() const;
    unsigned thread_count() const;

  private:
    struct State;
    explicit SealedReader(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace vouchsafe::seal
