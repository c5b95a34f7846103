#include "vouchsafe/jose/kept_tokens.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

using crypto::SigAlg;
using ::testing::HasSubstr;

constexpr int64_t kBegin = 1700000000;
constexpr int64_t kEnd = kBegin + 600;
constexpr int64_t kSkew = 300;

const crypto::PrivateKey& another_key() {
    static const crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_rsa(2048));
    return key;
}

KeptTokens::Keys keys_with(const crypto::PrivateKey& key) {
    return std::make_shared<const JwkSet>(one_key(key, {{"kid", "k"}}));
}

JwtRules rules_at(int64_t now) {
    JwtRules out;
    out.issuers = {"https://issuer.example"};
    out.audiences = {"a"};
    out.now = from_unix(now);
    out.skew = Seconds(kSkew);
    return out;
}

std::string begun_token(Json more = Json::object()) {
    Json claims = {{"iss", "https://issuer.example"}, {"aud", "a"}, {"nbf", kBegin}, {"exp", kEnd}};
    claims.update(more);
    return MUST(mint_jwt({{"kid", "k"}}, claims, rsa_key(), SigAlg::rs256));
}

class KeptTokensTest : public ::testing::Test {
  protected:
    Result<VerifiedClaims> verify(const std::string& text, const JwtRules& rules) {
        checks_ = {};
        return kept_.verify(TRY(kept_.read(text)), keys_, rules, checks_);
    }
    // refused is the check that failed, "" if none did.
    std::string refused(const std::string& text, const JwtRules& rules = rules_at(kBegin)) {
        const auto done = verify(text, rules);
        if (done) return "";
        return done.error().reason() == nullptr ? done.error().message
                                                : done.error().reason()->code;
    }
    std::vector<std::string> made() const {
        std::vector<std::string> out;
        for (const Check& check : checks_.list()) {
            out.push_back(fmt::format("{} {} {} {} {}", check.code, check.field, check.expected,
                                      check.found, check.passed));
        }
        return out;
    }

    KeptTokens kept_;
    KeptTokens::Keys keys_ = keys_with(rsa_key());
    Checks checks_;
};

TEST_F(KeptTokensTest, TellsTheSameOfATokenEachTime) {
    const std::string token = begun_token({{"jti", "one"}});
    Checks once;
    const auto plain = MUST(verify_jwt(token, *keys_, rules_at(kBegin), once));
    for (int i = 0; i < 3; ++i) {
        const auto claims = MUST(verify(token, rules_at(kBegin)));
        EXPECT_EQ(claims.claims(), plain.claims());
        EXPECT_EQ(claims.issuer(), plain.issuer());
        const auto read = MUST(kept_.read(token));
        EXPECT_EQ(read.alg(), "RS256");
        EXPECT_EQ(read.kid(), "k");
        EXPECT_EQ(MUST(read.issuer()), "https://issuer.example");
        const auto now = made();
        checks_ = once;
        EXPECT_EQ(now, made());
    }
}

TEST_F(KeptTokensTest, LooksAtItsTimesEachTime) {
    const std::string token = begun_token();
    EXPECT_EQ(refused(token), "");
    EXPECT_EQ(refused(token, rules_at(kBegin - kSkew)), "");
    EXPECT_EQ(refused(token, rules_at(kBegin - kSkew - 1)), "TOKEN-NOT-BEFORE");
    EXPECT_EQ(refused(token, rules_at(kEnd + kSkew - 1)), "");
    EXPECT_THAT(made().back(), HasSubstr(format_rfc3339(from_unix(kEnd + kSkew - 1))));
    EXPECT_EQ(refused(token, rules_at(kEnd + kSkew)), "TOKEN-EXPIRED");
    JwtRules strict = rules_at(kEnd);
    strict.skew = Seconds(0);
    EXPECT_EQ(refused(token, strict), "TOKEN-EXPIRED");
}

TEST_F(KeptTokensTest, GoesByTheKeysOfNow) {
    const std::string token = begun_token();
    EXPECT_EQ(refused(token), "");
    const auto before = keys_;
    keys_ = keys_with(another_key());
    EXPECT_EQ(refused(token), "TOKEN-SIGNATURE");
    keys_ = std::make_shared<const JwkSet>(MUST(JwkSet::parse({{"keys", Json::array()}})));
    EXPECT_EQ(refused(token), "TOKEN-KID");
    keys_ = before;
    EXPECT_EQ(refused(token), "");
}

TEST_F(KeptTokensTest, GoesByTheRulesOfNow) {
    const std::string token = begun_token();
    EXPECT_EQ(refused(token), "");
    JwtRules other = rules_at(kBegin);
    other.issuers = {"https://other.example"};
    EXPECT_EQ(refused(token, other), "TOKEN-ISSUER");
    other = rules_at(kBegin);
    other.audiences = {"b"};
    EXPECT_EQ(refused(token, other), "TOKEN-AUDIENCE");
    other = rules_at(kBegin);
    other.algorithms = {SigAlg::es256};
    EXPECT_EQ(refused(token, other), "TOKEN-ALG");
    EXPECT_EQ(refused(token), "");
}

TEST_F(KeptTokensTest, KnowsATokenByAllOfIt) {
    const std::string token = begun_token();
    EXPECT_EQ(refused(token), "");
    const std::string other = begun_token({{"aud", "b"}});
    EXPECT_EQ(refused(other), "TOKEN-AUDIENCE");
    const std::string mixed = token.substr(0, token.rfind('.')) + other.substr(other.rfind('.'));
    EXPECT_EQ(refused(mixed), "TOKEN-SIGNATURE");
    EXPECT_EQ(refused(token + "."), "a JWS has three parts, this has 4");
    EXPECT_FALSE(kept_.read(token, token.size() - 1)) << "longer than may be";
}

TEST_F(KeptTokensTest, KeepsNothingThatDidNotHold) {
    const std::string token = begun_token();
    EXPECT_EQ(refused(token, rules_at(kEnd + kSkew)), "TOKEN-EXPIRED");
    const std::string unsound = begun_token({{"nbf", "soon"}});
    for (int i = 0; i < 2; ++i) EXPECT_EQ(refused(unsound), "TOKEN-FORMAT");
}

TEST_F(KeptTokensTest, VerifiesWhatIsTooLongToKeep) {
    const std::string token = begun_token({{"long", std::string(20000, 'x')}});
    for (int i = 0; i < 2; ++i) EXPECT_EQ(refused(token), "");
    keys_ = keys_with(another_key());
    EXPECT_EQ(refused(token), "TOKEN-SIGNATURE");
}

}  // namespace
}  // namespace vouchsafe::jose
