// What PostgreSQL alone brings: a server that goes away, replicas, passwords.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <atomic>
#include <mutex>
#include <random>

#include "vouchsafe/store/postgres_connection.h"
#include "vouchsafe/store/test_postgres.h"

namespace vouchsafe::store {
namespace {

using testing::HasSubstr;
using testing::Not;

class PostgresStoreTest : public testing::Test {
  protected:
    void SetUp() override {
        if (postgres_programs().empty()) GTEST_SKIP() << kNoPostgres;
        static int made = 0;
        schema_ = fmt::format("postgres_{}", ++made);
        store_ = open();
    }

    std::unique_ptr<Store> open() {
        return MUST(open_postgres(PostgresServer::server().url(), schema_));
    }
    static Result<void> put(Store& store, std::string_view key, std::string_view value = "v") {
        return store.run([&](Transaction& tx) { return tx.put("t", key, as_bytes(value)); });
    }
    static bool has(Store& store, std::string_view key) {
        bool out = false;
        MUST(store.read([&](View& view) -> Result<void> {
            out = TRY(view.get("t", key)).has_value();
            return {};
        }));
        return out;
    }
    // sql changes the schema behind the store's back.
    void sql(const std::string& text) {
        const PostgresPlace place{PostgresServer::server().url(), schema_};
        auto connection =
            MUST(PostgresConnection::open(place, PostgresConnection::Setup::make_or_check));
        MUST(connection->execute(text));
    }

    std::string schema_;
    std::unique_ptr<Store> store_;
};

TEST_F(PostgresStoreTest, IsBackAfterARestartOfTheServer) {
    MUST(put(*store_, "a"));
    EXPECT_TRUE(has(*store_, "a"));
    PostgresServer::server().stop(SIGINT);
    for (const Error& error : {put(*store_, "b").error(),
                               store_->read([](View&) -> Result<void> { return {}; }).error()}) {
        EXPECT_EQ(error.code, Code::unavailable) << error.message;
    }
    PostgresServer::server().start();
    MUST(put(*store_, "b"));
    EXPECT_TRUE(has(*store_, "a"));
    EXPECT_TRUE(has(*store_, "b"));
}

TEST_F(PostgresStoreTest, ACrashWithinATransactionLeavesNothing) {
    auto crashed = store_->run([&](Transaction& tx) -> Result<void> {
        TRY(tx.put("t", "a", as_bytes("v")));
        PostgresServer::server().stop(SIGQUIT);
        PostgresServer::server().start();
        EXPECT_EQ(tx.put("t", "b", as_bytes("v")).error().code, Code::unavailable);
        return {};  // careless work: the store must notice itself
    });
    ASSERT_FALSE(crashed);
    EXPECT_EQ(crashed.error().code, Code::unavailable);
    EXPECT_FALSE(has(*store_, "a"));
    MUST(put(*store_, "a"));
}

TEST_F(PostgresStoreTest, TakesOverASchemaOfVersion1) {
    MUST(put(*store_, "a"));
    sql("UPDATE schema_version SET version = 1");
    auto again = MUST(open_postgres(PostgresServer::server().url(), schema_));
    EXPECT_TRUE(has(*again, "a"));
    sql("DO $$ BEGIN ASSERT (SELECT version FROM schema_version) = 3; END $$");
}

TEST_F(PostgresStoreTest, RefusesANewerSchemaAndOtherPrograms) {
    sql("UPDATE schema_version SET version = 4");
    auto newer = open_postgres(PostgresServer::server().url(), schema_);
    ASSERT_FALSE(newer);
    EXPECT_EQ(newer.error().code, Code::unsupported);
    EXPECT_THAT(newer.error().message, HasSubstr("schema version 4"));
    const PostgresPlace place{PostgresServer::server().url(), schema_};
    auto connection = MUST(PostgresConnection::open(place, PostgresConnection::Setup::known));
    MUST(connection->execute("DROP TABLE schema_version"));
    auto foreign = open_postgres(PostgresServer::server().url(), schema_);
    ASSERT_FALSE(foreign);
    EXPECT_EQ(foreign.error().code, Code::invalid);
    EXPECT_EQ(open_postgres(PostgresServer::server().url(), "a\"; DROP").error().code,
              Code::invalid);
}

TEST_F(PostgresStoreTest, CommitsToDiskWhateverTheServersDefault) {
    sql("ALTER ROLE vouchsafe SET synchronous_commit = off");
    const PostgresPlace place{PostgresServer::server().url(), schema_};
    auto connection = MUST(PostgresConnection::open(place, PostgresConnection::Setup::known));
    MUST(connection->execute(
        "DO $$ BEGIN ASSERT current_setting('synchronous_commit') = 'on'; END $$"));
    sql("ALTER ROLE vouchsafe SET synchronous_commit = remote_apply");
    connection = MUST(PostgresConnection::open(place, PostgresConnection::Setup::known));
    MUST(connection->execute(
        "DO $$ BEGIN ASSERT current_setting('synchronous_commit') = 'remote_apply'; END $$"));
    sql("ALTER ROLE vouchsafe RESET synchronous_commit");
}

TEST_F(PostgresStoreTest, LetsInWhoHasThePasswordAndTellsItToNobody) {
    sql(fmt::format("CREATE ROLE secretive LOGIN SUPERUSER PASSWORD '{}'",
                    PostgresServer::kPassword));
    const std::string folder = PostgresServer::server().socket_folder().string();
    auto url = [&](std::string_view password, std::string_view more = "") {
        return fmt::format("postgresql://secretive:{}@/postgres?host={}{}", password, folder, more);
    };
    MUST(open_postgres(url(PostgresServer::kPassword), schema_));

    const std::string wrong = "hunter2hunter2";
    for (const std::string& bad :
         {url(wrong), url(wrong + "%zz"), url(wrong + "%00"), url(wrong + "@more"),
          url("12/" + wrong), url(wrong + "/more"), url(wrong + "#x"), url(wrong + "?x=y"),
          url(wrong + ":x"), url(wrong, "&nonsense=" + wrong), url(wrong, "&port=" + wrong),
          url(wrong, "&sslmode=" + wrong), url(wrong, "&options=-c%20" + wrong),
          fmt::format("postgresql://u:{}@nowhere.invalid/db", wrong),
          fmt::format("postgresql://127.0.0.1:1/db?user=u&password={}", wrong),
          fmt::format("postgresql://u:x@127.0.0.1:1/{0}?password={0}", wrong)}) {
        auto refused = open_postgres(bad, schema_);
        ASSERT_FALSE(refused) << bad;
        EXPECT_THAT(refused.error().message, Not(HasSubstr(wrong))) << bad;
        EXPECT_THAT(refused.error().message, Not(HasSubstr("hunter"))) << bad;
    }
}

// Proxy stands between store and server and can cut the connection at a commit.
class Proxy {
  public:
    enum class Cut { never, before_commit, after_commit };

    Proxy() : dir_(MUST(TemporaryDir::create("proxy"))) {
        listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un at = address(dir_.path());
        if (bind(listener_, reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
            listen(listener_, 16) != 0) {
            std::abort();
        }
        acceptor_ = std::thread([this] {
            int client = 0;
            while ((client = accept(listener_, nullptr, nullptr)) >= 0) {
                std::lock_guard lock(mutex_);
                relays_.emplace_back([this, client] { relay(client); });
            }
        });
    }
    // The store must be gone.
    ~Proxy() {
        shutdown(listener_, SHUT_RDWR);
        acceptor_.join();
        close(listener_);
        for (std::thread& relay : relays_) relay.join();
    }
    Proxy(const Proxy&) = delete;
    Proxy& operator=(const Proxy&) = delete;

    std::string url() const { return PostgresServer::url_at(dir_.path()); }
    std::atomic<Cut> next = Cut::never;  // at the next commit, once

  private:
    static sockaddr_un address(const Path& folder) {
        sockaddr_un out{};
        out.sun_family = AF_UNIX;
        const std::string path = (folder / ".s.PGSQL.5432").string();
        path.copy(out.sun_path, sizeof out.sun_path - 1);
        return out;
    }

    void relay(int client) {
        const int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_un at = address(PostgresServer::server().socket_folder());
        if (connect(server, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
            while (pass_on(client, server)) {
            }
        }
        close(server);
        close(client);
    }

    bool pass_on(int client, int server) {
        pollfd both[] = {{client, POLLIN, 0}, {server, POLLIN, 0}};
        if (poll(both, 2, -1) < 0) return false;
        std::string buffer(1 << 16, '\0');
        if (both[1].revents != 0) {
            const ssize_t got = read(server, buffer.data(), buffer.size());
            return got > 0 &&
                   send(client, buffer.data(), static_cast<size_t>(got), MSG_NOSIGNAL) == got;
        }
        const ssize_t got = read(client, buffer.data(), buffer.size());
        if (got <= 0) return false;
        const bool commits =
            std::string_view(buffer.data(), static_cast<size_t>(got)).find("; COMMIT") !=
            std::string_view::npos;
        const Cut cut = commits ? next.exchange(Cut::never) : Cut::never;
        if (cut == Cut::before_commit) return false;
        if (send(server, buffer.data(), static_cast<size_t>(got), MSG_NOSIGNAL) != got)
            return false;
        // Its answer comes when it has committed.
        return cut == Cut::never || (read(server, buffer.data(), buffer.size()) > 0 && false);
    }

    TemporaryDir dir_;
    int listener_ = -1;
    std::thread acceptor_;
    std::mutex mutex_;
    std::vector<std::thread> relays_;
};

TEST_F(PostgresStoreTest, LearnsWhatBecameOfACommitWhoseAnswerWasLost) {
    Proxy proxy;
    auto cut_off = MUST(open_postgres(proxy.url(), schema_));
    proxy.next = Proxy::Cut::after_commit;
    EXPECT_TRUE(put(*cut_off, "after"));
    EXPECT_TRUE(has(*store_, "after"));

    proxy.next = Proxy::Cut::before_commit;
    auto lost = put(*cut_off, "before");
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Code::unavailable);
    EXPECT_THAT(lost.error().message, HasSubstr("nothing was written"));
    EXPECT_FALSE(has(*store_, "before"));
    EXPECT_TRUE(put(*cut_off, "before"));
    cut_off.reset();
}

TEST_F(PostgresStoreTest, WhatIsToldOfACommitIsTrueUnderLoad) {
    Proxy proxy;
    auto cut_off = MUST(open_postgres(proxy.url(), schema_));
    std::mutex mutex;
    std::map<std::string, bool> told;
    std::atomic<bool> stop = false;
    std::vector<std::thread> threads;
    for (int i = 0; i < 6; ++i) {
        threads.emplace_back([&, i] {
            for (int n = 0; !stop; ++n) {
                const std::string key = fmt::format("{}/{}", i, n);
                const bool done = put(*cut_off, key).has_value();
                std::lock_guard lock(mutex);
                told[key] = done;
            }
        });
    }
    std::mt19937 random(std::random_device{}());
    for (int i = 0; i < 20; ++i) {
        proxy.next = random() % 2 == 0 ? Proxy::Cut::after_commit : Proxy::Cut::before_commit;
        std::this_thread::sleep_for(std::chrono::milliseconds(random() % 40));
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
    size_t refused = 0;
    for (const auto& [key, done] : told) {
        EXPECT_EQ(has(*store_, key), done) << key;
        if (!done) ++refused;
    }
    EXPECT_GT(told.size(), refused);
    cut_off.reset();
}

TEST_F(PostgresStoreTest, WhoWaitsInVainForItsTurnCanTryAgain) {
    const PostgresPlace place{PostgresServer::server().url(), schema_};
    auto other = MUST(PostgresConnection::open(place, PostgresConnection::Setup::known));
    MUST(other->begin_write());
    std::atomic<bool> done = false;
    Result<void> waited;
    std::thread waiting([&] {
        waited = put(*store_, "k");
        done = true;
    });
    // The server ends the wait, as it does by itself after ten seconds.
    auto third = MUST(PostgresConnection::open(place, PostgresConnection::Setup::known));
    while (!done) {
        MUST(third->execute("SELECT pg_cancel_backend(pid) FROM pg_locks WHERE NOT granted"));
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    waiting.join();
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, Code::unavailable);
    other->roll_back();
    EXPECT_TRUE(put(*store_, "k"));
}

TEST_F(PostgresStoreTest, ReplicasCountWithoutLosingAStepOrAnError) {
    auto other = open();
    std::vector<std::thread> threads;
    for (Store* store : {store_.get(), other.get(), store_.get(), other.get()}) {
        threads.emplace_back([store] {
            for (int i = 0; i < 50; ++i) {
                EXPECT_TRUE(store->run([&](Transaction& tx) -> Result<void> {
                    auto old = TRY(tx.get("t", "count"));
                    int value = old ? std::stoi(to_text(*old)) : 0;
                    return tx.put("t", "count", as_bytes(std::to_string(value + 1)));
                }));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    MUST(store_->read([&](View& view) -> Result<void> {
        EXPECT_EQ(to_text(TRY(view.get("t", "count")).value_or(Bytes{})), "200");
        return {};
    }));
}

}  // namespace
}  // namespace vouchsafe::store
