// No code of the catalogue is nobody's: see removal_table.h.
#include "vouchsafe/base/removal_table.h"

#include "vouchsafe/base/file.h"

namespace vouchsafe {
namespace {

TEST(RemovalTable, EveryCheckHasAnOwner) {
    for (const CheckInfo& info : check_catalog()) {
        EXPECT_NE(vouchsafe::testing::removal_owner(info.code), "") << info.code;
    }
}

TEST(RemovalTable, EveryOwnerHasCodesAndGoesOverThem) {
    for (const auto& [prefix, folder] : vouchsafe::testing::kRemovalOwners) {
        size_t codes = 0;
        for (const CheckInfo& info : check_catalog()) codes += info.code.starts_with(prefix);
        EXPECT_GT(codes, 0U) << prefix;
        auto text = read_text_file(Path(VS_SOURCE_DIR) / "vouchsafe" / folder / "removal_test.cpp");
        ASSERT_TRUE(text) << folder;
        EXPECT_NE(text->find(fmt::format("expect_every_check_decides(\"{}\"", folder)),
                  std::string::npos)
            << folder;
    }
}

}  // namespace
}  // namespace vouchsafe
