// restore: what it accepts is, backed up again, the same file; what it refuses leaves nothing.
#include <cstdlib>
#include <map>

#include "vouchsafe/audit/backup.h"

using namespace vouchsafe;

namespace {

using Place = std::pair<std::string, std::string>;

// MemoryStore keeps records in memory: a file for each input would be slow.
class MemoryStore : public store::Store, public store::Transaction {
  public:
    std::map<Place, Bytes> records;

    Result<void> run(const std::function<Result<void>(store::Transaction&)>& work) override {
        auto before = records;
        Result<void> done = work(*this);
        if (!done) records = std::move(before);
        return done;
    }
    Result<void> read(const std::function<Result<void>(store::View&)>& work) override {
        return work(*this);
    }
    store::Statistics statistics() const override { return {}; }

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override {
        auto found = records.find(Place(table, key));
        if (found == records.end()) return std::optional<Bytes>();
        return std::optional<Bytes>(found->second);
    }
    Result<std::vector<store::Record>> scan(std::string_view table, std::string_view prefix,
                                            std::string_view after, size_t limit) override {
        std::vector<store::Record> out;
        for (auto at = records.upper_bound(Place(table, after)); at != records.end(); ++at) {
            if (at->first.first != table || out.size() == limit) break;
            if (at->first.second.starts_with(prefix)) out.push_back({at->first.second, at->second});
        }
        return out;
    }
    Result<std::optional<std::string>> next_table(std::string_view after) override {
        for (const auto& [place, value] : records) {
            if (place.first > after) return std::optional<std::string>(place.first);
        }
        return std::optional<std::string>();
    }
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
        records[Place(table, key)] = to_bytes(value);
        return {};
    }
    Result<void> insert(std::string_view table, std::string_view key, ByteView value) override {
        if (!records.emplace(Place(table, key), to_bytes(value)).second) {
            return fail(Code::conflict, "the record exists already");
        }
        return {};
    }
    Result<bool> erase(std::string_view table, std::string_view key) override {
        return records.erase(Place(table, key)) > 0;
    }
};

void expect(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    const ByteView file(data, size);
    MemoryStore store;
    Checks checks;
    size_t at = 0;
    auto read = [&](MutableByteView into) -> Result<size_t> {
        const size_t count = std::min(into.size(), file.size() - at);
        std::copy_n(file.begin() + static_cast<ptrdiff_t>(at), count, into.begin());
        at += count;
        return count;
    };
    auto backup = audit::restore(store, "vault", read, checks);
    if (!backup) {
        expect(store.records.empty());
        return 0;
    }
    Bytes again;
    Checks more;
    MUST(audit::back_up(
        store, "vault", backup->made,
        [&](ByteView bytes) -> Result<void> {
            append(again, bytes);
            return {};
        },
        more));
    expect(equal(again, file));
    return 0;
}
