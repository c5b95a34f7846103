// Every check of a release policy is needed: see base/removal_table.h.
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/removal_table.h"
#include "vouchsafe/policy/release/evaluate.h"

namespace vouchsafe::jose {
// The tests' own way to make claims. The program's is in jose/jwt.cpp, which is not linked here.
struct VerifiedClaimsMaker {
    static VerifiedClaims make(std::string issuer, std::string_view json) {
        return VerifiedClaims(std::move(issuer),
                              std::make_shared<const Json>(MUST(parse_json(json))));
    }
};
}  // namespace vouchsafe::jose

namespace vouchsafe::policy {
namespace {

using namespace vouchsafe::testing;

// judged demands of a token of this issuer that its claim "a" is 1.
Judge judged(std::string_view issuer, std::string_view claims) {
    return [=] {
        auto policy = MUST(ReleasePolicy::parse(
            R"({"anyOf":[{"authority":"https://a.example","allOf":[{"claim":"a","equals":1}]}]})"));
        Checks checks;
        return outcome(
            evaluate(policy, jose::VerifiedClaimsMaker::make(std::string(issuer), claims), checks));
    };
}

TEST(ReleasePolicyCheckRemoval, EveryCheckDecidesACase) {
    const RemovalTable table = {
        {"POLICY-AUTHORITY", {judged("https://b.example", R"({"a":1})"), kStillRefused}},
        {"POLICY-CLAIM-MISMATCH", {judged("https://a.example", R"({"a":2})")}},
        {"POLICY-CLAIM-MISSING", {judged("https://a.example", R"({"b":1})")}}};
    expect_every_check_decides("policy/release", table);
}

}  // namespace
}  // namespace vouchsafe::policy
