// Store::read gives what the database has at that moment, however often it was asked before.
#include "vouchsafe/store/reader.h"

#include <gmock/gmock.h>

#include "vouchsafe/store/test_engine.h"

namespace vouchsafe::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class ReaderTest : public testing::TestWithParam<EngineKind> {
  protected:
    ReaderTest()
        : engine_(make_engine(GetParam())),
          store_(MUST(engine_->try_open())),
          other_(MUST(engine_->try_open())) {}

    static void put(Store& store, std::string_view key, std::string_view value) {
        MUST(store.run([&](Transaction& tx) { return tx.put("t", key, as_bytes(value)); }));
    }
    static void erase(Store& store, std::string_view key) {
        MUST(store.run([&](Transaction& tx) -> Result<void> {
            EXPECT_TRUE(TRY(tx.erase("t", key)));
            return {};
        }));
    }
    static Result<std::string> text(View& view, std::string_view key) {
        const auto value = TRY(view.get("t", key));
        return value ? to_text(*value) : "none";
    }
    std::string get(std::string_view key) {
        std::string out;
        MUST(store_->read([&](View& view) -> Result<void> {
            out = TRY(text(view, key));
            return {};
        }));
        return out;
    }
    std::vector<std::string> keys(std::string_view prefix, std::string_view after = "",
                                  size_t limit = 10) {
        std::vector<std::string> out;
        MUST(store_->read([&](View& view) -> Result<void> {
            for (const Record& record : TRY(view.scan("t", prefix, after, limit))) {
                out.push_back(record.key);
            }
            return {};
        }));
        return out;
    }

    std::unique_ptr<TestEngine> engine_;
    std::unique_ptr<Store> store_, other_;  // as of two processes
};

constexpr int kTimes = 3;  // the first sees that something changed, the second keeps, the third has

TEST_P(ReaderTest, SeesEveryChangeWhoeverMadeIt) {
    for (int i = 0; i < kTimes; ++i) EXPECT_EQ(get("a"), "none");
    int number = 0;
    for (Store* by : {store_.get(), other_.get(), store_.get(), other_.get(), other_.get()}) {
        const std::string value = std::to_string(++number);
        put(*by, "a", value);
        for (int i = 0; i < kTimes; ++i) EXPECT_EQ(get("a"), value);
    }
    erase(*other_, "a");
    for (int i = 0; i < kTimes; ++i) EXPECT_EQ(get("a"), "none");
}

TEST_P(ReaderTest, SeesWhatIsMadeAndErasedInScans) {
    for (int i = 0; i < kTimes; ++i) EXPECT_THAT(keys(""), IsEmpty());
    put(*store_, "a", "1");
    put(*other_, "ab", "1");
    put(*store_, "b", "1");
    for (int i = 0; i < kTimes; ++i) {
        EXPECT_THAT(keys(""), ElementsAre("a", "ab", "b"));
        EXPECT_THAT(keys("a"), ElementsAre("a", "ab"));
        EXPECT_THAT(keys("", "a"), ElementsAre("ab", "b"));
        EXPECT_THAT(keys("a", "a"), ElementsAre("ab"));
        EXPECT_THAT(keys("", "", 1), ElementsAre("a"));
    }
    erase(*other_, "a");
    for (int i = 0; i < kTimes; ++i) EXPECT_THAT(keys(""), ElementsAre("ab", "b"));
}

TEST_P(ReaderTest, GivesOneSnapshotOfWhatItKeptAndWhatItDidNot) {
    put(*store_, "a", "1");
    for (int i = 0; i < kTimes; ++i) EXPECT_EQ(get("a"), "1");
    MUST(store_->read([&](View& view) -> Result<void> {
        EXPECT_EQ(TRY(text(view, "a")), "1");
        put(*other_, "a", "2");
        put(*store_, "b", "2");
        EXPECT_EQ(TRY(text(view, "a")), "1");
        EXPECT_EQ(TRY(text(view, "b")), "none");
        return {};
    }));
    EXPECT_EQ(get("a"), "2");
    EXPECT_EQ(get("b"), "2");
}

TEST_P(ReaderTest, KeepsTablesAndQuestionsApart) {
    put(*store_, "a", "1");
    MUST(store_->run([](Transaction& tx) { return tx.put("ta", "a", as_bytes("2")); }));
    for (int i = 0; i < kTimes; ++i) {
        EXPECT_EQ(get("a"), "1");
        MUST(store_->read([](View& view) -> Result<void> {
            EXPECT_EQ(as_text(*TRY(view.get("ta", "a"))), "2");
            EXPECT_EQ(TRY(view.scan("ta", "a", "", 1)).size(), 1u);
            EXPECT_EQ(TRY(view.get("t", "aa")), std::nullopt);
            EXPECT_FALSE(view.get("T", "a"));
            return {};
        }));
        EXPECT_THAT(keys("a"), ElementsAre("a"));
    }
}

TEST_P(ReaderTest, GivesManyAndLargeRecordsToo) {
    const auto value = [](int i) {
        return std::string(i % 2 == 0 ? 10'000 : 10, static_cast<char>('a' + i % 26));
    };
    MUST(store_->run([&](Transaction& tx) -> Result<void> {
        for (int i = 0; i < 200; ++i) TRY(tx.put("t", std::to_string(i), as_bytes(value(i))));
        return {};
    }));
    for (int time = 0; time < kTimes; ++time) {
        for (int i = 0; i < 200; ++i) EXPECT_EQ(get(std::to_string(i)), value(i));
    }
    for (int i = 0; i < 200; ++i) put(*other_, std::to_string(i), "new");
    for (int i = 0; i < 200; ++i) EXPECT_EQ(get(std::to_string(i)), "new");
}

INSTANTIATE_TEST_SUITE_P(Engines, ReaderTest, testing::ValuesIn(engines()), engine_name);

}  // namespace
}  // namespace vouchsafe::store
