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

// The store changes behind each request's judging, so each is judged a second time.
TEST_F(LimitsTest, ARequestThatIsJudgedAgainCountsOnce) {
    ASSERT_EQ(create("k", {{"kty", "EC"}}).status, 200);
    const auto sign = [&] {
        return as(kUser, "POST", "/keys/k/sign",
                  {{"alg", "ES256"}, {"value", encode_base64url(Bytes(32, 1))}});
    };
    int changes = 0;
    const auto sign_behind_a_change = [&] {
        store_->before_run = [&] {
            EXPECT_EQ(
                as(kOfficer, "PATCH", "/keys/k", {{"tags", {{"n", std::to_string(++changes)}}}})
                    .status,
                200);
        };
        return sign();
    };
    for (int i = 0; i < 2; ++i) ASSERT_EQ(sign().status, 200);  // remembered
    limit({.address = 0, .principal = 1, .service = 0});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(sign_behind_a_change().status, 200) << i;
    EXPECT_EQ(changes, 10);
    EXPECT_EQ(sign().status, 429);
}

// Whatever a stranger's request fails with: nothing makes it free.
TEST_F(LimitsTest, WhoIsNotKnownIsCountedWhereverHeAsks) {
    const char* kHere = "myconfkv.vault.azure.net";
    struct Try {
        const char* method;
        const char* target;
        const char* host;
        int status;
    };
    for (const Try& one : {Try{"GET", "/keys?api-version=7.4", kHere, 401},
                           Try{"GET", "/keys?api-version=7.4", "no-vault.vault.azure.net", 404},
                           Try{"GET", "/keys?api-version=7.4", "other.example.org", 404},
                           Try{"GET", "/nowhere", kHere, 404}, Try{"PATCH", "/keys", kHere, 405}}) {
        limit({.address = 1, .principal = 0, .service = 0});
        for (int i = 0; i < 10; ++i) {
            EXPECT_EQ(send(one.method, one.target, "", "rubbish", one.host).status, one.status);
        }
        const uint64_t before = MUST(service_->audit().size());
        const Answer over = send(one.method, one.target, "", "rubbish", one.host);
        EXPECT_EQ(over.code(), "Throttled") << one.method << one.target << one.host;
        EXPECT_TRUE(is_guid(over.request_id()));
        EXPECT_EQ(over.headers.get("Retry-After"), "1");
        EXPECT_EQ(MUST(service_->audit().size()), before);
        EXPECT_EQ(user().status, 200);
        EXPECT_EQ(as(kUser, "GET", "/keys/none").status, 404);  // who is known may ask in vain
    }
}

TEST_F(LimitsTest, ATokenIssuerThatIsAwayIsNobodysFlood) {
    limit({.address = 1, .principal = 0, .service = 0});
    web_.documents.clear();
    for (int i = 0; i < 20; ++i) EXPECT_EQ(user().status, 503);
    EXPECT_TRUE(told_.empty());
}

// An issuer that is a tenant's directory can name any object id, but only in its tenant.
TEST_F(LimitsTest, AnotherTenantsCallerOfTheSameNameHasABucketOfHisOwn) {
    constexpr const char* kOther = "22222222-2222-4222-8222-222222222222";
    MUST(service_->create_vault({.name = "others", .tenant = kOther}));
    web_.serve(fmt::format("https://login.microsoftonline.com/{}/v2.0", kOther), keys().stranger);
    Json claims = access_claims(kUser);
    claims["iss"] = fmt::format("https://sts.windows.net/{}/", kOther);
    claims["tid"] = kOther;
    const auto other = [&] {
        return send("GET", "/keys?api-version=7.4", "", keys().stranger.token(claims),
                    "others.vault.azure.net")
            .status;
    };
    limit({.address = 0, .principal = 1, .service = 0});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(other(), 403);
    EXPECT_EQ(other(), 429);
    EXPECT_EQ(user().status, 200);
}

TEST_F(LimitsTest, ACallerWithoutARoleDoesNotFillTheLog) {
    limit({.address = 0, .principal = 0, .service = 0});
    const uint64_t before = MUST(service_->audit().size());
    for (int i = 0; i < 700; ++i) EXPECT_EQ(as(kNobody, "GET", "/keys").status, 403);
    EXPECT_EQ(MUST(service_->audit().size()) - before, 600u);
    EXPECT_EQ(verdicts_.size(), 700u);  // but each is counted

    const Answer another = as(kUser, "POST", "/keys/k/create", exportable_key());
    EXPECT_EQ(another.status, 403);
    EXPECT_EQ(recorded(another).size(), 1u);  // somebody else's refusal
    clock_.set(clock_.now() + Seconds(1));
    const auto told = recorded(as(kNobody, "GET", "/keys"));
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].entry.details["unrecorded_before"], 100);
    EXPECT_EQ(create("k", exportable_key()).status, 200);
    const uint64_t done = MUST(service_->audit().size());
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(as(kOfficer, "POST", "/keys/k/backup").status, 200);
    }
    EXPECT_EQ(MUST(service_->audit().size()) - done, 3u);  // what was done is always recorded
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
        claims["jti"] = "run-4711";
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
    EXPECT_EQ(entries[0].entry.details["access_token"], "run-4711");
    // In a refusal's entry too, where the token itself held.
    const auto refusals = recorded(build("other"));
    ASSERT_EQ(refusals.size(), 1u);
    EXPECT_EQ(refusals[0].entry.details["access_token"], "run-4711");
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
