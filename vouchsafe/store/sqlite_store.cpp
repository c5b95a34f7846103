#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>

#include "vouchsafe/store/sqlite_connection.h"

namespace vouchsafe::store {

namespace {

constexpr size_t kMaxIdleReaders = 8;

Result<void> check_table(std::string_view table) {
    bool ok = !table.empty() && table.size() <= kMaxTableName;
    for (char c : table) ok = ok && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
    if (!ok) return fail(Code::invalid, "bad table name \"{}\"", table);
    return {};
}

Result<void> check_key(std::string_view key) {
    if (key.empty() || key.size() > kMaxKeySize) {
        return fail(Code::invalid, "a key has 1 to {} bytes, this one {}", kMaxKeySize, key.size());
    }
    return {};
}

// Open is a transaction in progress on one connection.
class Open : public Transaction {
  public:
    explicit Open(Connection& connection) : connection_(connection) {}

    Result<std::optional<Bytes>> get(std::string_view table, std::string_view key) override {
        TRY(check_table(table));
        TRY(check_key(key));
        return connection_.get(table, key);
    }

    Result<std::vector<Record>> scan(std::string_view table, std::string_view prefix,
                                     std::string_view after, size_t limit) override {
        TRY(check_table(table));
        if (prefix.size() > kMaxKeySize || after.size() > kMaxKeySize || limit > kMaxScan) {
            return fail(Code::invalid, "a scan is limited to {} records and keys of {} bytes",
                        kMaxScan, kMaxKeySize);
        }
        std::string lower(prefix);
        // The successor of a key in the order of bytes is that key with a zero byte behind it.
        if (!after.empty() && after >= prefix) lower = std::string(after) + '\0';
        return connection_.scan(table, prefix, lower, limit);
    }

    Result<void> put(std::string_view table, std::string_view key, ByteView value) override {
        return write(Sql::put, table, key, value);
    }

    Result<void> insert(std::string_view table, std::string_view key, ByteView value) override {
        Result<void> done = write(Sql::insert, table, key, value);
        if (!done && done.error().code == Code::conflict) {
            return fail(Code::conflict, "the record exists already");
        }
        return done;
    }

    Result<bool> erase(std::string_view table, std::string_view key) override {
        TRY(check_table(table));
        TRY(check_key(key));
        return TRY(connection_.execute(Sql::erase, table, key)) > 0;
    }

  private:
    Result<void> write(Sql which, std::string_view table, std::string_view key, ByteView value) {
        TRY(check_table(table));
        TRY(check_key(key));
        if (value.size() > kMaxValueSize) {
            return fail(Code::invalid, "a value has at most {} bytes, this one {}", kMaxValueSize,
                        value.size());
        }
        TRY(connection_.execute(which, table, key, value));
        return {};
    }

    Connection& connection_;
};

// RollBack ends whatever transaction is still open, also when `work` throws.
struct RollBack {
    Connection& connection;
    ~RollBack() { connection.roll_back(); }
};

class SqliteStore : public Store {
  public:
    SqliteStore(Path file, std::unique_ptr<Connection> writer)
        : file_(std::move(file)), writer_(std::move(writer)) {}

    Result<void> run(const std::function<Result<void>(Transaction&)>& work) override {
        if (owner_.load() == std::this_thread::get_id()) {
            return fail(Code::internal, "a transaction was started within a transaction");
        }
        std::lock_guard lock(writing_);
        RollBack roll_back{*writer_};
        TRY(writer_->execute(Sql::begin_write));  // waits for other processes
        owner_ = std::this_thread::get_id();
        struct Release {
            std::atomic<std::thread::id>& owner;
            ~Release() { owner = std::thread::id(); }
        } release{owner_};
        Open transaction(*writer_);
        TRY(work(transaction));
        TRY(writer_->execute(Sql::commit));
        return {};
    }

    Result<void> read(const std::function<Result<void>(View&)>& work) override {
        std::unique_ptr<Connection> reader = TRY(borrow_reader());
        Result<void> done = [&]() -> Result<void> {
            RollBack roll_back{*reader};
            TRY(reader->execute(Sql::begin_read));
            Open view(*reader);
            return work(view);
        }();
        std::lock_guard lock(reading_);
        if (idle_.size() < kMaxIdleReaders) idle_.push_back(std::move(reader));
        return done;
    }

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
        return with_context(Connection::open(file_, Connection::Schema::known), file_.string());
    }

    const Path file_;
    std::mutex writing_;  // holds writer_
    std::unique_ptr<Connection> writer_;
    std::atomic<std::thread::id> owner_{};  // the thread inside run
    std::mutex reading_;                    // holds idle_
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
        TRY(with_context(Connection::open(file, Connection::Schema::make_or_check), file.string()));
    return std::unique_ptr<Store>(std::make_unique<SqliteStore>(file, std::move(writer)));
}

}  // namespace vouchsafe::store
