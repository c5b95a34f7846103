#include "vouchsafe/jose/signing_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace vouchsafe::jose {
namespace {

using crypto::SigAlg;
using ::testing::ElementsAre;
using When = SigningKeys::When;

const Time kBegin = *parse_rfc3339("2026-07-01T00:00:00Z");
constexpr Seconds kDay{86400};
constexpr Seconds kEightHours{28800};

class SigningKeysTest : public ::testing::Test {
  protected:
    static TemporaryDir make_dir() { return MUST(TemporaryDir::create("vouchsafe-test")); }
    static std::unique_ptr<store::Store> open_store(const Path& file) {
        return MUST(store::open_sqlite(file));
    }
    KeyRecord place() const {
        return {"signing_key", "one",        dir_.path() / "root.key",
                "test/one",    "as.example", Seconds{86400 * 1000}};
    }
    Result<std::unique_ptr<SigningKeys>> open(KeyRules rules, store::Store* store = nullptr) {
        return SigningKeys::open(
            store != nullptr ? *store : *store_, place(), rules, clock_,
            [this](store::Transaction&, const KeyChange& change) { return record(change); });
    }
    Result<void> record(const KeyChange& change) {
        if (cannot_record_) return fail(Code::io, "the disk is full");
        told_.push_back(std::string(key_change_name(change.why)));
        last_ = change;
        return {};
    }
    static std::string signer(SigningKeys& keys, Time now) {
        return MUST(keys.current())->signing(now).kid;
    }
    void put(ByteView value) {
        MUST(store_->run(
            [&](store::Transaction& tx) { return tx.put("signing_key", "one", value); }));
    }

    TemporaryDir dir_ = make_dir();
    std::unique_ptr<store::Store> store_ = open_store(dir_.path() / "store.db");
    FixedClock clock_{kBegin};
    std::vector<std::string> told_;
    KeyChange last_{};
    bool cannot_record_ = false;
};

constexpr KeyRules kEc{.algorithm = SigAlg::es256, .longest_token = kEightHours};

TEST_F(SigningKeysTest, MakesOneKeyAndFindsItAgain) {
    auto first = MUST(open(kEc));
    auto again = MUST(open({}));  // whatever the store has
    EXPECT_EQ(signer(*first, kBegin), signer(*again, kBegin));
    EXPECT_EQ(MUST(again->current())->newest().alg, SigAlg::es256);
    EXPECT_TRUE(told_.empty());
}

TEST_F(SigningKeysTest, TakesOverTheOneKeyOfAnOlderStore) {
    SigningKey old = MUST(load_or_create(*store_, place(), kBegin));
    clock_.set(kBegin + kDay);
    auto keys = MUST(open({.longest_token = kEightHours * 2}));
    SharedKeyRing ring = MUST(keys->current());
    EXPECT_EQ(ring->signing(clock_.now()).certificate.der(), old.certificate().der());
    EXPECT_EQ(ring->newest().longest, kEightHours * 2);
    MUST(store_->read([&](store::View& view) -> Result<void> {
        EXPECT_FALSE(KeyRing::is_single(*TRY(view.get("signing_key", "one"))));
        return {};
    }));
    EXPECT_EQ(MUST(MUST(open({}))->current())->newest().longest, kEightHours * 2);
}

TEST_F(SigningKeysTest, AnotherAlgorithmIsANewKeyThatSignsAtOnce) {
    std::string before = signer(*MUST(open({})), kBegin);
    auto keys = MUST(open(kEc));
    SharedKeyRing ring = MUST(keys->current());
    EXPECT_EQ(ring->signing(kBegin).alg, SigAlg::es256);
    EXPECT_EQ(ring->keys()[0].kid, before);
    EXPECT_EQ(ring->jwks(kBegin)["keys"].size(), 2u);
    EXPECT_THAT(told_, ElementsAre("algorithm"));
    MUST(open(kEc));
    EXPECT_EQ(told_.size(), 1u);
}

TEST_F(SigningKeysTest, RunningProcessesWithOtherSettingsDoNotFight) {
    auto rsa = MUST(open({.algorithm = SigAlg::rs256, .rotate_after = 30 * kDay}));
    auto other = MUST(store::open_sqlite(dir_.path() / "store.db"));
    auto ec = MUST(open({.algorithm = SigAlg::es256, .rotate_after = 30 * kDay}, other.get()));
    for (int day = 0; day < 28; ++day) {
        clock_.set(kBegin + day * kDay);
        EXPECT_EQ(signer(*rsa, clock_.now()), signer(*ec, clock_.now()));
    }
    EXPECT_THAT(told_, ElementsAre("algorithm", "ended"));
}

TEST_F(SigningKeysTest, ARotationIsSeenByEveryProcessAtItsNextRequest) {
    auto keys = MUST(open(kEc));
    auto store = MUST(store::open_sqlite(dir_.path() / "store.db"));
    auto command = MUST(open({}, store.get()));
    std::string before = signer(*keys, kBegin);
    MUST(command->rotate(When::announced));
    EXPECT_EQ(signer(*keys, kBegin), before);
    EXPECT_EQ(MUST(keys->current())->jwks(kBegin)["keys"].size(), 2u);
    EXPECT_EQ(command->rotate(When::announced).error().code, Code::conflict);
    clock_.set(kBegin + kKeyAnnounced);
    std::string after = signer(*keys, clock_.now());
    EXPECT_NE(after, before);
    EXPECT_EQ(last_.kid, after);
    EXPECT_EQ(last_.signs_from, clock_.now());
    EXPECT_THAT(told_, ElementsAre("command"));
}

TEST_F(SigningKeysTest, WhatIsAnnouncedCanSignAtOnce) {
    auto keys = MUST(open(kEc));
    MUST(keys->rotate(When::announced));
    std::string announced = last_.kid;
    MUST(keys->rotate(When::at_once));
    EXPECT_EQ(signer(*keys, kBegin), announced);
    MUST(keys->rotate(When::at_once));
    EXPECT_NE(signer(*keys, kBegin), announced);
    EXPECT_EQ(MUST(keys->current())->jwks(kBegin)["keys"].size(), 3u);
}

TEST_F(SigningKeysTest, ACompromisedKeyIsGoneAtOnce) {
    auto keys = MUST(open({.algorithm = SigAlg::es256, .longest_token = kEightHours * 2}));
    MUST(keys->rotate(When::announced));
    std::string before = signer(*keys, kBegin);
    MUST(keys->rotate(When::compromised));
    SharedKeyRing ring = MUST(keys->current());
    EXPECT_EQ(ring->keys().size(), 1u);
    EXPECT_NE(ring->newest().kid, before);
    EXPECT_EQ(ring->newest().longest, kEightHours * 2);
    EXPECT_EQ(last_.dropped.size(), 2u);
    EXPECT_EQ(last_.dropped[0], before);
}

TEST_F(SigningKeysTest, AnOldKeyIsReplacedInGoodTimeAndLeavesWithItsLastToken) {
    KeyRules rules = kEc;
    rules.rotate_after = 30 * kDay;
    auto keys = MUST(open(rules));
    std::string first = signer(*keys, kBegin);
    Time announced = kBegin + 29 * kDay;
    clock_.set(announced - Seconds{1});
    EXPECT_EQ(MUST(keys->current())->keys().size(), 1u);
    clock_.set(announced);
    EXPECT_EQ(MUST(keys->current())->jwks(announced)["keys"].size(), 2u);
    EXPECT_EQ(signer(*keys, announced), first);
    Time turn = kBegin + 30 * kDay;
    clock_.set(turn);
    EXPECT_NE(signer(*keys, turn), first);
    Time end = turn + kEightHours + kKeyLeeway;
    clock_.set(end);
    SharedKeyRing both = MUST(keys->current());
    EXPECT_EQ(both->jwks(end)["keys"].size(), 2u);
    EXPECT_FALSE(both->keys()[0].signer);  // erased
    clock_.set(end + Seconds{1});
    EXPECT_EQ(MUST(keys->current())->keys().size(), 1u);
    EXPECT_THAT(told_, ElementsAre("age", "ended"));
    EXPECT_THAT(last_.dropped, ElementsAre(first));
}

TEST_F(SigningKeysTest, AKeyIsPublishedUntilTheLongestTokenThatItSignedHasEnded) {
    auto keys = MUST(open(kEc));
    auto ring = MUST(keys->current_for(kEightHours));
    EXPECT_EQ(ring->newest().longest, kEightHours);
    std::string signed_with = MUST(keys->current_for(kDay * 30))->signing(kBegin).kid;
    MUST(keys->rotate(When::at_once));
    auto published = [&](Time now) {
        clock_.set(now);
        auto known = MUST(MUST(open({}))->current());  // by any process
        return known->jwks(now).dump().find(Json(signed_with).dump()) != std::string::npos;
    };
    EXPECT_TRUE(published(kBegin + kDay * 30));
    EXPECT_FALSE(published(kBegin + kDay * 31));
}

TEST_F(SigningKeysTest, OneLongTokenKeepsItsOwnKeyPublishedAndNoOther) {
    auto keys = MUST(open(kEc));
    constexpr Seconds kYear = 365 * kDay;
    std::string kept = MUST(keys->current_for(kYear))->signing(kBegin).kid;
    for (int day = 1; day <= 20; ++day) {
        clock_.set(kBegin + day * kDay);
        MUST(keys->rotate(When::at_once));
        SharedKeyRing ring = MUST(keys->current_for(kEightHours));
        EXPECT_EQ(ring->newest().longest, kEightHours);
        EXPECT_LE(ring->keys().size(), 3u);
        EXPECT_EQ(ring->keys()[0].kid, kept);
    }
    MUST(keys->rotate(When::compromised));
    EXPECT_EQ(MUST(keys->current())->newest().longest, kEightHours);
}

TEST_F(SigningKeysTest, AKeyMadeByACommandLearnsHowLongTheServicesTokensLive) {
    auto keys = MUST(open({.algorithm = SigAlg::es256, .longest_token = 3 * kEightHours}));
    MUST(MUST(open({}))->rotate(When::at_once));
    SharedKeyRing ring = MUST(keys->current());
    EXPECT_EQ(ring->keys().size(), 2u);
    EXPECT_EQ(ring->newest().longest, 3 * kEightHours);
}

TEST_F(SigningKeysTest, ALongTokenRaisesTheKeyWhoseHourComesMeanwhile) {
    auto keys = MUST(open(kEc));
    MUST(keys->rotate(When::announced));
    auto longest_of = [&](size_t key) { return MUST(keys->current())->keys()[key].longest; };
    clock_.set(kBegin + kKeyAnnounced - kKeyLeeway - Seconds{1});
    MUST(keys->current_for(2 * kDay));
    EXPECT_EQ(longest_of(0), 2 * kDay);
    EXPECT_EQ(longest_of(1), kEightHours);
    clock_.set(clock_.now() + Seconds{1});
    MUST(keys->current_for(2 * kDay));
    EXPECT_EQ(longest_of(1), 2 * kDay);
}

TEST_F(SigningKeysTest, OneOfManyThreadsAndProcessesReplacesAKey) {
    KeyRules rules = kEc;
    rules.rotate_after = 30 * kDay;
    auto first = MUST(open(rules));
    auto store = MUST(store::open_sqlite(dir_.path() / "store.db"));
    auto second = MUST(open(rules, store.get()));
    clock_.set(kBegin + 29 * kDay);
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
        threads.emplace_back([&, i] {
            SigningKeys& keys = i % 2 == 0 ? *first : *second;
            EXPECT_TRUE(keys.current());
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(MUST(first->current())->keys().size(), 2u);
    EXPECT_EQ(MUST(second->current())->newest().kid, MUST(first->current())->newest().kid);
    EXPECT_THAT(told_, ElementsAre("age"));
}

TEST_F(SigningKeysTest, WhatCannotBeRecordedIsNotDoneAndTheKnownKeySigns) {
    KeyRules rules = kEc;
    rules.rotate_after = 30 * kDay;
    auto keys = MUST(open(rules));
    std::string before = signer(*keys, kBegin);
    cannot_record_ = true;
    EXPECT_EQ(keys->rotate(When::compromised).error().code, Code::io);
    clock_.set(kBegin + 29 * kDay);
    EXPECT_EQ(MUST(keys->current())->keys().size(), 1u);
    EXPECT_EQ(signer(*keys, clock_.now()), before);
    cannot_record_ = false;
    EXPECT_EQ(MUST(keys->current())->keys().size(), 1u);  // not at every request
    clock_.set(clock_.now() + Seconds{60});
    EXPECT_EQ(MUST(keys->current())->keys().size(), 2u);
}

TEST_F(SigningKeysTest, ADamagedOrMissingRecordSignsNothing) {
    auto keys = MUST(open(kEc));
    put(as_bytes("damaged"));
    EXPECT_EQ(keys->current().error().code, Code::bad_evidence);
    EXPECT_EQ(open(kEc).error().code, Code::bad_evidence);
    put(as_bytes("{}"));
    EXPECT_EQ(keys->current().error().code, Code::invalid);
    MUST(store_->run([](store::Transaction& tx) -> Result<void> {
        TRY(tx.erase("signing_key", "one"));
        return {};
    }));
    EXPECT_EQ(keys->current().error().code, Code::io);
    EXPECT_EQ(keys->rotate(When::at_once).error().code, Code::io);
}

TEST_F(SigningKeysTest, RefusesRulesThatMakeNoSense) {
    EXPECT_EQ(open({.algorithm = SigAlg::rs512}).error().code, Code::unsupported);
    EXPECT_EQ(open({.rotate_after = kKeyAnnounced}).error().code, Code::invalid);
    EXPECT_EQ(open({.longest_token = Seconds{-1}}).error().code, Code::invalid);
    EXPECT_EQ(open({.longest_token = kMaxTokenLifetime + Seconds{1}}).error().code, Code::invalid);
    EXPECT_TRUE(open({.algorithm = SigAlg::es256, .longest_token = kMaxTokenLifetime}));
    EXPECT_TRUE(open({}));
}

}  // namespace
}  // namespace vouchsafe::jose
