// What an engine gives, and the limits above it, which are the same for all. Private to store/.
#pragma once

#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

// Records is one connection of an engine, within a transaction. Names, keys and sizes have been
// checked.
class Records {
  public:
    virtual ~Records() = default;
    virtual Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) = 0;
    // scan returns records from `lower` on that begin with `prefix`. Of a numbered table the prefix
    // is empty, and `lower` too or a key with a zero byte behind it.
    virtual Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                             std::string_view lower, size_t limit) = 0;
    virtual Result<std::optional<std::string>> next_table(std::string_view after) = 0;
    virtual Result<void> put(std::string_view table, std::string_view key, ByteView value) = 0;
    // insert returns false, and can go on, if there is such a record.
    virtual Result<bool> insert(std::string_view table, std::string_view key, ByteView value) = 0;
    virtual Result<bool> erase(std::string_view table, std::string_view key) = 0;
};

// CheckedTransaction keeps callers within the limits of store.h. It borrows the records.
class CheckedTransaction : public Transaction {
  public:
    explicit CheckedTransaction(Records& records) : records_(&records) {}
    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override;
    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view after, size_t limit) override;
    Result<std::optional<std::string>> next_table(std::string_view after) override;
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override;
    Result<void> insert(std::string_view table, std::string_view key, ByteView value) override;
    Result<bool> erase(std::string_view table, std::string_view key) override;

  private:
    Records* records_;
};

}  // namespace vouchsafe::store
