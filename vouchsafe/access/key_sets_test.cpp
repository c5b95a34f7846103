#include "vouchsafe/access/key_sets.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <thread>

#include "vouchsafe/access/test_web.h"

namespace vouchsafe::access {
namespace {

using testing::FakeWeb;
using testing::TestIssuer;

const Time kNow = from_unix(1'800'000'000);

struct Keys {
    TestIssuer login{"login-1", make_rsa()};
    TestIssuer stranger{"stranger-1", make_rsa()};

    static crypto::PrivateKey make_rsa() { return MUST(crypto::PrivateKey::generate_rsa(2048)); }
};
const Keys& keys() {
    static const Keys kKeys;
    return kKeys;
}

constexpr const char* kBase = "https://issuer.example/t";

class KeySetsTest : public ::testing::Test {
  protected:
    KeySetsTest() { web_.serve(kBase, keys().login); }

    bool finds(std::string_view kid) {
        auto found = sets_.find(kBase, kid);
        return found && (*found)->find(kid) != nullptr;
    }
    int fetches() { return web_.fetched[std::string(kBase) + "/certs"]; }
    void pass(Seconds time) { clock_.set(clock_.now() + time); }

    FakeWeb web_;
    FixedClock clock_{kNow};
    KeySetTimes times_;
    KeySets sets_{web_.fetch(), clock_, times_};
};

TEST_F(KeySetsTest, KeepsWhatItFetched) {
    EXPECT_TRUE(finds("login-1"));
    pass(times_.refresh - Seconds(1));
    EXPECT_TRUE(finds("login-1"));
    EXPECT_EQ(fetches(), 1);
    pass(Seconds(1));
    EXPECT_TRUE(finds("login-1"));
    EXPECT_EQ(fetches(), 2);
}

TEST_F(KeySetsTest, ForgetsAnIssuerThatCameBackAsAnother) {
    EXPECT_TRUE(finds("login-1"));
    web_.serve(kBase, keys().stranger);
    sets_.forget("https://issuer.exampl");
    sets_.forget("https://issuer.example.org");
    EXPECT_TRUE(finds("login-1"));
    sets_.forget("https://issuer.example");
    EXPECT_FALSE(finds("login-1"));
    EXPECT_TRUE(finds("stranger-1"));
    sets_.forget("https://issuer.example");
    sets_.forget("https://issuer.example");
}

TEST_F(KeySetsTest, AsksAgainForAnUnknownKeyButNotOften) {
    EXPECT_TRUE(finds("login-1"));
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(finds("stranger-1"));
    EXPECT_EQ(fetches(), 1);
    pass(times_.retry);
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(finds("stranger-1"));
    EXPECT_EQ(fetches(), 2);

    web_.serve(kBase, keys().stranger);  // the issuer rotates
    pass(times_.retry);
    EXPECT_TRUE(finds("stranger-1"));
    EXPECT_FALSE(finds("login-1"));
    EXPECT_EQ(fetches(), 3);
}

TEST_F(KeySetsTest, OldKeysServeThroughAnOutageUntilTheyAreTooOld) {
    EXPECT_TRUE(finds("login-1"));
    web_.documents.clear();
    pass(times_.max_age - Seconds(1));
    EXPECT_TRUE(finds("login-1"));
    EXPECT_FALSE(finds("stranger-1"));
    pass(Seconds(1));
    auto gone = sets_.find(kBase, "login-1");
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Code::unavailable);
}

TEST_F(KeySetsTest, AnIssuerThatIsDownIsNotHammered) {
    web_.documents.clear();
    for (int i = 0; i < 10; ++i) EXPECT_FALSE(finds("login-1"));
    EXPECT_EQ(web_.fetched[std::string(kBase) + "/.well-known/openid-configuration"], 1);
    web_.serve(kBase, keys().login);
    pass(times_.retry);
    EXPECT_TRUE(finds("login-1"));
}

TEST_F(KeySetsTest, AnIssuerThatHangsDelaysOnlyThoseWhoNeedItsNewKeys) {
    std::promise<void> asked, answer;
    std::shared_future<void> answered = answer.get_future().share();
    bool slow = false;
    KeySets sets(
        [&, fetch = web_.fetch()](const std::string& url) {
            if (std::exchange(slow, false)) {
                asked.set_value();
                answered.wait();
            }
            return fetch(url);
        },
        clock_, times_);
    ASSERT_TRUE(sets.find(kBase, "login-1"));
    pass(times_.retry);
    slow = true;
    auto stranger = std::async(std::launch::async, [&] { return sets.find(kBase, "stranger-1"); });
    asked.get_future().wait();
    EXPECT_TRUE(sets.find(kBase, "login-1"));  // at once, or this test would hang
    auto second = std::async(std::launch::async, [&] { return sets.find(kBase, "stranger-1"); });
    web_.serve(kBase, keys().stranger);
    answer.set_value();
    EXPECT_TRUE(MUST(stranger.get())->find("stranger-1"));
    EXPECT_TRUE(MUST(second.get())->find("stranger-1"));
    EXPECT_EQ(fetches(), 2);
}

// A release policy may name any address of an allowed origin: each would be an issuer of its own.
TEST_F(KeySetsTest, KeepsFewIssuersAndForgetsThoseWithoutKeysFirst) {
    std::atomic<int> asked = 0;
    KeySets sets(
        [&](const std::string& url) -> Result<Json> {
            ++asked;
            if (!url.starts_with(kBase)) return fail(Code::unavailable, "{} is down", url);
            return web_.documents.at(url);
        },
        clock_, times_);
    ASSERT_TRUE(sets.find(kBase, "login-1"));
    EXPECT_EQ(asked, 2);
    const auto made_up = [](size_t i) { return fmt::format("https://issuer.example/no/{}", i); };
    for (size_t i = 0; i < kMaxKeySets; ++i) EXPECT_FALSE(sets.find(made_up(i), "login-1"));
    asked = 0;
    ASSERT_TRUE(sets.find(kBase, "login-1"));
    EXPECT_EQ(asked, 0);  // the oldest of all, and it was kept
    EXPECT_FALSE(sets.find(made_up(1), "login-1"));
    EXPECT_EQ(asked, 0);  // it is known that it is down
    EXPECT_FALSE(sets.find(made_up(0), "login-1"));
    EXPECT_EQ(asked, 1);  // that was forgotten
}

TEST_F(KeySetsTest, ManyIssuersThatHangDoNotKeepAllWorkers) {
    std::promise<void> answer;
    std::shared_future<void> answered = answer.get_future().share();
    times_.brief = std::chrono::milliseconds(1);
    times_.patience = std::chrono::minutes(10);
    times_.waiting = 2;
    KeySets sets(
        [&](const std::string& url) -> Result<Json> {
            answered.wait();
            return fail(Code::unavailable, "{} is down", url);
        },
        clock_, times_);
    std::atomic<int> done = 0;
    std::vector<std::future<Result<KeySets::Keys>>> patient;  // ends before what its threads use
    for (int i = 0; i < 12; ++i) {
        patient.push_back(std::async(std::launch::async, [&, i] {
            auto found = sets.find(fmt::format("https://hangs.example/{}", i), "k");
            ++done;
            return found;
        }));
    }
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (done < 9 && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    EXPECT_EQ(done, 9);  // three wait with patience
    answer.set_value();
}

TEST_F(KeySetsTest, WhereEveryIssuerHangsOneMoreIsTurnedAway) {
    std::promise<void> answer;
    std::shared_future<void> answered = answer.get_future().share();
    times_.brief = times_.patience = std::chrono::milliseconds(0);
    KeySets sets(
        [&](const std::string& url) -> Result<Json> {
            answered.wait();
            return fail(Code::unavailable, "{} is down", url);
        },
        clock_, times_);
    for (size_t i = 0; i < kMaxKeySets; ++i) {
        EXPECT_FALSE(sets.find(fmt::format("https://hangs.example/{}", i), "k"));
    }
    const auto more = sets.find("https://hangs.example/more", "k");
    ASSERT_FALSE(more);
    EXPECT_EQ(more.error().code, Code::unavailable);
    EXPECT_TRUE(more.error().message.starts_with("512 token issuers")) << more.error().message;
    answer.set_value();
}

TEST_F(KeySetsTest, KeysAreKeptApartByWhatTheirFetchingBelieved) {
    const FetchJson genuine = web_.fetch();
    const FetchJson forged = [&](const std::string& url) -> Result<Json> {
        if (url.ends_with("/certs")) return keys().stranger.jwks();
        return web_.documents.at(url);
    };
    EXPECT_TRUE(MUST(sets_.find({kBase, "", forged, "old"}, "stranger-1"))->find("stranger-1"));
    const auto found = MUST(sets_.find({kBase, "", genuine, "new"}, "login-1"));
    EXPECT_TRUE(found->find("login-1"));
    EXPECT_FALSE(found->find("stranger-1"));
}

TEST_F(KeySetsTest, AClockSetBackDoesNotKeepKeysForEver) {
    EXPECT_TRUE(finds("login-1"));
    clock_.set(kNow - Seconds(86400));
    EXPECT_TRUE(finds("login-1"));
    EXPECT_EQ(fetches(), 2);
}

TEST_F(KeySetsTest, RefusesKeysOfAnotherOriginAndPlainHttp) {
    Json& metadata = web_.documents[std::string(kBase) + "/.well-known/openid-configuration"];
    web_.documents["https://evil.example/certs"] = keys().stranger.jwks();
    for (const char* url :
         {"https://evil.example/certs", "http://issuer.example/t/certs",
          "https://issuer.example:8443/t/certs", "https://issuer.example@evil/", "certs"}) {
        metadata["jwks_uri"] = url;
        pass(times_.retry);
        EXPECT_FALSE(finds("stranger-1")) << url;
        EXPECT_EQ(web_.fetched[url], 0);
    }
    metadata.erase("jwks_uri");
    pass(times_.retry);
    EXPECT_FALSE(finds("login-1"));

    web_.serve("http://plain.example", keys().login);
    EXPECT_FALSE(sets_.find("http://plain.example", "login-1"));
    EXPECT_EQ(web_.fetched["http://plain.example/.well-known/openid-configuration"], 0);
}

}  // namespace
}  // namespace vouchsafe::access
