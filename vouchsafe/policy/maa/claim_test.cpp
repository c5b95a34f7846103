#include "vouchsafe/policy/maa/claim.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

using namespace vouchsafe;
using namespace vouchsafe::policy;

namespace {

std::vector<Claim> made_of(std::string_view json) {
    return MUST(claims_from_json(MUST(parse_json(json)), ClaimIssuer::attestation_service));
}

}  // namespace

TEST(PolicyClaims, AreMadeOfEveryKindOfMember) {
    auto claims = made_of(
        R"({"a":"s","b":-5,"c":true,"d":1.5,"e":null,"f":[],"g":[1,"x",null,false],
            "h":{"z":1,"y":[2]},"i":[[1],2],"j":18446744073709551615})");
    ASSERT_EQ(claims.size(), 10u);
    EXPECT_EQ(claims[0].value, ClaimValue(std::string("s")));
    EXPECT_EQ(claims[1].value, ClaimValue(int64_t{-5}));
    EXPECT_EQ(claims[2].value, ClaimValue(true));
    EXPECT_EQ(claims[3].value, ClaimValue(std::string("1.5")));
    EXPECT_EQ(claims[4].type, "g");
    EXPECT_EQ(claims[4].value, ClaimValue(int64_t{1}));
    EXPECT_EQ(claims[5].value, ClaimValue(std::string("x")));
    EXPECT_EQ(claims[6].value, ClaimValue(false));
    EXPECT_EQ(claims[7].value, ClaimValue(std::string(R"({"y":[2],"z":1})")));
    EXPECT_EQ(claims[8].value, ClaimValue(std::string("[[1],2]")));
    EXPECT_EQ(claims[9].value, ClaimValue(std::string("18446744073709551615")));
    EXPECT_EQ(value_type_name(claims[9].value), "String");
    EXPECT_EQ(claims[1].issuer, ClaimIssuer::attestation_service);
}

TEST(PolicyClaims, NeedAnObjectWithNames) {
    EXPECT_FALSE(claims_from_json(Json::array(), ClaimIssuer::custom_claim));
    EXPECT_FALSE(claims_from_json(Json{{"", 1}}, ClaimIssuer::custom_claim));
    EXPECT_TRUE(MUST(claims_from_json(Json::object(), ClaimIssuer::custom_claim)).empty());
}

TEST(PolicyClaims, OfRegistersAreReadOnlyIfTheServiceMadeThem) {
    EXPECT_TRUE(made_of(R"({"pcrs":{"PCRs":[]}})")[0].read_only);
    EXPECT_FALSE(made_of(R"({"events":{}})")[0].read_only);
    EXPECT_FALSE(
        MUST(claims_from_json(Json{{"pcrs", "x"}}, ClaimIssuer::custom_claim))[0].read_only);
}

TEST(PolicyClaims, BecomeAnObjectAgain) {
    constexpr std::string_view kJson = R"({"a":"s","b":[1,2],"c":true})";
    EXPECT_EQ(dump_json(claims_to_json(made_of(kJson))), kJson);
    EXPECT_EQ(claims_to_json({}), Json::object());
    EXPECT_EQ(dump_json(claims_to_json(made_of(R"({"a":[1,1,"1"]})"))), R"({"a":[1,"1"]})");
}

TEST(PolicyClaims, AreShownInPrintableAscii) {
    EXPECT_EQ(show_claim({"caf\xC3\xA9", std::string("\n\x1b"), ClaimIssuer::custom_claim}),
              R"(type == "caf\u00e9", value == "\n\u001b", issuer == "CustomClaim")");
}
