// Many requests at once, in two services on one file, as two processes have it: whatever was
// acknowledged counts for every request that begins afterwards, though requests are judged by what
// each service remembers of the store, and each use is recorded once.
#include <atomic>
#include <thread>

#include "vouchsafe/vault/object_test_support.h"

namespace vouchsafe::vault::test {
namespace {

constexpr size_t kServices = 2;
constexpr int kChanges = 40;
constexpr std::chrono::milliseconds kBetween{2};  // changes

class BusyTest : public ObjectTest {
  protected:
    BusyTest() {
        for (size_t i = 0; i < kServices; ++i) {
            stores_[i] = MUST(store::open_sqlite(dir_.path() / "vault.db"));
            services_[i] =
                MUST(Service::create(config_, {*stores_[i], clock_, web_.fetch(), keys().signer}));
        }
    }

    Answer at(size_t service, const std::string& token, std::string_view method,
              const std::string& path, const Json& body = nullptr) {
        return send_to(*services_[service % kServices], method, path + "?api-version=7.4",
                       body.is_null() ? "" : dump_json(body), token);
    }
    // beside runs `reads(service)` again and again, on a thread for each service, until `changes`
    // is done.
    static void beside(const std::function<void()>& changes,
                       const std::function<void(size_t)>& reads) {
        std::atomic<bool> done = false;
        std::vector<std::thread> threads;
        for (size_t i = 0; i < kServices; ++i) {
            threads.emplace_back([&, i] {
                while (!done) reads(i);
            });
        }
        changes();
        done = true;
        for (std::thread& thread : threads) thread.join();
    }
    size_t recorded_reads() {
        size_t out = 0;
        audit::Log log(*stores_[0]);
        const uint64_t size = MUST(log.size());
        for (uint64_t from = 0; from < size; from += 500) {
            for (const audit::StoredEntry& one : MUST(log.entries(from, 500))) {
                const bool read = one.entry.action == "secrets/get";
                if (read && one.entry.outcome == audit::Outcome::allowed) ++out;
            }
        }
        return out;
    }

    std::unique_ptr<store::Store> stores_[kServices];
    std::unique_ptr<Service> services_[kServices];
    const std::string officer_ = access_token(kOfficer);
    const std::string reader_ = access_token(kReader);
};

// Known is what must be told to who asks now, and what may be.
struct Known {
    std::atomic<int> begun = 0, acknowledged = 0;
};

TEST_F(BusyTest, NobodyReadsWhatWasReplacedBeforeHeAsked) {
    Known secret, key;
    std::atomic<size_t> given = 0;
    ASSERT_EQ(set("s", {{"value", "0"}}).status, 200);
    ASSERT_EQ(create("k", {{"kty", "EC"}, {"tags", {{"n", "0"}}}}).status, 200);
    const auto replace = [&](Known& known, int n, std::string_view method, const std::string& path,
                             const Json& body) {
        known.begun = n;
        EXPECT_EQ(at(static_cast<size_t>(n), officer_, method, path, body).status, 200);
        known.acknowledged = n;
        std::this_thread::sleep_for(kBetween);
    };
    const auto change = [&] {
        for (int n = 1; n <= kChanges; ++n) {
            const std::string text = std::to_string(n);
            replace(secret, n, "PUT", "/secrets/s", {{"value", text}});
            replace(key, n, "PATCH", "/keys/k", {{"tags", {{"n", text}}}});
        }
    };
    const auto read = [&](size_t reader) {
        const int oldest = secret.acknowledged;
        const Answer answer = at(reader, reader_, "GET", "/secrets/s");
        const int newest = secret.begun;
        ASSERT_EQ(answer.status, 200);
        ++given;
        const int value = std::stoi(answer.body["value"].get<std::string>());
        EXPECT_TRUE(oldest <= value && value <= newest) << oldest << " " << value << " " << newest;
    };
    const auto read_key = [&](size_t reader) {
        const int oldest = key.acknowledged;
        const Answer answer = at(reader, officer_, "GET", "/keys/k");
        const int newest = key.begun;
        ASSERT_EQ(answer.status, 200);
        const int value = std::stoi(answer.body["tags"]["n"].get<std::string>());
        EXPECT_TRUE(oldest <= value && value <= newest) << oldest << " " << value << " " << newest;
    };
    beside(change, [&](size_t reader) {
        read(reader);
        read_key(reader);
    });
    EXPECT_GT(given, size_t{kServices});
    EXPECT_EQ(recorded_reads(), given);
}

TEST_F(BusyTest, ARoleCountsFromItsBeginningToItsEnd) {
    enum State { has, ends, has_not, begins };
    std::atomic<int> step = has;
    std::atomic<size_t> given = 0, refused = 0;
    ASSERT_EQ(set("s", {{"value", "v"}}).status, 200);
    const auto change = [&] {
        for (int n = 0; n < kChanges; ++n) {
            ++step;
            for (const RoleAssignment& role : MUST(services_[1]->roles_of(kReader))) {
                MUST(services_[1]->remove_role(kReader, role.id));
            }
            ++step;
            std::this_thread::sleep_for(kBetween);
            ++step;
            MUST(services_[0]->assign_role(kReader, "Key Vault Secrets User", vault_.resource_id));
            ++step;
            std::this_thread::sleep_for(kBetween);
        }
    };
    const auto read = [&](size_t reader) {
        const int before = step;
        const Answer answer = at(reader, reader_, "GET", "/secrets/s");
        const int after = step;
        answer.status == 200 ? ++given : ++refused;
        if (before == after && before % 4 == has) {
            EXPECT_EQ(answer.status, 200);
        } else if (before == after && before % 4 == has_not) {
            EXPECT_EQ(answer.status, 403);
        } else {
            EXPECT_TRUE(answer.status == 200 || answer.status == 403) << answer.status;
        }
    };
    beside(change, read);
    EXPECT_GT(given, 0u);
    EXPECT_GT(refused, 0u);
    EXPECT_EQ(recorded_reads(), given);
}

}  // namespace
}  // namespace vouchsafe::vault::test
