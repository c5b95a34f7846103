// What a process remembers of its store, so that a request which is recorded anyway need not ask
// the database first: Store::recall. Private to store/; docs/decisions/0044-recall.md says why it
// may.
//
// Time is counted in moments: each end of a transaction that changed something is one, and so is
// each time a change by another process is noticed. What was read after moment m is good as long as
// its table has no change later than m.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <variant>

#include "vouchsafe/base/kept.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

inline constexpr size_t kMaxRemembered = 1024;      // answers
inline constexpr size_t kMaxRememberedSize = 8192;  // bytes of the records of one

// Memory is of one store. Thread-safe, but for what is the writer's own.
class Memory {
  public:
    // Answer is what a get or a scan gave.
    struct Answer {
        uint64_t moment = 0;  // before the snapshot in which it was read
        std::variant<std::optional<Bytes>, std::vector<Record>> found;
    };

    uint64_t moment() const;
    // find returns nullptr if the question's answer is not known or not good any more. Questions
    // of different kinds or tables are different texts.
    std::shared_ptr<const Answer> find(std::string_view table, const Bytes& question);
    // keep drops an answer that is too large.
    void keep(const Bytes& question, Answer answer);

    // For the writer, one thread at a time: `table` is changed in the open transaction; the
    // transaction ended, however; the number that changes when another process changed something.
    void begin_change(std::string_view table);
    void end_changes();
    void see_version(uint64_t version);
    // still_holds is Transaction::still_holds within the writer's open transaction.
    bool still_holds(const Basis& basis) const;

  private:
    bool is_unchanged(std::string_view table, uint64_t since) const;  // mutex_ is held

    mutable std::mutex mutex_;
    uint64_t moment_ = 1;
    std::map<std::string, uint64_t, std::less<>>
        changes_;                 // of each table the last, and its moment
    uint64_t others_change_ = 0;  // of all tables, by other processes
    Kept<Answer, kMaxRemembered> answers_;

    std::set<std::string, std::less<>> changing_;  // the writer's
    std::optional<uint64_t> version_;              // the writer's
};

// RecallingView answers from memory, and what it does not remember from a snapshot that it begins
// when it must. It borrows both, and `basis`, which it fills.
class RecallingView final : public View {
  public:
    using Snapshot = std::function<Result<View*>()>;  // the same at each call

    RecallingView(Memory& memory, Snapshot snapshot, Basis& basis);

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override;
    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view after, size_t limit) override;
    Result<std::optional<std::string>> next_table(std::string_view after) override;

  private:
    void note(std::string_view table);

    Memory& memory_;
    const Snapshot snapshot_;
    Basis& basis_;
};

}  // namespace vouchsafe::store
