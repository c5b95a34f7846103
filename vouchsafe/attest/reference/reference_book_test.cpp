#include "vouchsafe/attest/reference/reference_book.h"

#include "vouchsafe/attest/reference/test_reference.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TEST(ReferenceBook, HasLimits) {
    Running running;
    ReferenceBook book(*running.store, "https://a.example");
    auto change = [&](store::Transaction& tx, const Json& json) {
        Checks checks;
        auto document = MUST(ReferenceDocument::read(dump_json(json)));
        auto done = book.change(tx, document, "me", test_time(), checks);
        return done ? "accepted" : done.error().checks.back().field;
    };
    auto named = [](size_t i) { return fmt::format("set-{:03}", i); };
    MUST(running.store->run([&](store::Transaction& tx) -> Result<void> {
        for (uint64_t i = 1; i <= ReferenceBook::kMaxVersions; ++i) {
            EXPECT_EQ(change(tx, reference_document(named(0), i)), "accepted");
        }
        EXPECT_EQ(change(tx, reference_document(named(0), 5000)), "versions");
        for (size_t i = 1; i < ReferenceBook::kMaxSets; ++i) {
            EXPECT_EQ(change(tx, reference_document(named(i))), "accepted");
        }
        EXPECT_EQ(change(tx, reference_document(named(64))), "sets in force");
        EXPECT_EQ(change(tx, reference_document(named(1), 2)), "accepted");
        for (size_t i = 0; i < ReferenceBook::kMaxSets; ++i) {
            EXPECT_EQ(change(tx, reference_removal(named(i), 5000)), "accepted");
        }
        for (size_t i = ReferenceBook::kMaxSets; i < ReferenceBook::kMaxNames; ++i) {
            EXPECT_EQ(change(tx, reference_document(named(i))), "accepted");
            EXPECT_EQ(change(tx, reference_removal(named(i), 3)), "accepted");
        }
        EXPECT_EQ(change(tx, reference_document(named(512))), "names");
        return {};
    }));
    EXPECT_TRUE(MUST(book.current())->empty());
    ReferenceBook others(*running.store, "https://b.example");
    EXPECT_TRUE(MUST(others.current())->empty());
}

}  // namespace
}  // namespace vouchsafe::attest
