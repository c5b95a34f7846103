// What a service tells who counts verdicts, and who asks whether it works.
#include <gtest/gtest.h>

#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

// CountedService tells its verdicts into `told`.
struct CountedService {
    Running running;
    std::vector<std::string> told;
    std::unique_ptr<Service> service;

    CountedService() {
        Dependencies deps{*running.store,  running.log,         running.clock,
                          running.anchors, running.web.fetch(), running.collateral.get()};
        deps.on_verdict = [this](const Verdict& verdict) {
            EXPECT_GE(verdict.seconds, 0);
            EXPECT_LT(verdict.seconds, 60);
            told.push_back(fmt::format("{} {} {}", verdict.type,
                                       audit::outcome_name(verdict.outcome), verdict.code));
        };
        service = MUST(Service::create(running.config(), deps));
    }
    int post(std::string target, std::string body, std::string version = "2020-10-01") const {
        net::Request request;
        request.method = "POST";
        request.path = {"attest", std::move(target)};
        request.query = {{"api-version", std::move(version)}};
        request.body = std::move(body);
        return service->handler()(request).status;
    }
    // put damages the store.
    void put(std::string_view table, std::string_view key, std::string_view value) {
        MUST(running.store->run(
            [&](store::Transaction& tx) { return tx.put(table, key, as_bytes(value)); }));
    }
};

TEST(AttestVerdict, IsToldOnceForEachRequestForAToken) {
    CountedService counted;
    EXPECT_EQ(counted.post("sevsnpvm", dump_json(snp_request(Machine{}))), 200);
    EXPECT_EQ(counted.told, std::vector<std::string>{"SevSnpVm allowed "});
    counted.told.clear();
    EXPECT_EQ(counted.post("AzureGuest", "{}"), 400);
    EXPECT_EQ(counted.told, std::vector<std::string>{"AzureGuest refused ATTEST-REQUEST"});
    counted.told.clear();
    EXPECT_EQ(counted.post("AzureGuest", "{}", "1999-01-01"), 400);  // asked for no token
    EXPECT_TRUE(counted.told.empty());
}

TEST(AttestVerdict, SaysThatTheServiceFailed) {
    CountedService counted;
    counted.put("audit_size", "entries", "damaged");  // no verdict can be recorded
    EXPECT_EQ(counted.post("SevSnpVm", dump_json(snp_request(Machine{}))), 500);
    ASSERT_EQ(counted.told.size(), 1U);
    EXPECT_TRUE(counted.told[0].starts_with("SevSnpVm failed ")) << counted.told[0];
    EXPECT_FALSE(counted.told[0].ends_with(' ')) << counted.told[0];
}

TEST(AttestHealth, APolicyThatCannotBeReadIsSaid) {
    CountedService counted;
    EXPECT_TRUE(counted.service->check_policies());
    counted.put("attest_policy", counted.running.config().issuer + "|SevSnpVm", "damaged");
    Result<void> read = counted.service->check_policies();
    ASSERT_FALSE(read);
    EXPECT_TRUE(read.error().message.starts_with("SevSnpVm: ")) << read.error().message;
}

TEST(AttestHealth, ASigningKeyWhoseCertificateHasEndedIsOfNoUse) {
    CountedService counted;
    EXPECT_TRUE(counted.service->check_signing_key());
    counted.running.clock.set(MUST(counted.service->signing_certificate()).not_after());
    EXPECT_TRUE(counted.service->check_signing_key());
    counted.running.clock.set(MUST(counted.service->signing_certificate()).not_after() +
                              Seconds(1));
    Result<void> ended = counted.service->check_signing_key();
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::expired);
}

TEST(AttestRoutes, AreNamedWithoutWhatIsInThem) {
    CountedService counted;
    net::Request request;
    request.method = "GET";
    request.path = {"policies", "SevSnpVm"};
    EXPECT_EQ(counted.service->route_of(request), "/policies/{type}");
    request.path = {"nowhere"};
    EXPECT_EQ(counted.service->route_of(request), "");
}

}  // namespace
}  // namespace vouchsafe::attest
