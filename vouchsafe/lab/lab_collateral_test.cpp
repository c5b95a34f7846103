#include "vouchsafe/lab/lab_collateral.h"

#include <gtest/gtest.h>

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::lab {
namespace {

TEST(LabCollateral, IsThereForAsLongAsTheLabAndMadeAgainWhereItIsMissing) {
    const Time now = from_unix(1'800'000'000);
    auto folder = MUST(TemporaryDir::create("vouchsafe-lab"));
    auto made = MUST(DataDirectory::create(folder.path() / "lab", DirectoryKind::lab, now));
    FixedClock clock(now);
    auto lists = [&] {
        auto store = MUST(attest::CollateralStore::create({}, collateral_pack_of(made.path()),
                                                          made.anchors(), clock));
        return store->snp_crls(evidence::SnpProduct::milan).crls;
    };
    ASSERT_EQ(lists().size(), 1u);
    EXPECT_TRUE(lists()[0].verify_signed_by(made.root().ark()));
    EXPECT_FALSE(MUST(lists()[0].revokes(made.root().ask())));
    clock.set(made.root().ark().not_after());
    EXPECT_EQ(lists().size(), 1u);
    clock.set(now);

    // A lab of an older version of this program.
    std::filesystem::remove_all(made.path() / "collateral");
    EXPECT_TRUE(lists().empty());
    ASSERT_TRUE(DataDirectory::open(made.path()));
    EXPECT_EQ(lists().size(), 1u);
    std::string before = collateral_pack_of(made.path()).fingerprint();
    ASSERT_TRUE(DataDirectory::open(made.path()));
    EXPECT_EQ(collateral_pack_of(made.path()).fingerprint(), before);
}

TEST(LabCollateral, IsNotMadeForProduction) {
    auto folder = MUST(TemporaryDir::create("vouchsafe-lab"));
    auto made = MUST(DataDirectory::create(folder.path() / "p", DirectoryKind::production,
                                           from_unix(1'800'000'000)));
    EXPECT_FALSE(std::filesystem::exists(made.path() / "collateral"));
}

}  // namespace
}  // namespace vouchsafe::lab
