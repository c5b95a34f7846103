// Limits of the attestation service: strangers by address, a provider's evidence, known callers.
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr const char* kPolicyKeeper = "aaaaaaaa-0000-4000-8000-000000000077";

class AttestLimits : public ::testing::Test {
  protected:
    void limit(net::RateSettings rates) {
        running_.web.serve(fmt::format("https://login.microsoftonline.com/{}/v2.0", kTenant),
                           Running::login());
        Dependencies deps{*running_.store,  running_.log,         running_.clock,
                          running_.anchors, running_.web.fetch(), running_.collateral.get()};
        deps.limits = std::make_shared<net::RateLimits>(
            rates, [this](net::LimitScope scope) { told_.push_back(scope); },
            [this] { return now_; });
        running_.service = MUST(Service::create(running_.config(), std::move(deps)));
        MUST(running_.service->assign_role(kPolicyKeeper, "Attestation Reader"));
    }
    int read_policy(const std::string& token) {
        return running_.send("GET", "/policies/AzureGuest", "", "2020-10-01", token).status;
    }
    int certs() { return running_.send("GET", "/certs").status; }

    Running running_;
    net::RateLimits::Instant now_{std::chrono::hours(1)};
    std::vector<net::LimitScope> told_;
};

TEST_F(AttestLimits, EvidenceOverAnAddressesLimitIsNotLookedAt) {
    limit({.address = 1, .principal = 0, .service = 0});
    for (int i = 0; i < 10; ++i) EXPECT_EQ(running_.attest("rubbish").status, 400);
    const uint64_t recorded = MUST(running_.log.size());
    const net::Response over = running_.attest("rubbish");
    EXPECT_EQ(over.status, 429);
    EXPECT_EQ(over.headers.get("Retry-After"), "1");
    EXPECT_EQ(over.headers.get("x-ms-error-code"), "Throttled");
    EXPECT_TRUE(is_guid(over.headers.get("x-ms-request-id")));
    EXPECT_EQ(MUST(running_.log.size()), recorded);
    EXPECT_EQ(told_, std::vector<net::LimitScope>{net::LimitScope::address});
    now_ += std::chrono::seconds(1);
    EXPECT_EQ(certs(), 200);
    EXPECT_EQ(certs(), 429);
}

TEST_F(AttestLimits, AFloodStarvesNobodyWhoseTokenHolds) {
    limit({.address = 1, .principal = 100, .service = 1});
    for (int i = 0; i < 30; ++i) running_.attest("rubbish");
    EXPECT_EQ(certs(), 429);
    EXPECT_EQ(read_policy("rubbish"), 429);
    EXPECT_EQ(read_policy(""), 429);
    for (int i = 0; i < 30; ++i) {
        EXPECT_EQ(read_policy(running_.access_token(kPolicyKeeper)), 200);
    }
}

TEST_F(AttestLimits, WhoIsNotKnownIsCountedWhereverHeAsks) {
    struct Try {
        const char* method;
        const char* path;
        int status;
    };
    for (const Try& one : {Try{"GET", "/policies/AzureGuest", 401},
                           Try{"GET", "/policies/Nothing", 404}, Try{"PUT", "/certificates", 405},
                           Try{"POST", "/policies/AzureGuest", 405}, Try{"GET", "/nowhere", 404}}) {
        limit({.address = 1, .principal = 0, .service = 0});
        const auto ask = [&] {
            return running_.send(one.method, one.path, "", "2020-10-01", "rubbish");
        };
        for (int i = 0; i < 10; ++i) EXPECT_EQ(ask().status, one.status) << one.path;
        const uint64_t recorded = MUST(running_.log.size());
        const net::Response over = ask();
        EXPECT_EQ(over.status, 429) << one.path;
        EXPECT_EQ(over.headers.get("x-ms-error-code"), "Throttled");
        EXPECT_TRUE(is_guid(over.headers.get("x-ms-request-id")));
        EXPECT_EQ(MUST(running_.log.size()), recorded);
        EXPECT_EQ(read_policy(running_.access_token(kPolicyKeeper)), 200);
    }
}

TEST_F(AttestLimits, ACallerWithoutARoleDoesNotFillTheLog) {
    limit({.address = 0, .principal = 0, .service = 0});
    constexpr const char* kNobody = "aaaaaaaa-0000-4000-8000-000000000078";
    const auto most = static_cast<uint64_t>(running_.config().recorded_burst);
    const std::string token = running_.access_token(kNobody);
    const uint64_t before = MUST(running_.log.size());
    for (uint64_t i = 0; i < most + 50; ++i) EXPECT_NE(read_policy(token), 200);
    EXPECT_EQ(MUST(running_.log.size()) - before, most);
    EXPECT_EQ(running_.attest("rubbish").status, 400);
    EXPECT_EQ(MUST(running_.log.size()) - before, most + 1);  // strangers have a share of their own
}

TEST_F(AttestLimits, AKnownCallerHasALimitOfHisOwn) {
    limit({.address = 0, .principal = 1, .service = 0});
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(read_policy(running_.access_token(kPolicyKeeper)), 200);
    }
    EXPECT_EQ(read_policy(running_.access_token(kPolicyKeeper)), 429);
    EXPECT_EQ(certs(), 200);
    EXPECT_EQ(told_, std::vector<net::LimitScope>{net::LimitScope::principal});
}

}  // namespace
}  // namespace vouchsafe::attest
