// The audit log: what was done or refused, by whom, and which checks decided. Append-only, a Merkle
// tree as in RFC 6962 over the entries' bytes, in the same store as the things it speaks of: an act
// and its entry are committed together, so an act that cannot be recorded does not happen.
//
// Entries never contain secrets: keys, tokens or plaintext. Tree heads are signed by
// checkpoint_book.h.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/audit/merkle.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::audit {

enum class Outcome { allowed, refused, failed };  // done; a check said no; an error in between
std::string_view outcome_name(Outcome outcome);

struct Entry {
    Time time;
    std::string actor;     // the caller: object id, "operator", or "" if unknown
    std::string action;    // what was asked for, e.g. "keys/release"
    std::string resource;  // what it concerns, e.g. the key's identifier
    Outcome outcome = Outcome::allowed;
    std::string request_id;  // the one the caller was given
    std::string reason;      // one sentence if it was not allowed
    std::vector<Check> checks;
    Json details = Json::object();  // anything else worth keeping; an object

    // encode gives the bytes that are stored and hashed: compact JSON, members sorted.
    Bytes encode() const;
    static Result<Entry> parse(ByteView bytes);
};

// StoredEntry is an entry with its place in the log, counted from 0.
struct StoredEntry {
    uint64_t index = 0;
    Entry entry;
};

inline constexpr size_t kMaxEntrySize = 256 << 10;  // bytes when encoded
inline constexpr size_t kMaxPage = 1000;            // entries per call

// Log borrows its store, which holds one log. It keeps no state of its own: any number of Logs, in
// any number of processes, may append to one store. Thread-safe.
class Log {
  public:
    explicit Log(store::Store& store) : store_(store) {}

    // append adds the entry within the caller's transaction and returns its index. If it fails the
    // caller must fail too, so that the transaction is rolled back.
    Result<uint64_t> append(store::Transaction& transaction, const Entry& entry);
    // append adds the entry in a transaction of its own.
    Result<uint64_t> append(const Entry& entry);

    // find returns the entries of one request, oldest first, at most kMaxPage.
    Result<std::vector<StoredEntry>> find(std::string_view request_id);
    // entries returns up to `count` (at most kMaxPage) entries from index `from` on.
    Result<std::vector<StoredEntry>> entries(uint64_t from, size_t count);

    // encoded returns one entry's bytes as they were hashed. Code::invalid if there is none.
    Result<Bytes> encoded(uint64_t index);

    Result<uint64_t> size();
    // head returns size and root hash. Keep one elsewhere: verify() finds what was changed since.
    Result<TreeHead> head();
    // head_at returns the head the log had when it had `size` entries. Code::invalid if larger.
    Result<TreeHead> head_at(uint64_t size);

    // Proofs to give to others; verify_inclusion and verify_consistency in merkle.h check them.
    Result<InclusionProof> prove_inclusion(uint64_t index, uint64_t size);
    Result<ConsistencyProof> prove_consistency(uint64_t old_size, uint64_t new_size);

    // verify recomputes the whole tree from the entries' bytes and compares it with the stored
    // hashes (AUDIT-ENTRY if one entry is the cause, which it names, else AUDIT-TREE) and, at its
    // size, with a head the caller kept (AUDIT-HEAD; an empty head always holds). It returns the
    // head of now.
    Result<TreeHead> verify(const TreeHead& kept, Checks& checks);
    // verify_heads is verify with any number of kept heads, in one pass over the entries.
    Result<TreeHead> verify_heads(std::vector<TreeHead> kept, Checks& checks);

  private:
    store::Store& store_;
};

}  // namespace vouchsafe::audit
