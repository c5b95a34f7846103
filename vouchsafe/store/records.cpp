#include "vouchsafe/store/records.h"

#include "vouchsafe/store/numbered.h"

namespace vouchsafe::store {

namespace {

Result<void> check_table(std::string_view table) {
    bool ok = !table.empty() && table.size() <= kMaxTableName;
    for (char c : table) ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (!ok) return fail(Code::invalid, "bad table name \"{}\"", table);
    return {};
}

Result<void> check_key(std::string_view table, std::string_view key) {
    TRY(check_table(table));
    if (key.empty() || key.size() > kMaxKeySize) {
        return fail(Code::invalid, "a key has 1 to {} bytes, this one {}", kMaxKeySize, key.size());
    }
    if (numbered_table(table) && !parse_number(key)) {
        return fail(Code::invalid, "a key of {} is a number", table);
    }
    return {};
}

Result<void> check_record(std::string_view table, std::string_view key, ByteView value) {
    TRY(check_key(table, key));
    if (value.size() > kMaxValueSize) {
        return fail(Code::invalid, "a value has at most {} bytes, this one {}", kMaxValueSize,
                    value.size());
    }
    return {};
}

}  // namespace

Result<std::optional<Bytes>> CheckedTransaction::get(std::string_view table, std::string_view key) {
    TRY(check_key(table, key));
    return records_->get(table, key);
}

Result<std::vector<Record>> CheckedTransaction::scan(std::string_view table,
                                                     std::string_view prefix,
                                                     std::string_view after, size_t limit) {
    TRY(check_table(table));
    if (prefix.size() > kMaxKeySize || after.size() > kMaxKeySize || limit > kMaxScan) {
        return fail(Code::invalid, "a scan is limited to {} records and keys of {} bytes", kMaxScan,
                    kMaxKeySize);
    }
    if (numbered_table(table)) {
        if (!prefix.empty()) return fail(Code::invalid, "a scan of {} has no prefix", table);
        if (!after.empty()) TRY(check_key(table, after));
    }
    std::string lower(prefix);
    // The successor of a key in the order of bytes is that key with a zero byte behind it.
    if (!after.empty() && after >= prefix) lower = std::string(after) + '\0';
    return records_->scan(table, prefix, lower, limit);
}

Result<std::optional<std::string>> CheckedTransaction::next_table(std::string_view after) {
    if (!after.empty()) TRY(check_table(after));
    return records_->next_table(after);
}

Result<void> CheckedTransaction::put(std::string_view table, std::string_view key, ByteView value) {
    TRY(check_record(table, key, value));
    return records_->put(table, key, value);
}

Result<void> CheckedTransaction::insert(std::string_view table, std::string_view key,
                                        ByteView value) {
    TRY(check_record(table, key, value));
    if (TRY(records_->insert(table, key, value))) return {};
    return fail(Code::conflict, "the record exists already");
}

Result<bool> CheckedTransaction::erase(std::string_view table, std::string_view key) {
    TRY(check_key(table, key));
    return records_->erase(table, key);
}

}  // namespace vouchsafe::store
