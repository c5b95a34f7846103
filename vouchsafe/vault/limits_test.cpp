// Limits and who vouches for callers, as a vault's clients meet them.
#include "vouchsafe/access/trusted_issuers.h"
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

class LimitsTest : public VaultTest {
  protected:
    void limit(net::RateSettings rates) {
        told_.clear();
        Dependencies deps{*store_, clock_, web_.fetch(), keys().signer,
                          [this](const Verdict& verdict) { verdicts_.emplace_back(verdict.code); }};
        deps.limits = std::make_shared<net::RateLimits>(
            rates, [this](net::LimitScope scope) { told_.push_back(scope); },
            [this] { return now_; });
        service_ = MUST(Service::create(config_, std::move(deps)));
    }
    Answer nobody() { return send("GET", "/keys?api-version=7.4", "", ""); }
    Answer forger() { return send("GET", "/keys?api-version=7.4", "", "rubbish"); }
    Answer user() { return as(kUser, "GET", "/keys"); }

    net::RateLimits::Instant now_{std::chrono::hours(1)};
    std::vector<net::LimitScope> told_;
    std::vector<std::string> verdicts_;
};

TEST_F(LimitsTest, ACallerOverTheLimitIsToldWhenToComeBack) {
    limit({.address = 0, .principal = 1, .service = 0});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(user().status, 200);
    const Answer over = user();
    EXPECT_EQ(over.status, 429);
    EXPECT_EQ(over.code(), "Throttled");
    EXPECT_EQ(over.headers.get("Retry-After"), "1");
    EXPECT_TRUE(is_guid(over.request_id()));
    EXPECT_EQ(verdicts_.back(), "throttled");
    EXPECT_EQ(told_, std::vector<net::LimitScope>{net::LimitScope::principal});
    EXPECT_EQ(as(kOfficer, "GET", "/keys").status, 200);  // somebody else's bucket
    now_ += std::chrono::seconds(1);
    EXPECT_EQ(user().status, 200);
    EXPECT_EQ(user().status, 429);
}

TEST_F(LimitsTest, AFloodOfStrangersStarvesNoCallerOfTheSameAddress) {
    limit({.address = 1, .principal = 100, .service = 2});
    for (int i = 0; i < 5; ++i) {
        EXPECT_EQ(nobody().status, 401);
        EXPECT_EQ(forger().status, 401);
    }
    for (int i = 0; i < 50; ++i) {
        EXPECT_EQ(nobody().code(), "Throttled");
        EXPECT_EQ(forger().code(), "Throttled");
    }
    for (int i = 0; i < 20; ++i) EXPECT_EQ(user().status, 200);
    EXPECT_EQ(told_.size(), 100u);
}

TEST_F(LimitsTest, OnlyAuthorizedRequestsCountForTheVault) {
    limit({.address = 0, .principal = 0, .service = 1});
    for (int i = 0; i < 30; ++i) EXPECT_EQ(as(kNobody, "GET", "/keys").status, 403);
    for (int i = 0; i < 10; ++i) EXPECT_EQ(user().status, 200);
    EXPECT_EQ(user().status, 429);
    EXPECT_EQ(as(kOfficer, "GET", "/keys").status, 429);
    EXPECT_EQ(as(kNobody, "GET", "/keys").status, 403);
    EXPECT_EQ(told_.back(), net::LimitScope::service);
}

TEST_F(LimitsTest, WhatIsOverTheLimitIsNotDone) {
    limit({.address = 0, .principal = 0, .service = 1});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(user().status, 200);
    EXPECT_EQ(create("k", exportable_key()).status, 429);
    now_ += std::chrono::seconds(1);
    EXPECT_EQ(as(kOfficer, "GET", "/keys/k").status, 404);
}

class VouchingTest : public VaultTest {
  protected:
    VouchingTest() {
        web_.serve("https://builds.example.org", keys().stranger);
        access::TrustedIssuer builds;
        builds.issuer = "https://builds.example.org";
        builds.tenant = kTenant;
        Dependencies deps{*store_, clock_, web_.fetch(), keys().signer};
        deps.vouching.issuers = MUST(access::TrustedIssuers::create({builds}));
        service_ = MUST(Service::create(config_, std::move(deps)));
    }
    Answer build(const std::string& subject, const std::string& host = "myconfkv.vault.azure.net") {
        Json claims = access_claims(kOfficer);
        claims["iss"] = "https://builds.example.org";
        claims["sub"] = subject;
        return send("POST", "/keys/k/create?api-version=7.4", dump_json(exportable_key()),
                    keys().stranger.token(claims), host);
    }
};

TEST_F(VouchingTest, ATrustedIssuersPrincipalNeedsARoleOfItsOwn) {
    const std::string principal = access::principal_of("https://builds.example.org", "app");
    EXPECT_EQ(build("app").inner(), "ForbiddenByRbac");  // the officer's oid in it is worth nothing
    MUST(service_->assign_role(principal, "Key Vault Crypto Officer", vault_.resource_id));
    const Answer done = build("app");
    EXPECT_EQ(done.status, 200);
    EXPECT_EQ(build("other").status, 403);
    const auto entries = recorded(done);
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.actor, principal);
    EXPECT_EQ(entries[0].entry.details["vouched_by"], "https://builds.example.org");
    EXPECT_EQ(entries[0].entry.details["name"], "app");
}

TEST_F(VouchingTest, AVaultOfAnotherTenantDoesNotKnowTheIssuer) {
    MUST(service_->create_vault(
        {.name = "others", .tenant = "22222222-2222-4222-8222-222222222222"}));
    const Answer refused = build("app", "others.vault.azure.net");
    EXPECT_EQ(refused.status, 401);
    EXPECT_EQ(refused.check(), "TOKEN-ISSUER");
}

TEST_F(VouchingTest, AReleaseSignerIsReplacedOnlyByOneThatIsGood) {
    const net::TlsIdentity other = Keys::make_signer();
    EXPECT_FALSE(service_->replace_release_signer({{other.chain.front()}, other.key}));
    EXPECT_FALSE(service_->replace_release_signer({other.chain, keys().tee}));
    EXPECT_EQ(create("k", exportable_key()).status, 200);
    const auto signer_of = [&] {
        const Answer answer = as(kReleaser, "POST", "/keys/k/release",
                                 {{"target", keys().attestation.token(attestation_claims())}});
        const auto jws = MUST(jose::parse_jws(answer.body["value"].get<std::string>()));
        return jws.header["x5c"][0].get<std::string>();
    };
    EXPECT_EQ(signer_of(), encode_base64(keys().signer.chain.front().der()));
    EXPECT_TRUE(service_->replace_release_signer(other));
    EXPECT_EQ(signer_of(), encode_base64(other.chain.front().der()));
}

}  // namespace
}  // namespace vouchsafe::vault::test
