#include "vouchsafe/train/table.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/train/table_builder.h"

namespace vouchsafe::train {

namespace {
constexpr size_t kPiece = 1 << 20;
}

Result<SecretFloats> SecretFloats::allocate(size_t count) {
    SecretFloats out;
    out.pages_ = TRY(SecretPages::allocate(count * sizeof(float)));
    return out;
}

Result<Table> Table::parse(ByteView csv, const TableOptions& options) {
    TableBuilder builder(options, csv.size());
    size_t pieces = (csv.size() + kPiece - 1) / kPiece;
    unsigned threads = options.threads == 0 ? core_count() : options.threads;
    threads = static_cast<unsigned>(std::clamp<size_t>(pieces, 1, threads));
    std::atomic<uint64_t> next{0};
    std::mutex mutex;
    std::map<uint64_t, Error> errors;  // by piece: the first of the text is told
    run_workers(threads, [&](unsigned) {
        CsvRows scratch;
        for (uint64_t i = next++; i < pieces; i = next++) {
            ByteView piece = csv.subspan(i * kPiece);
            auto added = builder.add(i, piece.first(std::min(kPiece, piece.size())), scratch);
            if (added) continue;
            builder.abort(i);
            std::lock_guard lock(mutex);
            errors.emplace(i, std::move(added.error()));
            return;
        }
    });
    if (!errors.empty()) return fail(std::move(errors.begin()->second));
    return std::move(builder).finish();
}

Result<Table> Table::parse_sealed(seal::SealedReader& reader, const TableOptions& options) {
    TableBuilder builder(options, reader.plaintext_size());
    std::vector<CsvRows> scratch(reader.thread_count());
    auto visit = [&](uint64_t number, ByteView text, unsigned thread) {
        return builder.add(number, text, scratch[thread]);
    };
    TRY(reader.visit_chunks(visit, [&](uint64_t number) { builder.abort(number); }));
    scratch.clear();
    return std::move(builder).finish();
}

}  // namespace vouchsafe::train
