#include "vouchsafe/store/reader.h"

namespace vouchsafe::store {

// While others write, nothing would be found again: what is kept is read in a second snapshot of
// one state or a later one.
Result<void> Reader::begin() {
    TRY(connection_->execute(Sql::begin_read));
    const uint64_t now = TRY(connection_->data_version());
    keeps_ = version_ == now;
    if (keeps_) return {};
    version_ = now;
    gets_.clear();
    scans_.clear();
    return {};
}

Result<std::optional<Bytes>> Reader::get(std::string_view table, std::string_view key) {
    Get asked{table, key};
    if (auto found = gets_.find(asked); found != gets_.end()) return found->second;
    auto out = TRY(records_.get(table, key));
    const bool small = !out || out->size() <= kMostSize;
    if (keeps_ && small && gets_.size() < kMost) gets_.emplace(std::move(asked), out);
    return out;
}

Result<std::vector<Record>> Reader::scan(std::string_view table, std::string_view prefix,
                                         std::string_view after, size_t limit) {
    Scan asked{std::string(table), std::string(prefix), std::string(after), limit};
    if (auto found = scans_.find(asked); found != scans_.end()) return found->second;
    auto out = TRY(records_.scan(table, prefix, after, limit));
    size_t size = 0;
    for (const Record& record : out) size += record.key.size() + record.value.size();
    if (keeps_ && size <= kMostSize && scans_.size() < kMost) {
        scans_.emplace(std::move(asked), out);
    }
    return out;
}

Result<std::optional<std::string>> Reader::next_table(std::string_view after) {
    return records_.next_table(after);
}

}  // namespace vouchsafe::store
