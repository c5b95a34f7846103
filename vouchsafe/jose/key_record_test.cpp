#include "vouchsafe/jose/key_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

namespace vouchsafe::jose {
namespace {

const Time kNow = *parse_rfc3339("2026-07-01T00:00:00Z");

class KeyRecordTest : public testing::Test {
  protected:
    static TemporaryDir make_dir() { return MUST(TemporaryDir::create("vouchsafe-test")); }
    static std::unique_ptr<store::Store> open_store(const Path& file) {
        return MUST(store::open_sqlite(file));
    }
    TemporaryDir dir_ = make_dir();
    std::unique_ptr<store::Store> store_ = open_store(dir_.path() / "store.db");
    KeyRecord place_{"signing_key", "one",        dir_.path() / "root.key",
                     "test/one",    "as.example", Seconds{86400}};
};

TEST_F(KeyRecordTest, MakesOneKeyAndFindsItAgain) {
    SigningKey first = MUST(load_or_create(*store_, place_, kNow));
    SigningKey again = MUST(load_or_create(*store_, place_, kNow + Seconds{60}));
    EXPECT_EQ(first.certificate().der(), again.certificate().der());
    EXPECT_EQ(first.certificate().subject_common_name(), "as.example");
    place_.id = "two";
    EXPECT_NE(MUST(load_or_create(*store_, place_, kNow)).certificate().der(),
              first.certificate().der());
}

TEST_F(KeyRecordTest, TheRecordStaysInItsPlaceAndWithItsRootKey) {
    MUST(load_or_create(*store_, place_, kNow));
    KeyRecord elsewhere = place_;
    elsewhere.context = "test/two";
    EXPECT_EQ(load_or_create(*store_, elsewhere, kNow).error().code, Code::bad_evidence);
    place_.root_file = dir_.path() / "other.key";
    MUST(crypto::RootKey::load_or_create(place_.root_file));
    EXPECT_EQ(load_or_create(*store_, place_, kNow).error().code, Code::bad_evidence);
}

TEST_F(KeyRecordTest, ALostRootKeyIsNotReplaced) {
    MUST(load_or_create(*store_, place_, kNow));
    const Path copy = dir_.path() / "copy.key";
    std::filesystem::rename(place_.root_file, copy);
    for (const char* id : {"one", "another"}) {
        place_.id = id;
        const auto lost = load_or_create(*store_, place_, kNow);
        ASSERT_EQ(lost.error().code, Code::not_found);
        EXPECT_THAT(lost.error().message, testing::HasSubstr("restore that file from its copy"));
        EXPECT_FALSE(std::filesystem::exists(place_.root_file));
    }
    // Of a table without records nothing was lost.
    MUST(open_root_key(*store_, "other_key", dir_.path() / "fresh.key"));

    std::filesystem::rename(copy, place_.root_file);
    place_.id = "one";
    EXPECT_TRUE(load_or_create(*store_, place_, kNow));
}

TEST_F(KeyRecordTest, StoresNoKeyItCouldNotMake) {
    place_.common_name = "";
    EXPECT_EQ(load_or_create(*store_, place_, kNow).error().code, Code::invalid);
    MUST(store_->read([&](store::View& view) -> Result<void> {
        EXPECT_FALSE(TRY(view.get(place_.table, place_.id)));
        return {};
    }));
}

}  // namespace
}  // namespace vouchsafe::jose
