// What was acknowledged is there, whenever the process is killed.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <mutex>
#include <random>
#include <thread>

#include "vouchsafe/audit/log.h"
#include "vouchsafe/store/test_engine.h"

namespace vouchsafe::audit {
namespace {

using store::TestEngine;

constexpr uint64_t kWriters = 6;

// Acknowledged is what a writer tells: its act has this number and its entry this index.
struct Acknowledged {
    uint64_t act;
    uint64_t index;
};
static_assert(sizeof(Acknowledged) <= PIPE_BUF);  // told in one piece

Result<uint64_t> act(store::Store& store, Log& log, uint64_t number) {
    uint64_t index = 0;
    TRY(store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(tx.insert("act", std::to_string(number), as_bytes(std::to_string(number))));
        Entry entry;
        entry.request_id = std::to_string(number);
        index = TRY(log.append(tx, entry));
        if (number % 7 == 3) return fail(Code::forbidden, "changed my mind");
        return {};
    }));
    return index;
}

// write_until_killed acts with many threads and tells each act that was acknowledged.
[[noreturn]] void write_until_killed(TestEngine& engine, uint64_t first, int tell) {
    auto store = engine.try_open();
    if (!store) _exit(1);
    Log log(**store);
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < kWriters; ++i) {
        threads.emplace_back([&, i] {
            for (uint64_t number = first + i;; number += kWriters) {
                auto index = act(**store, log, number);
                if (!index && index.error().code != Code::forbidden) _exit(2);
                if (!index) continue;
                Acknowledged told{number, *index};
                if (write(tell, &told, sizeof told) != sizeof told) _exit(3);
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    _exit(4);
}

// run_and_kill returns what a child acknowledged until it was killed.
std::vector<Acknowledged> run_and_kill(TestEngine& engine, uint64_t first,
                                       std::chrono::milliseconds after) {
    int ends[2];
    EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const pid_t pid = fork();
    if (pid == 0) write_until_killed(engine, first, ends[1]);
    close(ends[1]);
    std::vector<Acknowledged> out;
    Acknowledged told{};
    auto receive = [&] {
        if (read(ends[0], &told, sizeof told) != sizeof told) return false;
        out.push_back(told);
        return true;
    };
    EXPECT_TRUE(receive());
    std::thread killer([&] {
        std::this_thread::sleep_for(after);
        kill(pid, SIGKILL);
    });
    while (receive()) {
    }
    killer.join();
    int status = 0;
    EXPECT_EQ(waitpid(pid, &status, 0), pid);
    EXPECT_TRUE(WIFSIGNALED(status));
    close(ends[0]);
    return out;
}

class KilledTest : public testing::TestWithParam<store::EngineKind> {};

INSTANTIATE_TEST_SUITE_P(Engines, KilledTest, testing::ValuesIn(store::engines()),
                         store::engine_name);

TEST_P(KilledTest, LosesNothingAcknowledgedAndKeepsTheTree) {
    auto engine = store::make_engine(GetParam());
    std::mt19937 random(std::random_device{}());
    std::vector<Acknowledged> acknowledged;
    std::vector<TreeHead> heads;
    for (uint64_t round = 0; round < 5; ++round) {
        auto more = run_and_kill(*engine, round << 32, std::chrono::milliseconds(random() % 100));
        acknowledged.insert(acknowledged.end(), more.begin(), more.end());
        auto store = MUST(engine->try_open());
        Log log(*store);
        Checks checks;
        heads.push_back(MUST(log.verify_heads(heads, checks)));
        MUST(store->read([&](store::View& view) -> Result<void> {
            for (const Acknowledged& one : acknowledged) {
                EXPECT_TRUE(TRY(view.get("act", std::to_string(one.act)))) << one.act;
            }
            return {};
        }));
        for (const Acknowledged& one : more) {
            EXPECT_EQ(MUST(Entry::parse(MUST(log.encoded(one.index)))).request_id,
                      std::to_string(one.act));
        }
        // As many acts as entries: neither is there without the other.
        uint64_t acts = 0;
        MUST(store->read([&](store::View& view) -> Result<void> {
            std::string last;
            while (true) {
                auto page = TRY(view.scan("act", "", last, store::kMaxScan));
                if (page.empty()) return {};
                acts += page.size();
                last = page.back().key;
            }
        }));
        EXPECT_EQ(acts, heads.back().size);
    }
}

TEST(Restart, OfTheServerUnderLoadLosesNothingThatReplicasAcknowledged) {
    if (store::postgres_programs().empty()) GTEST_SKIP() << store::kNoPostgres;
    store::PostgresEngine engine;
    std::unique_ptr<store::Store> replicas[] = {MUST(engine.try_open()), MUST(engine.try_open())};
    std::atomic<bool> stop = false;
    std::atomic<uint64_t> acts = 0;
    std::mutex mutex;
    std::vector<Acknowledged> acknowledged;
    std::vector<std::thread> threads;
    for (uint64_t i = 0; i < kWriters; ++i) {
        threads.emplace_back([&, i] {
            store::Store& store = *replicas[i % 2];
            Log log(store);
            for (uint64_t number = i; !stop; number += kWriters) {
                auto index = act(store, log, number);
                if (!index) {
                    const Code code = index.error().code;
                    EXPECT_TRUE(code == Code::unavailable || code == Code::forbidden)
                        << index.error().message;
                    continue;
                }
                ++acts;
                std::lock_guard lock(mutex);
                acknowledged.push_back({number, *index});
            }
        });
    }
    auto wait_for_more = [&] {
        for (uint64_t goal = acts + 50; acts < goal;) {
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
    };
    for (int signal : {SIGINT, SIGQUIT, SIGQUIT}) {
        wait_for_more();
        store::PostgresServer::server().stop(signal);
        store::PostgresServer::server().start();
    }
    wait_for_more();
    stop = true;
    for (std::thread& thread : threads) thread.join();

    Log log(*replicas[0]);
    Checks checks;
    MUST(log.verify({}, checks));
    for (const Acknowledged& one : acknowledged) {
        EXPECT_EQ(MUST(Entry::parse(MUST(log.encoded(one.index)))).request_id,
                  std::to_string(one.act));
    }
}

}  // namespace
}  // namespace vouchsafe::audit
