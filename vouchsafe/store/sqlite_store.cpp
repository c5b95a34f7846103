#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "vouchsafe/store/group_commit.h"
#include "vouchsafe/store/memory.h"
#include "vouchsafe/store/reader.h"

namespace vouchsafe::store {

namespace {

constexpr size_t kMaxIdleReaders = 16;  // as many as a service has handlers at a time

// NotingTransaction tells the memory what it changes.
class NotingTransaction final : public CheckedTransaction {
  public:
    NotingTransaction(Records& records, Memory& memory)
        : CheckedTransaction(records), memory_(memory) {}

    Result<bool> still_holds(const Basis& basis) override { return memory_.still_holds(basis); }
    Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
        memory_.begin_change(table);
        return CheckedTransaction::put(table, key, value);
    }
    Result<void> insert(std::string_view table, std::string_view key, ByteView value) override {
        memory_.begin_change(table);
        return CheckedTransaction::insert(table, key, value);
    }
    Result<bool> erase(std::string_view table, std::string_view key) override {
        memory_.begin_change(table);
        return CheckedTransaction::erase(table, key);
    }

  private:
    Memory& memory_;
};

// SqliteWriter is the store's one writing connection. It borrows the memory.
class SqliteWriter : public SharedTransaction {
  public:
    SqliteWriter(std::unique_ptr<Connection> connection, Memory& memory)
        : connection_(std::move(connection)), memory_(memory), transaction_(*connection_, memory) {}

    // begin waits for other processes, and learns whether they changed something.
    Result<void> begin() override {
        TRY(execute(Sql::begin_write));
        memory_.see_version(TRY(connection_->data_version()));
        return {};
    }
    Result<void> mark() override { return execute(Sql::savepoint); }
    Result<void> release() override { return execute(Sql::release); }
    Result<void> go_back() override {
        TRY(execute(Sql::go_back));
        return execute(Sql::release);
    }
    Result<void> check() override { return connection_->check_open(); }
    // The memory knows of a change before anybody is told that it is done.
    Result<void> commit() override {
        Result<void> done = execute(Sql::commit);
        memory_.end_changes();
        return done;
    }
    void roll_back() override {
        connection_->roll_back();
        memory_.end_changes();
    }
    Transaction& transaction() override { return transaction_; }

  private:
    Result<void> execute(Sql which) {
        TRY(connection_->execute(which));
        return {};
    }

    std::unique_ptr<Connection> connection_;
    Memory& memory_;
    NotingTransaction transaction_;
};

class SqliteStore : public Store {
  public:
    SqliteStore(Path file, std::unique_ptr<Connection> writer)
        : file_(std::move(file)), writer_(std::move(writer), memory_), group_(writer_) {}

    Result<void> run(const std::function<Result<void>(Transaction&)>& work) override {
        return group_.run(work);
    }

    void run_later(Work work, Then then) override {
        group_.run_later(std::move(work), std::move(then));
    }
    void expect(bool more) override { group_.expect(more); }

    Result<void> read(const std::function<Result<void>(View&)>& work) override {
        Reading reading(*this);
        return work(*TRY(reading.view()));
    }

    Result<void> recall(const std::function<Result<void>(View&)>& work, Basis& basis) override {
        Reading reading(*this);
        RecallingView view(
            memory_, [&] { return reading.view(); }, basis);
        return work(view);
    }

    Statistics statistics() const override { return group_.statistics(); }

  private:
    // Reading is a snapshot, begun when it is first asked for.
    class Reading {
      public:
        explicit Reading(SqliteStore& store) : store_(store) {}
        ~Reading() {
            if (reader_ == nullptr) return;
            reader_->end();
            store_.give_back(std::move(reader_));
        }
        Reading(const Reading&) = delete;
        Reading& operator=(const Reading&) = delete;

        Result<View*> view() {
            if (begun_) return reader_.get();
            reader_ = TRY(store_.borrow_reader());
            TRY(reader_->begin());
            begun_ = true;
            return reader_.get();
        }

      private:
        SqliteStore& store_;
        std::unique_ptr<Reader> reader_;
        bool begun_ = false;
    };

    void give_back(std::unique_ptr<Reader> reader) {
        std::lock_guard lock(reading_);
        if (idle_.size() < kMaxIdleReaders) idle_.push_back(std::move(reader));
    }

    Result<std::unique_ptr<Reader>> borrow_reader() {
        {
            std::lock_guard lock(reading_);
            if (!idle_.empty()) {
                std::unique_ptr<Reader> reader = std::move(idle_.back());
                idle_.pop_back();
                return reader;
            }
        }
        return std::make_unique<Reader>(
            TRY(with_context(Connection::open(file_, nullptr), file_.string())));
    }

    const Path file_;
    Memory memory_;
    SqliteWriter writer_;
    GroupCommit group_;
    std::mutex reading_;  // holds idle_
    std::vector<std::unique_ptr<Reader>> idle_;
};

// make_file creates the file with mode 0600; SQLite gives its log files the same mode.
Result<void> make_file(const Path& file) {
    int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return fail(Code::io, "{}: cannot be opened or created: {}", file.string(),
                    std::strerror(errno));
    }
    ::close(fd);
    return {};
}

}  // namespace

Result<std::unique_ptr<Store>> open_sqlite(const Path& file) {
    TRY(make_file(file));
    std::unique_ptr<Connection> writer =
        TRY(with_context(Connection::open(file, &sqlite_schema()), file.string()));
    return std::unique_ptr<Store>(std::make_unique<SqliteStore>(file, std::move(writer)));
}

}  // namespace vouchsafe::store
