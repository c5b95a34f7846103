#include "vouchsafe/jose/key_record.h"

#include <gtest/gtest.h>

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
    EXPECT_EQ(load_or_create(*store_, place_, kNow).error().code, Code::bad_evidence);
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
