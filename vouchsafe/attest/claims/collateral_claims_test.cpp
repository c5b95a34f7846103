#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// pieces_of reads the pieces of a folder that keep_ark_list made.
std::vector<PiecePtr> pieces_of(const Path& folder) {
    std::vector<PiecePtr> out;
    for (VerifiedPiece& piece :
         CollateralPack(folder).load_verified(test_anchors(), test_time()).pieces) {
        out.push_back(std::make_shared<const VerifiedPiece>(std::move(piece)));
    }
    return out;
}

TEST(CollateralClaims, TellThePiecesThatTheVerificationRestsOn) {
    Json claims = guest_claims(Machine{});
    const Json& list = claims["x-vouchsafe-collateral"]["amd/milan.crl"];
    EXPECT_EQ(list["issued"], to_unix(test_time()) - 3600);
    EXPECT_EQ(list["valid-to"], to_unix(test_time()) + 864000);
    EXPECT_EQ(claims["x-vouchsafe-collateral-valid-to"], list["valid-to"]);
    EXPECT_FALSE(claims.contains("x-vouchsafe-collateral-age"));  // nobody knows when it was got
    expect_named(claims);
}

TEST(CollateralClaims, TellTheAgeOfThePieceThatWasGotFirst) {
    TemporaryDir dir = make_dir();
    keep_ark_list(dir.path());
    std::vector<PiecePtr> pieces = pieces_of(dir.path());
    ASSERT_EQ(pieces.size(), 1u);
    for (int64_t age : {50, 7200, 60}) {
        pieces.push_back(std::make_shared<const VerifiedPiece>(
            pieces[0]->confirmed("https://kdsintf.amd.com", test_time() - Seconds{age})));
    }
    Json claims = Json::object();
    add_collateral_claims(claims, {pieces.begin() + 1, pieces.end()}, test_time());
    EXPECT_EQ(claims["x-vouchsafe-collateral-age"], 7200);
    claims = Json::object();
    add_collateral_claims(claims, pieces, test_time());  // of one it is not known
    EXPECT_FALSE(claims.contains("x-vouchsafe-collateral-age"));
    claims = Json::object();
    add_collateral_claims(claims, {}, test_time());
    EXPECT_TRUE(claims.empty());
}

TEST(CollateralClaims, LetAPolicyDemandFreshCollateral) {
    Json request = snp_request(Machine{});
    request["draftPolicyForAttestation"] =
        "version=1.0; authorizationrules { [type==\"x-vouchsafe-collateral-age\", value < 86400] "
        "=> permit(); };";
    net::Response response = share().send("POST", "/attest/SevSnpVm", dump_json(request));
    EXPECT_EQ(refused_code(share(), response), "ATTEST-POLICY");
}

}  // namespace
}  // namespace vouchsafe::attest
