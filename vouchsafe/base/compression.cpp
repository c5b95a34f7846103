#include "vouchsafe/base/compression.h"

#include <zstd.h>

#include <new>

namespace vouchsafe {

namespace {

// A tenth longer than at zstd's default, 3, whose tables for a dictionary of 31 KB take 440 KB
// instead of 80: they do not stay in a core's cache.
constexpr int kLevel = 1;

template <typename T, size_t (*release)(T*)>
struct Release {
    void operator()(T* what) const { release(what); }
};
template <typename T, size_t (*release)(T*)>
using Owned = std::unique_ptr<T, Release<T, release>>;

using Compressing = Owned<ZSTD_CCtx, ZSTD_freeCCtx>;
using Decompressing = Owned<ZSTD_DCtx, ZSTD_freeDCtx>;

template <typename T>
T* made(T* what) {
    if (what == nullptr) throw std::bad_alloc();
    return what;
}

}  // namespace

struct CompressionDictionary::Tables {
    explicit Tables(std::string_view content)
        : compressing(made(ZSTD_createCDict(content.data(), content.size(), kLevel))),
          decompressing(made(ZSTD_createDDict(content.data(), content.size()))) {}

    Owned<ZSTD_CDict, ZSTD_freeCDict> compressing;
    Owned<ZSTD_DDict, ZSTD_freeDDict> decompressing;
};

CompressionDictionary::CompressionDictionary(std::string_view content)
    : tables_(std::make_unique<const Tables>(content)) {}

CompressionDictionary::~CompressionDictionary() = default;

Bytes CompressionDictionary::compress(ByteView content) const {
    thread_local const Compressing context(made(ZSTD_createCCtx()));
    Bytes out(ZSTD_compressBound(content.size()));
    const size_t size =
        ZSTD_compress_usingCDict(context.get(), out.data(), out.size(), content.data(),
                                 content.size(), tables_->compressing.get());
    // The place suffices and the content is there: what is left to fail is memory.
    if (ZSTD_isError(size)) throw std::bad_alloc();
    out.resize(size);
    return out;
}

Result<Bytes> CompressionDictionary::decompress(ByteView frame, size_t max) const {
    // What begins otherwise are frames of other kinds, among them such that are skipped.
    if (TRY(Reader(frame, "compressed text").u32_le("magic")) != ZSTD_MAGICNUMBER) {
        return fail(Code::invalid, "no compressed text");
    }
    const auto size = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > max) {
        return fail(Code::invalid, "no compressed text of at most {} bytes", max);
    }
    if (ZSTD_findFrameCompressedSize(frame.data(), frame.size()) != frame.size()) {
        return fail(Code::invalid, "the compressed text is cut off, or something is behind it");
    }
    thread_local const Decompressing context(made(ZSTD_createDCtx()));
    Bytes out(size);
    const size_t opened =
        ZSTD_decompress_usingDDict(context.get(), out.data(), out.size(), frame.data(),
                                   frame.size(), tables_->decompressing.get());
    if (opened != size) return fail(Code::invalid, "the compressed text is damaged");
    return out;
}

}  // namespace vouchsafe
