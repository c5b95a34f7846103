// What another process changes in the store counts from the next request on, although requests are
// judged by what this process remembers.
#include <gmock/gmock.h>

#include <atomic>
#include <thread>

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

std::string policy_of(int number) {
    return fmt::format(
        "version= 1.0; authorizationrules {{ => permit(); }}; issuancerules {{ => "
        "issue(type=\"number\", value={}); }};",
        number);
}

// Two services, as two processes, each asked again and again while both take policies.
TEST(AttestRemembered, NoTokenIsOfAPolicyThatWasReplacedBeforeItWasAskedFor) {
    constexpr int kPolicies = 20;
    constexpr std::chrono::milliseconds kBetween{3};
    constexpr size_t kMostGiven = 800;  // so that all entries are in one page
    Remembering office;
    const auto other = MUST(Service::create(
        office.config(), {*office.other_store, office.other_log, office.clock, office.anchors,
                          office.web.fetch(), office.collateral.get()}));
    Service* const services[] = {office.service.get(), other.get()};
    const std::string body = dump_json(snp_request(Machine{}));
    const std::string operator_token = office.access_token(kContributor);
    office.set(policy_of(0));

    std::atomic<int> begun = 0, acknowledged = 0;
    std::atomic<bool> done = false;
    std::atomic<size_t> given = 0;
    std::vector<std::thread> machines;
    for (Service* service : services) {
        machines.emplace_back([&, service] {
            while (!done && given < kMostGiven) {
                const int oldest = acknowledged;
                const net::Response answer =
                    Running::send_to(*service, "POST", "/attest/SevSnpVm", body);
                const int newest = begun;
                ++given;
                const Json payload = MUST(parse_json_object(
                    as_text(MUST(jose::parse_jws(token_of(answer), 1 << 20)).payload)));
                const int number = payload.value("number", -1);
                EXPECT_TRUE(oldest <= number && number <= newest)
                    << oldest << " " << number << " " << newest;
                std::this_thread::sleep_for(kBetween);  // policies that nobody meets halfway
            }
        });
    }
    for (int i = 1; i <= kPolicies; ++i) {
        begun = i;
        const auto put =
            Running::send_to(*services[i % 2], "PUT", "/policies/SevSnpVm",
                             unsigned_policy(policy_of(i)), "2020-10-01", operator_token);
        EXPECT_EQ(put.status, 200) << put.body;
        acknowledged = i;
        std::this_thread::sleep_for(kBetween);
    }
    done = true;
    for (std::thread& machine : machines) machine.join();
    EXPECT_EQ(office.count_entries("attest/SevSnpVm"), given + 2);  // Remembering's own
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
