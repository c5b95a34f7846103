#include <sys/random.h>

#include <mutex>
#include <thread>

#include "vouchsafe/store/group_commit.h"
#include "vouchsafe/store/postgres_connection.h"

namespace vouchsafe::store {

namespace {

constexpr size_t kMaxIdlePostgresReaders = 8;
// A server that restarts is back after some seconds; so long the callers whose commit it
// interrupted wait to learn what became of it.
constexpr std::chrono::seconds kResolveTime{15};
constexpr std::chrono::milliseconds kResolvePause{100};

std::string random_token() {
    std::string out(16, '\0');
    if (getrandom(out.data(), out.size(), 0) != static_cast<ssize_t>(out.size())) {
        throw std::runtime_error("no random bytes");
    }
    return out;
}

// PostgresWriter is the store's one writing connection, made anew when it breaks.
class PostgresWriter : public SharedTransaction {
  public:
    PostgresWriter(const PostgresPlace& place, std::unique_ptr<PostgresConnection> connection)
        : place_(place), connection_(std::move(connection)), transaction_(forward_) {
        forward_.to = connection_.get();
    }

    Result<void> begin() override {
        // The server may have restarted while nothing was written: no work has begun, so try again.
        if (connection_ != nullptr) {
            Result<void> begun = begin_or_nothing();
            if (begun || connection_->alive()) return begun;
        }
        TRY(reconnect());
        return begin_or_nothing();
    }
    Result<void> mark() override { return connection_->execute("SAVEPOINT one"); }
    Result<void> release() override { return connection_->execute("RELEASE one"); }
    Result<void> go_back() override { return connection_->execute("ROLLBACK TO one; RELEASE one"); }
    Result<void> check() override { return connection_->check_open(); }
    void roll_back() override {
        if (connection_ != nullptr) connection_->roll_back();
    }
    Transaction& transaction() override { return transaction_; }

    Result<void> commit() override {
        const std::string token = random_token();
        bool certain = true;
        Result<void> done = connection_->commit(name_, token, certain);
        if (done || certain) return done;
        return resolve(token);
    }

  private:
    // Forward gives CheckedTransaction the connection of now.
    struct Forward : Records {
        PostgresConnection* to = nullptr;
        Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override {
            return to->get(table, key);
        }
        Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                         std::string_view lower, size_t limit) override {
            return to->scan(table, prefix, lower, limit);
        }
        Result<std::optional<std::string>> next_table(std::string_view after) override {
            return to->next_table(after);
        }
        Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
            return to->put(table, key, value);
        }
        Result<bool> insert(std::string_view table, std::string_view key, ByteView value) override {
            return to->insert(table, key, value);
        }
        Result<bool> erase(std::string_view table, std::string_view key) override {
            return to->erase(table, key);
        }
    };

    // begin_or_nothing leaves no half-begun transaction when it does not get its turn.
    Result<void> begin_or_nothing() {
        Result<void> begun = connection_->begin_write();
        if (!begun) connection_->roll_back();
        return begun;
    }

    Result<void> reconnect() {
        connection_.reset();
        forward_.to = nullptr;
        connection_ = TRY(PostgresConnection::open(place_, PostgresConnection::Setup::known));
        forward_.to = connection_.get();
        return {};
    }

    // resolve finds out whether the commit that noted `token` took place before its connection
    // broke. A transaction that is still on its way holds the writers' lock, for which last_token
    // waits.
    Result<void> resolve(const std::string& token) {
        const auto end = std::chrono::steady_clock::now() + kResolveTime;
        while (true) {
            Result<std::string> found = fail(Code::unavailable, "no connection");
            if (Result<void> connected = reconnect(); connected) {
                found = connection_->last_token(name_);
            } else {
                found = fail(connected.error());
            }
            if (found) {
                if (*found == token) return {};
                return fail(Code::unavailable,
                            "PostgreSQL went away before the commit; nothing was written");
            }
            if (std::chrono::steady_clock::now() > end) {
                return fail(Code::unavailable,
                            "PostgreSQL went away during the commit, and nobody knows whether it "
                            "was written: {}",
                            found.error().message);
            }
            std::this_thread::sleep_for(kResolvePause);
        }
    }

    const PostgresPlace place_;
    const std::string name_ = random_token();
    std::unique_ptr<PostgresConnection> connection_;  // null after a failed reconnect
    Forward forward_;
    CheckedTransaction transaction_;
};

class PostgresStore : public Store {
  public:
    PostgresStore(PostgresPlace place, std::unique_ptr<PostgresConnection> writer)
        : place_(std::move(place)), writer_(place_, std::move(writer)), group_(writer_) {}

    Result<void> run(const std::function<Result<void>(Transaction&)>& work) override {
        return group_.run(work);
    }
    void run_later(Work work, Then then) override {
        group_.run_later(std::move(work), std::move(then));
    }
    void expect(bool more) override { group_.expect(more); }

    Result<void> read(const std::function<Result<void>(View&)>& work) override {
        std::unique_ptr<PostgresConnection> reader = TRY(begun_reader());
        struct GiveBack {  // also when `work` throws
            PostgresStore& store;
            std::unique_ptr<PostgresConnection>& reader;
            ~GiveBack() { store.give_back(std::move(reader)); }
        } give_back{*this, reader};
        CheckedTransaction view(*reader);
        return work(view);
    }

    Statistics statistics() const override { return group_.statistics(); }

  private:
    // begun_reader is a connection within a transaction. Idle ones break when the server restarts.
    Result<std::unique_ptr<PostgresConnection>> begun_reader() {
        while (std::unique_ptr<PostgresConnection> idle = take_idle()) {
            Result<void> begun = idle->begin_read();
            if (begun) return idle;
            if (idle->alive()) return fail(std::move(begun.error()));
        }
        auto fresh = TRY(PostgresConnection::open(place_, PostgresConnection::Setup::known));
        TRY(fresh->begin_read());
        return fresh;
    }

    std::unique_ptr<PostgresConnection> take_idle() {
        std::lock_guard lock(reading_);
        if (idle_.empty()) return nullptr;
        std::unique_ptr<PostgresConnection> out = std::move(idle_.back());
        idle_.pop_back();
        return out;
    }

    void give_back(std::unique_ptr<PostgresConnection> reader) {
        reader->roll_back();
        std::lock_guard lock(reading_);
        if (reader->alive() && idle_.size() < kMaxIdlePostgresReaders) {
            idle_.push_back(std::move(reader));
        }
    }

    const PostgresPlace place_;
    PostgresWriter writer_;
    GroupCommit group_;
    std::mutex reading_;  // holds idle_
    std::vector<std::unique_ptr<PostgresConnection>> idle_;
};

}  // namespace

Result<std::unique_ptr<Store>> open_postgres(const std::string& url, std::string_view schema) {
    bool ok = !schema.empty() && schema.size() <= 63;  // PostgreSQL cuts longer names
    for (char c : schema) ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (!ok) return fail(Code::invalid, "bad schema name \"{}\"", schema);
    PostgresPlace place{url, std::string(schema)};
    auto writer =
        TRY(with_context(PostgresConnection::open(place, PostgresConnection::Setup::make_or_check),
                         fmt::format("the PostgreSQL store, schema {}", schema)));
    return std::unique_ptr<Store>(
        std::make_unique<PostgresStore>(std::move(place), std::move(writer)));
}

}  // namespace vouchsafe::store
