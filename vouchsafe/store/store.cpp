#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

bool is_postgres_url(std::string_view where) {
    return where.starts_with("postgres://") || where.starts_with("postgresql://");
}

void Store::run_later(Work work, Then then) {
    Result<void> done;
    try {
        done = run(work);
    } catch (...) {
        done = fail(Code::internal, "the work of a transaction threw an exception");
    }
    then(std::move(done));
}

Result<size_t> erase_below(Transaction& tx, std::string_view table, std::string_view prefix) {
    for (size_t erased = 0;;) {
        const std::vector<Record> page = TRY(tx.scan(table, prefix, "", kMaxScan));
        for (const Record& record : page) TRY(tx.erase(table, record.key));
        erased += page.size();
        if (page.size() < kMaxScan) return erased;
    }
}

}  // namespace vouchsafe::store
