// Every check of a piece of collateral is needed: see base/removal_table.h.
#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/base/removal_table.h"

namespace vouchsafe::attest {
namespace {

using namespace vouchsafe::testing;
using namespace testing;

RemovalTable rows() {
    auto cut = [] {
        CollateralPiece piece = root_list();
        piece.bytes.pop_back();
        return outcome(judge_piece(piece));
    };
    auto of_another_platform = [] {
        CollateralPiece piece = emerald_tcb();
        piece.name = CollateralName::tcb_info(fmspc_of("50806f000000"));
        return outcome(judge_piece(piece));
    };
    auto not_begun = [] { return outcome(judge_piece(root_list(), at("2026-01-01T00:00:00Z"))); };
    auto older = [] {
        Checks checks;
        return outcome(
            check_not_older(verified(emerald_tcb("2026")), verified(emerald_tcb()), checks));
    };
    return {
        {"COLLATERAL-FORM", {cut, kUnreadable}},
        {"COLLATERAL-PLACE", {of_another_platform}},
        {"COLLATERAL-DATES", {not_begun}},
        {"COLLATERAL-OLDER", {older}},
    };
}

TEST(CollateralCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("attest/collateral", rows());
}

}  // namespace
}  // namespace vouchsafe::attest
