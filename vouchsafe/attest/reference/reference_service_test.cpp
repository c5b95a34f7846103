// Reference values through the service: who may change them, and what policies make of them.
#include <gmock/gmock.h>

#include "vouchsafe/attest/reference/reference_administration.h"
#include "vouchsafe/attest/reference/test_reference.h"
#include "vouchsafe/attest/test_office.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using ::testing::HasSubstr;

std::string unsigned_document(const Json& document) {
    return jose::unsigned_jws(Json::object(), as_bytes(dump_json(document)));
}

constexpr const char* kWantsProd =
    "version=1.0; authorizationrules { "
    "[type==\"x-vouchsafe-reference-values\", value==\"prod\", issuer==\"AttestationService\"] "
    "=> permit(); };";

struct Library {
    template <typename Its>
    static net::Response put(Its& office, const Json& document) {
        std::string name = document["name"];
        return office.ask("PUT", "/reference-values/" + name, dump_json(document));
    }
    template <typename Its>
    static Json kept(Its& office, const Json& document) {
        return office.told(put(office, document))["x-vouchsafe-reference-set"];
    }
};

audit::Entry entry_of(Running& office, const net::Response& response) {
    auto entries = MUST(office.log.find(response.headers.get("x-ms-request-id")));
    EXPECT_EQ(entries.size(), 1u);
    return entries.at(0).entry;
}

TEST(ReferenceAdministration, KeepsTellsAndRemovesASet) {
    Office office;
    auto list = [&] {
        return office.told(
            office.ask("GET", "/reference-values", ""))["x-vouchsafe-reference-sets"];
    };
    EXPECT_EQ(list(), Json::array());
    Json made = Library::kept(office, reference_document("prod", 3));
    EXPECT_EQ(made["version"], 3);
    EXPECT_EQ(made["set-by"], kContributor);
    EXPECT_EQ(made["set-at"], "2026-07-01T12:00:00Z");
    EXPECT_EQ(made["status"], "in force");
    EXPECT_EQ(made["evidence"], Json::array({"AzureGuest", "SevSnpVm"}));
    EXPECT_EQ(list(), Json::array({made}));

    Json got = office.told(
        office.ask("GET", "/reference-values/prod", "", kReader))["x-vouchsafe-reference-set"];
    auto document = MUST(ReferenceDocument::read(got["document"].get<std::string>()));
    EXPECT_EQ(document.set, reference_set(reference_document("prod", 3)));
    EXPECT_EQ(got["digest"], document.digest);

    Json removed = office.told(
        office.ask("DELETE", "/reference-values/prod", ""))["x-vouchsafe-reference-set"];
    EXPECT_EQ(removed["version"], 4);
    EXPECT_EQ(removed["removed"], true);
    EXPECT_EQ(list(), Json::array({removed}));
    EXPECT_EQ(office.ask("DELETE", "/reference-values/prod", "").status, 404);
    EXPECT_EQ(office.ask("DELETE", "/reference-values/other", "").status, 404);
    EXPECT_EQ(office.ask("GET", "/reference-values/other", "").status, 404);
    EXPECT_EQ(office.ask("GET", "/reference-values/a%7Cb", "").status, 404);
}

TEST(ReferenceAdministration, KeepsEveryVersion) {
    Office office;
    Json first_one = reference_document("prod", 1);
    first_one["description"] = "the first";
    Library::kept(office, first_one);
    Library::kept(office, reference_document("prod", 20));
    auto version = [&](const std::string& query) {
        net::Request request;
        request.method = "GET";
        request.path = {"reference-values", "prod"};
        request.query.emplace_back("version", query);
        request.headers.set("Authorization", "Bearer " + office.access_token(kReader));
        return office.service->handler()(request);
    };
    Json told = office.told(version("1"))["x-vouchsafe-reference-set"];
    auto document = MUST(ReferenceDocument::read(told["document"].get<std::string>()));
    EXPECT_EQ(document.set.description, "the first");
    EXPECT_EQ(office.told(version("20"))["x-vouchsafe-reference-set"]["version"], 20);
    EXPECT_EQ(version("2").status, 404);
    EXPECT_EQ(version("99999999999999999").status, 404);
    for (const char* bad : {"", "x", "-1", "1 ", "99999999999999999999"}) {
        EXPECT_EQ(office.refused(version(bad), 400), "ATTEST-REFERENCE-FORM") << bad;
    }
}

TEST(ReferenceAdministration, NeverGoesBack) {
    Office office;
    auto code = [&](uint64_t version) {
        net::Response response = Library::put(office, reference_document("prod", version));
        if (response.status == 200) return std::string("accepted");
        EXPECT_EQ(error_of(response)["code"], "InvalidOperation");
        return office.refused(response, 400);
    };
    EXPECT_EQ(code(5), "accepted");
    EXPECT_EQ(code(5), "ATTEST-REFERENCE-VERSION");
    EXPECT_EQ(code(4), "ATTEST-REFERENCE-VERSION");
    EXPECT_EQ(code(6), "accepted");
    std::string late = dump_json(reference_removal("prod", 6));
    EXPECT_EQ(office.refused(office.ask("DELETE", "/reference-values/prod", late), 400),
              "ATTEST-REFERENCE-VERSION");
    std::string removal = dump_json(reference_removal("prod", 8));
    EXPECT_EQ(office.ask("DELETE", "/reference-values/prod", removal).status, 200);
    EXPECT_EQ(code(7), "ATTEST-REFERENCE-VERSION");
    EXPECT_EQ(code(8), "ATTEST-REFERENCE-VERSION");
    EXPECT_EQ(code(9), "accepted");
}

TEST(ReferenceAdministration, CanRemoveASetOfTheHighestVersion) {
    Office office;
    Json last = reference_document("prod", kMaxReferenceVersion);
    EXPECT_EQ(Library::put(office, last).status, 200);
    EXPECT_EQ(office.ask("DELETE", "/reference-values/prod", "").status, 200);
    EXPECT_EQ(office.refused(office.ask("DELETE", "/reference-values/prod", ""), 400),
              "ATTEST-REFERENCE-VERSION");
    EXPECT_EQ(office.refused(Library::put(office, last), 400), "ATTEST-REFERENCE-VERSION");
}

TEST(ReferenceAdministration, RefusesWhatIsNoDocumentForThatName) {
    Office office;
    auto put = [&](const std::string& body, const std::string& name = "prod") {
        return office.refused(office.ask("PUT", "/reference-values/" + name, body), 400);
    };
    std::string good = dump_json(reference_document());
    for (const std::string& body :
         {std::string(), std::string("{}"), std::string("x"), good.substr(1), good + "x",
          dump_json(reference_removal("prod", 2)), unsigned_policy(kPermitAll)}) {
        EXPECT_EQ(put(body), "ATTEST-REFERENCE-FORM") << body;
    }
    EXPECT_EQ(put(good, "other"), "ATTEST-REFERENCE-FORM");
    net::Response response =
        office.ask("PUT", "/reference-values/prod",
                   dump_json(with_values({{"snp", {{"x", 1}}}}, {"SevSnpVm"})));
    EXPECT_THAT(entry_of(office, response).checks.back().found, HasSubstr("no field"));
    Library::kept(office, reference_document());
    EXPECT_EQ(office.refused(office.ask("DELETE", "/reference-values/prod",
                                        dump_json(reference_document("prod", 2))),
                             400),
              "ATTEST-REFERENCE-FORM");
    // A JWS and a JSON text of it are the same.
    EXPECT_EQ(
        office
            .ask("PUT", "/reference-values/prod", unsigned_document(reference_document("prod", 2)))
            .status,
        200);
}

TEST(ReferenceAdministration, IsForThoseWhoseRoleAllowsIt) {
    Office office;
    Library::kept(office, reference_document("prod", 1));
    std::string next = dump_json(reference_document("prod", 2));
    for (auto [who, code] : {std::pair{"", "CALLER-TOKEN"}, std::pair{kStranger, "CALLER-ROLE"},
                             std::pair{kReader, "CALLER-ROLE"}}) {
        auto asked = [&](const char* method, const std::string& body) {
            return office.refused(office.ask(method, "/reference-values/prod", body, who), 401);
        };
        EXPECT_EQ(asked("PUT", next), code);
        EXPECT_EQ(asked("DELETE", ""), code);
        if (who == std::string(kReader)) continue;
        EXPECT_EQ(asked("GET", ""), code);
        EXPECT_EQ(office.refused(office.ask("GET", "/reference-values", "", who), 401), code);
    }
}

TEST(ReferenceAdministration, RecordsWhoChangedWhat) {
    Office office;
    net::Response first_one = Library::put(office, reference_document("prod", 1));
    audit::Entry entry = entry_of(office, first_one);
    EXPECT_EQ(entry.actor, kContributor);
    EXPECT_EQ(entry.action, "reference-values/set");
    EXPECT_EQ(entry.resource, "prod");
    EXPECT_EQ(entry.outcome, audit::Outcome::allowed);
    EXPECT_EQ(entry.details["version"], 1);
    EXPECT_FALSE(entry.details.contains("old-version"));
    std::string digest = encode_hex(crypto::sha256(as_bytes(dump_json(reference_document()))));
    EXPECT_EQ(entry.details["digest"], digest);

    entry = entry_of(office, Library::put(office, reference_document("prod", 2)));
    EXPECT_EQ(entry.details["old-version"], 1);
    EXPECT_EQ(entry.details["old-digest"], digest);
    entry = entry_of(office, Library::put(office, reference_document("prod", 2)));
    EXPECT_EQ(entry.outcome, audit::Outcome::refused);
    EXPECT_EQ(entry.details["version"], 2);
    entry = entry_of(office, office.ask("DELETE", "/reference-values/prod", ""));
    EXPECT_EQ(entry.action, "reference-values/remove");
    EXPECT_EQ(entry.details["version"], 3);
    EXPECT_EQ(entry.details["old-version"], 2);
}

TEST(ReferenceSigners, MustSignWhatThoseChangeWhoMay) {
    SignedOffice office;
    auto put = [&](const std::string& body, std::string_view who = kContributor) {
        return office.code("PUT", "/reference-values/prod", body, who);
    };
    EXPECT_EQ(put(dump_json(reference_document())), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(put(unsigned_document(reference_document())), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(put(second().sign(reference_document())), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(put(first().sign(reference_document()), kReader), "CALLER-ROLE");
    std::string signed_document = first().sign(reference_document());
    EXPECT_EQ(put(signed_document), "accepted");
    EXPECT_EQ(put(signed_document), "ATTEST-REFERENCE-VERSION");
    auto remove = [&](const std::string& body) {
        return office.code("DELETE", "/reference-values/prod", body);
    };
    EXPECT_EQ(remove(""), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(remove(signed_document), "ATTEST-REFERENCE-FORM");
    EXPECT_EQ(remove(second().sign(reference_removal("prod", 2))), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(remove(first().sign(reference_removal("prod", 2))), "accepted");
    office.clock.set(test_time() + Seconds(2 * 86400));  // the certificate ran out
    EXPECT_EQ(put(first().sign(reference_document("prod", 3))), "ATTEST-POLICY-SIGNER");
}

TEST(ReferenceOperator, ChangesSetsInTheStoreButNotPastTheSigners) {
    Office office;
    OperatorDesk desk{*office.store, office.service->config().issuer, test_time()};
    auto read = [](const std::string& body) { return MUST(ReferenceDocument::read(body)); };
    ASSERT_TRUE(change_as_operator(desk, read(dump_json(reference_document("prod", 2)))));
    auto late = change_as_operator(desk, read(dump_json(reference_document("prod", 2))));
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().reason()->code, "ATTEST-REFERENCE-VERSION");
    office.set(kWantsProd);
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
    EXPECT_EQ(MUST(remove_as_operator(desk, "prod")), 3u);
    EXPECT_EQ(office.attest_snp(Machine{}).status, 400);
    EXPECT_EQ(remove_as_operator(desk, "prod").error().code, Code::not_found);
    auto entries = MUST(office.log.entries(0, audit::kMaxPage));
    auto by_operator = [](const audit::StoredEntry& one) {
        return one.entry.actor == "operator" && one.entry.action == "reference-values/remove" &&
               one.entry.details["old-version"] == 2;
    };
    EXPECT_TRUE(std::ranges::any_of(entries, by_operator));

    SignedOffice guarded;
    OperatorDesk its{*guarded.store, guarded.service->config().issuer, test_time()};
    auto bare = change_as_operator(its, read(dump_json(reference_document())));
    ASSERT_FALSE(bare);
    EXPECT_EQ(bare.error().reason()->code, "ATTEST-POLICY-SIGNER");
    EXPECT_TRUE(change_as_operator(its, read(first().sign(reference_document()))));
    EXPECT_EQ(remove_as_operator(its, "prod").error().reason()->code, "ATTEST-POLICY-SIGNER");
}

TEST(ReferenceValues, AreClaimsThatPoliciesDemand) {
    Office office;
    office.set(kWantsProd);
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
    Library::kept(office, reference_document("prod", 4));
    Library::kept(office, reference_document("other", 1));
    Json enclaves =
        with_values({{"sgx", {{"mrsigner", {encode_hex(Bytes(32, 1))}}}}}, {"SgxEnclave"});
    enclaves["name"] = "enclaves";
    Library::kept(office, enclaves);
    net::Response response = office.attest_snp(Machine{});
    Json claims = claims_of(office, token_of(response));
    expect_named(claims);
    EXPECT_EQ(claims["x-vouchsafe-reference-values"], Json::array({"other", "prod"}));
    EXPECT_EQ(claims["x-vouchsafe-reference-value-versions"], Json::array({"other:1", "prod:4"}));
    Json told = entry_of(office, response).details["reference-values"];
    EXPECT_EQ(told["matched"], Json::array({"other:1", "prod:4"}));
    EXPECT_FALSE(told.contains("missed"));

    office.set(R"(version=1.0; authorizationrules {
        [type=="x-vouchsafe-reference-value-versions", value=="prod:4"] => permit(); };)");
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
    Library::kept(office, reference_document("prod", 5));
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
}

TEST(ReferenceValues, CannotBeClaimedByAPolicy) {
    Office office;
    office.set(R"(version=1.0; authorizationrules { => permit(); }; issuancerules {
        => issue(type="x-vouchsafe-reference-values", value="prod"); };)");
    Json claims = claims_of(office, token_of(office.attest_snp(Machine{})));
    EXPECT_FALSE(claims.contains("x-vouchsafe-reference-values"));
}

TEST(ReferenceValues, ThatDoNotMatchAreExplainedToTheOperatorAlone) {
    Office office;
    office.set(kWantsProd);
    Json document = reference_document();
    document["values"]["snp"]["guest-svn"] = {{"min", 8}};
    Library::kept(office, document);
    net::Response response = office.attest_snp(Machine{});
    EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY");
    EXPECT_THAT(response.body, ::testing::Not(HasSubstr("svn")));
    audit::Entry entry = entry_of(office, response);
    EXPECT_EQ(entry.details["reference-values"]["missed"],
              Json::array({{{"set", "prod:1"},
                            {"field", "snp.guest-svn"},
                            {"expected", "8 to 4294967295"},
                            {"found", "7"}}}));
    EXPECT_THAT(dump_json(entry.details["policy"]), HasSubstr("x-vouchsafe-reference-values"));
}

TEST(ReferenceValues, ThatEndedMatchNothingAndTheLogSaysSo) {
    Office office;
    office.set(kWantsProd);
    Json document = reference_document();
    document["validity"]["not-after"] = "2026-07-01T12:00:00Z";
    Library::kept(office, document);
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
    office.clock.set(test_time() + Seconds(1));
    net::Response response = office.attest_snp(Machine{});
    EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY");
    std::string told = dump_json(entry_of(office, response).details["reference-values"]["lines"]);
    EXPECT_THAT(told, HasSubstr("prod:1: validity: expected until 2026-07-01T12:00:00Z"));
    Json listed =
        office.told(office.ask("GET", "/reference-values", ""))["x-vouchsafe-reference-sets"];
    EXPECT_EQ(listed[0]["status"], "ended");
}

TEST(ReferenceValues, OfAGuestAreItsRegistersAndAllTheirEvents) {
    Office office;
    office.set(kWantsProd, "AzureGuest");
    Machine machine;
    auto log = MUST(evidence::EventLog::parse(machine.event_log));
    Json pcrs, events = Json::array();
    for (const auto& one : machine.evidence().pcr_values) {
        pcrs[std::to_string(one.index)] = {encode_hex(one.digest)};
    }
    for (const auto& event : log.events()) {
        if (event.pcr != 4) continue;
        std::string digest = encode_hex(event.digests.at(evidence::kTpmAlgSha256));
        if (std::find(events.begin(), events.end(), Json(digest)) == events.end())
            events.push_back(digest);
    }
    ASSERT_GT(events.size(), 1u);
    Json values = {{"snp", {{"measurement", {encode_hex(Bytes(48, 0x4D))}}}},
                   {"pcrs", pcrs},
                   {"event-digests", {{"4", events}}}};
    Json document = with_values(values, {"AzureGuest"});
    Library::kept(office, document);
    Json claims = claims_of(office, open_envelope(token_of(office.attest(guest_request(machine)))));
    expect_named(claims);
    EXPECT_EQ(claims["x-vouchsafe-reference-values"], Json::array({"prod"}));

    auto refused_field = [&](const Json& changed, const Machine& other) {
        Library::kept(office, changed);
        net::Response response = office.attest(guest_request(other));
        EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY");
        return entry_of(office, response).details["reference-values"]["missed"][0]["field"];
    };
    document["version"] = 2;
    document["values"]["event-digests"]["4"].erase(0);
    EXPECT_EQ(refused_field(document, machine), "event-digests.4");
    document["version"] = 3;
    document["values"]["event-digests"]["4"] = events;
    Machine other;
    other.event_log = recorded_log("sb-on-shim-grub");
    EXPECT_EQ(refused_field(document, other).get<std::string>().substr(0, 4), "pcrs");
    document["version"] = 4;
    document["values"]["pcrs"]["12"] = {encode_hex(Bytes(32, 0))};
    EXPECT_EQ(refused_field(document, machine), "pcrs.12");
}

TEST(ReferenceValues, OutliveTheProcessAndAreSeenByOthers) {
    Office office;
    auto other = MUST(office.create());
    office.set(kWantsProd);
    EXPECT_EQ(office.attest_snp(Machine{}).status, 400);
    Library::kept(office, reference_document());
    std::swap(other, office.service);
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
    EXPECT_TRUE(office.service->check_policies());
    MUST(office.store->run([&](store::Transaction& tx) -> Result<void> {
        for (const auto& record : TRY(tx.scan("attest_reference", "", "", 10))) {
            TRY(tx.put("attest_reference", record.key, as_bytes("broken")));
        }
        return {};
    }));
    office.service = MUST(office.create());
    EXPECT_FALSE(office.service->check_policies());
    EXPECT_EQ(office.attest_snp(Machine{}).status, 500);
}

}  // namespace
}  // namespace vouchsafe::attest
