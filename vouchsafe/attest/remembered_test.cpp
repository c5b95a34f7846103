// What another process changes in the store counts from the next request on, although requests are
// judged by what this process remembers.
#include <gmock/gmock.h>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/provider_keys.h"
#include "vouchsafe/attest/test_office.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr const char* kDenyAll = "version= 1.0; authorizationrules { => deny(); };";

// Remembering is an office that answered already, so that it remembers, and another process's way
// to its store.
struct Remembering : Office {
    Remembering() {
        for (int i = 0; i < 2; ++i) MUST(json_string(claims(), "x-ms-policy-hash"));
    }
    // do_elsewhere has `act` done by another process.
    void do_elsewhere(const std::function<void()>& act) {
        auto others = MUST(Service::create(
            config(), {*other_store, other_log, clock, anchors, web.fetch(), collateral.get()}));
        std::swap(service, others);
        act();
        std::swap(service, others);
    }
    Json claims() { return claims_of(*this, token_of(attest_snp(Machine{}))); }
    size_t count_entries(std::string_view action) {
        size_t out = 0;
        for (const audit::StoredEntry& stored : MUST(log.entries(0, audit::kMaxPage))) {
            if (stored.entry.action == action) ++out;
        }
        return out;
    }

    std::unique_ptr<store::Store> other_store = open_store(dir.path());
    audit::Log other_log{*other_store};
};

TEST(AttestRemembered, APolicyThatWasSetElsewhereCountsAtOnce) {
    Remembering office;
    office.do_elsewhere([&] { office.set(kPermitAll); });
    EXPECT_EQ(office.claims()["x-ms-policy-hash"], policy_hash(kPermitAll));
    EXPECT_EQ(office.claims()["x-ms-policy-hash"], policy_hash(kPermitAll));
    office.do_elsewhere([&] { office.set(kDenyAll); });
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
}

TEST(AttestRemembered, NobodyIsRefusedByAPolicyThatWasReplacedElsewhere) {
    Remembering office;
    office.set(kDenyAll);
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
    office.do_elsewhere([&] { office.set(kPermitAll); });
    const size_t before = office.count_entries("attest/SevSnpVm");
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
    EXPECT_EQ(office.count_entries("attest/SevSnpVm"), before + 1);
}

TEST(AttestRemembered, KeysThatWereWithdrawnElsewhereSignNothing) {
    Remembering office;
    auto kid = [&] {
        return MUST(jose::parse_jws(token_of(office.attest_snp(Machine{})), 1 << 20)).kid;
    };
    const std::string before = kid();
    EXPECT_EQ(kid(), before);
    MUST(MUST(open_signing_keys(office.config(), *office.other_store, office.other_log,
                                office.clock))
             ->rotate(jose::SigningKeys::When::compromised));
    const std::string after = kid();
    EXPECT_NE(after, before);
    EXPECT_EQ(kid(), after);
}

TEST(AttestRemembered, AChallengeIsAnsweredOnceAlsoIfTheRequestIsJudgedTwice) {
    Remembering office;
    const auto response = office.send("POST", "/challenge", "", "");
    const std::string challenge = MUST(parse_json_object(response.body))["challenge"];
    Machine machine;
    machine.qualifying = challenge_digest(challenge);
    Json body = MUST(parse_json(guest_request(machine)));
    body["challenge"] = challenge;
    for (int i = 0; i < 2; ++i) EXPECT_EQ(office.attest(guest_request(Machine{})).status, 200);
    office.do_elsewhere([&] {
        office.told(office.ask("PUT", "/policies/AzureGuest", unsigned_policy(kPermitAll)));
    });
    EXPECT_EQ(office.attest(dump_json(body)).status, 200);
    EXPECT_EQ(office.refused(office.attest(dump_json(body)), 400), "ATTEST-CHALLENGE");
}

TEST(AttestRemembered, ARequestIsRecordedOnce) {
    Remembering office;
    const size_t before = office.count_entries("attest/SevSnpVm");
    office.claims();
    EXPECT_EQ(office.count_entries("attest/SevSnpVm"), before + 1);
    office.do_elsewhere([&] { office.set(kPermitAll); });
    office.claims();
    EXPECT_EQ(office.count_entries("attest/SevSnpVm"), before + 2);
}

}  // namespace
}  // namespace vouchsafe::attest
