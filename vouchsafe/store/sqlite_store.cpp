#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <mutex>

#include "vouchsafe/store/group_commit.h"
#include "vouchsafe/store/sqlite_connection.h"

namespace vouchsafe::store {

namespace {

constexpr size_t kMaxIdleReaders = 8;

// SqliteWriter is the store's one writing connection.
class SqliteWriter : public SharedTransaction {
  public:
    explicit SqliteWriter(std::unique_ptr<Connection> connection)
        : connection_(std::move(connection)), transaction_(*connection_) {}

    Result<void> begin() override {
        return execute(Sql::begin_write);
    }  // waits for other processes
    Result<void> mark() override { return execute(Sql::savepoint); }
    Result<void> release() override { return execute(Sql::release); }
    Result<void> go_back() override {
        TRY(execute(Sql::go_back));
        return execute(Sql::release);
    }
    Result<void> check() override { return connection_->check_open(); }
    Result<void> commit() override { return execute(Sql::commit); }
    void roll_back() override { connection_->roll_back(); }
    Transaction& transaction() override { return transaction_; }

  private:
    Result<void> execute(Sql which) {
        TRY(connection_->execute(which));
        return {};
    }

    std::unique_ptr<Connection> connection_;
    CheckedTransaction transaction_;
};

class SqliteStore : public Store {
  public:
    SqliteStore(Path file, std::unique_ptr<Connection> writer)
        : file_(std::move(file)), writer_(std::move(writer)), group_(writer_) {}

    Result<void> run(const std::function<Result<void>(Transaction&)>& work) override {
        return group_.run(work);
    }

    Result<void> read(const std::function<Result<void>(View&)>& work) override {
        std::unique_ptr<Connection> reader = TRY(borrow_reader());
        Result<void> done = [&]() -> Result<void> {
            struct RollBack {  // also when `work` throws
                Connection& connection;
                ~RollBack() { connection.roll_back(); }
            } roll_back{*reader};
            TRY(reader->execute(Sql::begin_read));
            CheckedTransaction view(*reader);
            return work(view);
        }();
        std::lock_guard lock(reading_);
        if (idle_.size() < kMaxIdleReaders) idle_.push_back(std::move(reader));
        return done;
    }

    Statistics statistics() const override { return group_.statistics(); }

  private:
    Result<std::unique_ptr<Connection>> borrow_reader() {
        {
            std::lock_guard lock(reading_);
            if (!idle_.empty()) {
                std::unique_ptr<Connection> reader = std::move(idle_.back());
                idle_.pop_back();
                return reader;
            }
        }
        return with_context(Connection::open(file_, nullptr), file_.string());
    }

    const Path file_;
    SqliteWriter writer_;
    GroupCommit group_;
    std::mutex reading_;  // holds idle_
    std::vector<std::unique_ptr<Connection>> idle_;
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
