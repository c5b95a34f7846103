// A connection that reads snapshots, and what it read of the database as it is. Private to store/.
//
// SQLite numbers the states that a connection finds the database in, and drops the pages that it
// has in memory when that number changes. Answers are kept by the same rule: they are what the
// snapshot would give, whichever table they are of and whoever wrote.
#pragma once

#include <map>

#include "vouchsafe/store/sqlite_connection.h"

namespace vouchsafe::store {

// Reader is lent to one thread at a time.
class Reader final : public View {
  public:
    explicit Reader(std::unique_ptr<Connection> connection)
        : connection_(std::move(connection)), records_(*connection_) {}

    // begin begins a snapshot, end ends it. What is asked for must be asked in between.
    Result<void> begin();
    void end() { connection_->roll_back(); }

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override;
    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view after, size_t limit) override;
    Result<std::optional<std::string>> next_table(std::string_view after) override;

  private:
    // A request reads few records, and those of its vault and its caller are read by most.
    static constexpr size_t kMost = 64;        // answers of each kind
    static constexpr size_t kMostSize = 4096;  // bytes of the records of one

    using Get = std::pair<std::string, std::string>;
    struct Scan {
        std::string table, prefix, after;
        size_t limit = 0;
        auto operator<=>(const Scan&) const = default;
    };

    std::unique_ptr<Connection> connection_;
    CheckedTransaction records_;
    std::optional<uint64_t> version_;  // of the database, at the last snapshot
    bool keeps_ = false;               // it was the same at the snapshot before
    std::map<Get, std::optional<Bytes>> gets_;
    std::map<Scan, std::vector<Record>> scans_;
};

}  // namespace vouchsafe::store
