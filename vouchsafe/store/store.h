// The transactional record store: named tables of records, each a key and a value of bytes. What a
// service must not lose or half-write lives here. It knows nothing of what the records mean, and it
// encrypts nothing: secrets are sealed by their owners before they come here.
//
//     TRY(store.run([&](store::Transaction& tx) -> Result<void> {
//         TRY(tx.insert("key", id, sealed));     // Code::conflict if it exists
//         return log.append(tx, entry);          // both or neither
//     }));
//
// SQLite stands behind it, or PostgreSQL if several processes on several machines share one store.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::store {

inline constexpr size_t kMaxTableName = 64;       // a-z, 0-9, '_'
inline constexpr size_t kMaxKeySize = 1024;       // bytes, at least one; any bytes
inline constexpr size_t kMaxValueSize = 4 << 20;  // bytes
inline constexpr size_t kMaxScan = 1000;          // records per scan

struct Record {
    std::string key;
    Bytes value;
};

// View reads within a transaction. Every name, key or limit outside the sizes above is
// Code::invalid; a failing disk is Code::io. Valid only inside the function it was given to.
class View {
  public:
    virtual ~View() = default;

    // get returns nullopt if there is no such record.
    virtual Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) = 0;

    // scan returns records whose key begins with `prefix` and comes after `after` (empty: from the
    // first), in the order of the keys' bytes, at most `limit`.
    virtual Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                             std::string_view after, size_t limit) = 0;

    // next_table returns the first table after `after` (empty: the first) that has a record.
    virtual Result<std::optional<std::string>> next_table(std::string_view after) = 0;
};

// Basis is what a judgement by Store::recall rests on. Its members are the store's.
struct Basis {
    bool recalled = false;            // something came from memory: it may be outdated
    uint64_t moment = 0;              // before anything was recalled
    std::vector<std::string> tables;  // that were read
    bool complete = false;            // they are all that was read
};

// Transaction reads and writes; it sees its own writes.
class Transaction : public View {
  public:
    // still_holds tells whether nothing changed since in the tables that the basis names, so that
    // what was recalled is what this transaction would read. False if the store cannot tell: then
    // read and judge again. Basis() never holds.
    virtual Result<bool> still_holds(const Basis& basis) {
        (void)basis;
        return false;
    }
    // put makes or replaces.
    virtual Result<void> put(std::string_view table, std::string_view key, ByteView value) = 0;
    // insert fails with Code::conflict if the record exists.
    virtual Result<void> insert(std::string_view table, std::string_view key, ByteView value) = 0;
    // erase tells whether there was such a record.
    virtual Result<bool> erase(std::string_view table, std::string_view key) = 0;
};

// erase_below erases the records whose key begins with `prefix`, and returns how many.
Result<size_t> erase_below(Transaction& tx, std::string_view table, std::string_view prefix);

// Statistics counts since the store was opened. Each commit is one flush to disk.
struct Statistics {
    uint64_t transactions = 0;  // acknowledged by run
    uint64_t commits = 0;       // that these took
    uint64_t waiting = 0;       // callers of run whose turn has not come, at this moment
};

// Store is one database. Thread-safe; other processes may use the same file.
class Store {
  public:
    virtual ~Store() = default;

    // run calls `work` once in a transaction that no other writer runs beside. If `work` succeeds
    // the transaction is committed and on disk when run returns; if it fails nothing happened and
    // its error is returned, and what it throws is thrown. If committing fails (Code::io,
    // Code::unavailable while another process holds the store too long) nothing happened either.
    //
    // Callers at the same time share one commit: `work` may run on the thread of another caller,
    // which waits meanwhile as this one does, and after others' work that is not yet committed; if
    // that commit fails it fails for all. So `work` must not rely on thread-local state, nor lock
    // what another caller may hold while it calls run, nor call run again (Code::internal).
    virtual Result<void> run(const std::function<Result<void>(Transaction&)>& work) = 0;

    // run_later is run for who goes on meanwhile: `then` is told once what run would have returned,
    // by this thread or one of the store's, before or after this returns; what `work` throws is
    // Code::internal. `then` must not throw, wait for others, or call the store.
    using Work = std::function<Result<void>(Transaction&)>;
    using Then = std::function<void(Result<void>)>;
    virtual void run_later(Work work, Then then);

    // read calls `work` on a snapshot. Readers do not wait for writers.
    virtual Result<void> read(const std::function<Result<void>(View&)>& work) = 0;

    // recall is read for who acts on it in a transaction (Transaction::still_holds) or, to refuse,
    // reads again: records that this process read before, and did not change since, may come from
    // memory and not be one snapshot. A change by this process is seen as soon as its `run` has
    // returned; of other processes' changes only that transaction knows. `basis` is replaced.
    virtual Result<void> recall(const std::function<Result<void>(View&)>& work, Basis& basis) {
        basis = {};
        return read(work);
    }

    virtual Statistics statistics() const = 0;

    // expect is Expected's.
    virtual void expect(bool more) { (void)more; }
};

// Expected tells a store that its thread is likely to call run or run_later soon: who could share a
// commit with it waits for it, for a few milliseconds at most. To be ended before that call.
// nullptr tells nobody. Borrows the store. Not thread-safe.
class Expected {
  public:
    explicit Expected(Store* store) : store_(store) {
        if (store_ != nullptr) store_->expect(true);
    }
    ~Expected() { end(); }
    Expected(const Expected&) = delete;
    Expected& operator=(const Expected&) = delete;

    void end() {
        if (Store* store = std::exchange(store_, nullptr)) store->expect(false);
    }

  private:
    Store* store_;
};

// open_sqlite opens or creates the file (mode 0600; its folder must exist): write-ahead log,
// synchronous FULL, STRICT table. Code::unsupported if the file has a schema version of another
// program version, Code::invalid if it is no database of ours, Code::io.
Result<std::unique_ptr<Store>> open_sqlite(const Path& file);

// is_postgres_url tells a URL for open_postgres ("postgres://", "postgresql://") from a path.
bool is_postgres_url(std::string_view where);

// open_postgres opens the schema (a-z, 0-9, '_') of a PostgreSQL database, 13 or later, and makes
// it if it is not there. The URL is libpq's: passwords also come from its password file or
// environment, TLS is `sslmode=verify-full`. Any number of processes may use one schema; writers
// take turns by a lock in the database. After a restart of the server the store connects again by
// itself; a call during it is Code::unavailable, and if its commit was under way it waits up to 15
// seconds to learn what became of it. Code::unavailable if the server does not let us in,
// Code::unsupported or Code::invalid as open_sqlite. No error has the URL's password in it.
Result<std::unique_ptr<Store>> open_postgres(const std::string& url, std::string_view schema);

}  // namespace vouchsafe::store
