// Policies through the service: who may change them, and what they decide.
#include <gmock/gmock.h>

#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/test_office.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

std::string text_of(const std::string& jws) {
    return MUST(policy_text(MUST(SignedDocument::parse(jws))));
}

Machine debuggable() {
    Machine machine;
    machine.policy |= 1u << 19;
    return machine;
}

TEST(PolicyAdministration, SetsTellsAndResetsAPolicy) {
    Office office;
    std::string built_in = default_snp_vm_policy(office.service->config());
    EXPECT_EQ(text_of(office.stored("sevsnpvm")), built_in);
    Json answer = office.set(kPermitAll);
    EXPECT_EQ(answer["x-ms-policy-result"], "Updated");
    EXPECT_EQ(answer["x-ms-policy-token-hash"],
              encode_base64url(crypto::sha256(as_bytes(unsigned_policy(kPermitAll)))));
    EXPECT_FALSE(answer.contains("x-ms-policy-signer"));
    EXPECT_EQ(office.stored("SevSnpVm"), unsigned_policy(kPermitAll));
    EXPECT_EQ(text_of(office.stored("AzureGuest")),
              default_azure_guest_policy(office.service->config()));
    Json claims = claims_of(office, token_of(office.attest_snp(Machine{})));
    EXPECT_EQ(claims["x-ms-policy-hash"], policy_hash(kPermitAll));

    auto reset =
        office.told(office.ask("POST", "/policies/SevSnpVm:reset", R"("eyJhbGciOiJub25lIn0..")"));
    EXPECT_EQ(reset["x-ms-policy-result"], "Removed");
    EXPECT_EQ(text_of(office.stored("SevSnpVm")), built_in);
    EXPECT_EQ(office.ask("POST", "/policies/SevSnpVm", "eyJhbGciOiJub25lIn0..").status, 405);
    EXPECT_EQ(office.ask("GET", "/policies/Other", "").status, 404);
}

TEST(PolicyAdministration, IsForThoseWhoseRoleAllowsIt) {
    Office office;
    std::string jws = unsigned_policy(kPermitAll);
    for (auto [who, code] : {std::pair{"", "CALLER-TOKEN"}, std::pair{kStranger, "CALLER-ROLE"},
                             std::pair{kReader, "CALLER-ROLE"}}) {
        net::Response response = office.ask("PUT", "/policies/SevSnpVm", jws, who);
        EXPECT_EQ(office.refused(response, 401), code);
        EXPECT_THAT(response.headers.get("WWW-Authenticate"),
                    ::testing::HasSubstr("resource=\"https://attest.azure.net\""));
        EXPECT_EQ(office.refused(office.ask("POST", "/policies/SevSnpVm:reset", jws, who), 401),
                  code);
        EXPECT_EQ(office.refused(office.ask("POST", "/certificates:add", jws, who), 401), code);
    }
    EXPECT_EQ(office.ask("GET", "/policies/SevSnpVm", "", kReader).status, 200);
    EXPECT_EQ(office.ask("GET", "/certificates", "", kReader).status, 200);
    EXPECT_EQ(office.refused(office.ask("GET", "/policies/SevSnpVm", "", kStranger), 401),
              "CALLER-ROLE");
    EXPECT_EQ(text_of(office.stored("SevSnpVm")), default_snp_vm_policy(office.service->config()));
}

TEST(PolicyAdministration, RefusesWhatIsNoPolicyAndSaysWhere) {
    Office office;
    auto refused = [&](const std::string& body, const char* code) {
        net::Response response = office.ask("PUT", "/policies/SevSnpVm", body);
        EXPECT_EQ(error_of(response)["code"], code);
        EXPECT_EQ(response.headers.get("x-ms-error-code"), code);
        std::string id = response.headers.get("x-ms-request-id");
        auto entries = MUST(office.log.find(id));
        EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY-FORM");
        const Check& check = entries.at(0).entry.checks.back();
        // Who may set policies is told what the audit log is told.
        EXPECT_EQ(
            error_of(response)["message"],
            fmt::format("ATTEST-POLICY-FORM: {}: {} (request {})", check.field, check.found, id));
        return check.found;
    };
    constexpr const char* kText = "PolicyParsingError";
    constexpr const char* kDocument = "InvalidOperation";  // azure-api C.7
    EXPECT_THAT(refused(unsigned_policy("version=1.0;\nauthorizationrules { permit(); };"), kText),
                ::testing::HasSubstr("line 2, column 28"));
    EXPECT_THAT(refused(unsigned_policy(""), kText), ::testing::HasSubstr("line 1, column 1"));
    EXPECT_THAT(refused(kPermitAll, kDocument), ::testing::HasSubstr("three parts"));
    EXPECT_THAT(refused("", kDocument), ::testing::HasSubstr("empty"));
    EXPECT_THAT(refused("eyJhbGciOiJub25lIn0.e30.", kText),
                ::testing::HasSubstr("AttestationPolicy"));
    EXPECT_EQ(text_of(office.stored("SevSnpVm")), default_snp_vm_policy(office.service->config()));
}

TEST(PolicyAdministration, OutlivesTheProcessAndIsSeenByOthers) {
    Office office;
    auto other = MUST(office.create());
    office.set(kPermitAll);
    std::swap(other, office.service);
    EXPECT_EQ(office.stored("SevSnpVm"), unsigned_policy(kPermitAll));
    Json claims = claims_of(office, token_of(office.attest_snp(debuggable())));
    EXPECT_EQ(claims["x-ms-sevsnpvm-is-debuggable"], true);
}

TEST(PolicyAdministration, EveryChangeIsRecordedWithWhoMadeIt) {
    Office office;
    net::Response response = office.ask("PUT", "/policies/SevSnpVm", unsigned_policy(kPermitAll));
    auto entries = MUST(office.log.find(response.headers.get("x-ms-request-id")));
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.actor, kContributor);
    EXPECT_EQ(entries[0].entry.action, "policies/set");
    EXPECT_EQ(entries[0].entry.resource, "SevSnpVm");
    EXPECT_EQ(entries[0].entry.details["policy-hash"], policy_hash(kPermitAll));
}

TEST(AttestationPolicy, DecidesWhatTheBuiltInOneRefuses) {
    Office office;
    EXPECT_EQ(office.refused(office.attest_snp(debuggable()), 400), "SNP-POLICY-DEBUG");
    office.set(kPermitAll);
    EXPECT_EQ(office.attest_snp(debuggable()).status, 200);
    office.set(R"(version=1.0; authorizationrules {
        [type=="x-ms-sevsnpvm-is-debuggable", value==false] => permit(); };)");
    net::Response response = office.attest_snp(debuggable());
    EXPECT_EQ(error_of(response)["code"], "PolicyEvaluationError");
    EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY");
    auto entries = MUST(office.log.find(response.headers.get("x-ms-request-id")));
    std::string explained = dump_json(entries.at(0).entry.details["policy"]);
    EXPECT_THAT(explained, ::testing::HasSubstr("x-ms-sevsnpvm-is-debuggable"));
    EXPECT_THAT(response.body, ::testing::Not(::testing::HasSubstr("debuggable")));
    EXPECT_EQ(office.attest_snp(Machine{}).status, 200);
}

TEST(AttestationPolicy, ThatDeniesRefusesEvenGoodEvidence) {
    Office office;
    office.set("version=1.0; authorizationrules { => permit(); => deny(); };");
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}), 400), "ATTEST-POLICY");
}

TEST(AttestationPolicy, NeverAcceptsEvidenceThatDoesNotHold) {
    Office office;
    office.set(kPermitAll);
    office.set(kPermitAll, "AzureGuest");
    Machine other;
    other.vmpl = 1;
    EXPECT_EQ(office.refused(office.attest_snp(other), 400), "SNP-VMPL");
    Machine unknown;
    unknown.id_key = std::string(96, 'a');
    EXPECT_EQ(office.refused(office.attest(guest_request(unknown)), 400), "ATTEST-ID-KEY");
}

TEST(AttestationPolicy, OfAGuestSeesTheMachinesClaimsUnderTheirNames) {
    Office office;
    office.set(R"(version=1.0; authorizationrules {
        [type=="x-ms-attestation-type", value=="azurevm"] &&
        [type=="x-ms-attestation-type", value=="sevsnpvm"] &&
        [type=="x-ms-sevsnpvm-is-debuggable", value==false] &&
        [type=="secureboot", value==true] => permit(); };)",
               "AzureGuest");
    EXPECT_EQ(office.attest(guest_request(Machine{})).status, 200);
    EXPECT_EQ(office.refused(office.attest(guest_request(debuggable())), 400), "ATTEST-POLICY");
}

TEST(AttestationPolicy, TellsTheGuestsWordFromWhatWasVerified) {
    Office office;
    auto permits = [&](const char* condition) {
        office.set(fmt::format("version=1.0; authorizationrules {{ {} => permit(); }};", condition),
                   "AzureGuest");
        return office.attest(guest_request(Machine{})).status == 200;
    };
    constexpr const char* kWord = "[type==\"x-ms-azurevm-is-windows\", value==false";
    EXPECT_TRUE(permits(fmt::format("{}]", kWord).c_str()));
    EXPECT_TRUE(permits(fmt::format("{}, issuer==\"CustomClaim\"]", kWord).c_str()));
    EXPECT_FALSE(permits(fmt::format("{}, issuer==\"AttestationService\"]", kWord).c_str()));
    EXPECT_TRUE(
        permits("[type==\"secureboot\", value==true, issuer==\"AttestationService\"] && "
                "[type==\"x-ms-sevsnpvm-vmpl\", issuer==\"AttestationService\"]"));
}

TEST(AttestationPolicy, IssuesClaimsButNoneOfTheServicesOwn) {
    Office office;
    office.set(R"(version=1.0; authorizationrules { => permit(); }; issuancerules {
        => issue(type="team", value="blue");
        => issue(type="iss", value="https://evil.example");
        => issue(type="nonce", value="made up");
        => issue(type="attester_tcb_status", value="UpToDate");
        => issue(type="X-MS-Attestation-Type", value="sgx");
        => issue(type="x-ms-compliance-status", value="azure-compliant-cvm");
        => issue(type="x-vouchsafe-trust-tier", value="hardware"); };)");
    Machine unknown;
    unknown.id_key = std::string(96, 'a');
    Json claims = claims_of(office, token_of(office.attest_snp(unknown)));
    EXPECT_EQ(claims["team"], "blue");
    EXPECT_EQ(claims["x-ms-policy"]["team"], "blue");
    EXPECT_EQ(claims["x-ms-policy"]["iss"], "https://evil.example");
    EXPECT_EQ(claims["iss"], office.service->config().issuer);
    EXPECT_FALSE(claims.contains("nonce"));
    EXPECT_FALSE(claims.contains("attester_tcb_status"));
    EXPECT_FALSE(claims.contains("X-MS-Attestation-Type"));
    EXPECT_FALSE(claims.contains("x-ms-compliance-status"));
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
}

TEST(AttestationPolicy, ADraftIsAppliedAndItsTokenIsSignedByNobody) {
    Office office;
    std::string denies = "version=1.0; authorizationrules { => deny(); };";
    EXPECT_EQ(office.refused(office.attest_snp(Machine{}, denies), 400), "ATTEST-POLICY");
    for (const std::string& draft : {std::string(kPermitAll), unsigned_policy(kPermitAll)}) {
        std::string token = token_of(office.attest_snp(debuggable(), draft));
        jose::Jws jws = MUST(jose::parse_jws(token));
        EXPECT_EQ(jws.alg, "none");
        EXPECT_TRUE(jws.signature.empty());
        Json claims = MUST(parse_json(as_text(jws.payload)));
        EXPECT_EQ(claims["x-ms-policy-hash"], policy_hash(kPermitAll));
        EXPECT_EQ(claims["x-ms-sevsnpvm-is-debuggable"], true);
    }
    EXPECT_EQ(office.refused(office.attest_snp(debuggable()), 400), "SNP-POLICY-DEBUG");
}

TEST(PolicyAdministration, SaysWhatIsNoCertificateAsAzureDoes) {
    Office office;
    for (const char* path : {"/certificates:add", "/certificates:remove"}) {
        net::Response response = office.ask("POST", path, "eyJhbGciOiJub25lIn0.e30.");
        EXPECT_EQ(error_of(response)["code"], "InvalidOperation") << path;
        EXPECT_EQ(office.refused(response, 400), "ATTEST-POLICY-FORM");
    }
}

// Strangers learn the code, whatever they send.
TEST(PolicyAdministration, TellsStrangersNothingAboutTheDocument) {
    Office office;
    for (const char* who : {"", kReader}) {
        net::Response response = office.ask("PUT", "/policies/SevSnpVm", kPermitAll, who);
        std::string code = response.headers.get("x-vouchsafe-check");
        EXPECT_EQ(error_of(response)["message"],
                  fmt::format("{} (request {})", code, response.headers.get("x-ms-request-id")));
    }
}

// What a caller did is no fault of the service, which an operator would be woken for.
TEST(PolicyAdministration, LogsNoErrorAboutWhatACallerDid) {
    Office office;
    ::testing::internal::CaptureStderr();
    EXPECT_EQ(office.ask("GET", "/policies/Nothing", "", kReader).status, 404);
    EXPECT_EQ(office.ask("GET", "/policies/Nothing", "", "").status, 404);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST(PolicySigners, MustSignWhatThoseChangeWhoMay) {
    SignedOffice office;
    EXPECT_EQ(office.put(unsigned_policy(kPermitAll)), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(office.put(second().policy(kPermitAll)), "ATTEST-POLICY-SIGNER");
    EXPECT_EQ(office.put(first().policy(kPermitAll), kReader), "CALLER-ROLE");
    EXPECT_EQ(office.put(first().policy(kPermitAll), ""), "CALLER-TOKEN");
    net::Response refused = office.ask("PUT", "/policies/SevSnpVm", unsigned_policy(kPermitAll));
    EXPECT_EQ(error_of(refused)["code"], "InvalidOperation");
    Json answer = office.told(office.ask("PUT", "/policies/SevSnpVm", first().policy(kPermitAll)));
    EXPECT_EQ(answer["x-ms-policy-signer"]["x5c"], first().x5c());
    Json claims = claims_of(office, token_of(office.attest_snp(Machine{})));
    EXPECT_EQ(claims["x-ms-policy-signer"]["alg"], "RS256");

    office.clock.set(test_time() + Seconds(2 * 86400));  // the certificate ran out
    EXPECT_EQ(office.put(first().policy(kPermitAll)), "ATTEST-POLICY-SIGNER");
}

// What anybody may read under GET is a signed document: no reset by sending it back.
TEST(PolicySigners, SignAResetAndNotSomethingElse) {
    SignedOffice office;
    std::string policy = first().policy(kPermitAll);
    EXPECT_EQ(office.put(policy), "accepted");
    EXPECT_EQ(office.code("POST", "/policies/SevSnpVm:reset", policy), "ATTEST-POLICY-FORM");
    EXPECT_EQ(office.code("POST", "/policies/SevSnpVm:reset", "eyJhbGciOiJub25lIn0.."),
              "ATTEST-POLICY-SIGNER");
    std::string reset =
        MUST(jose::sign_jws({{"x5c", first().x5c()}}, {}, first().key, crypto::SigAlg::rs256));
    EXPECT_EQ(office.code("POST", "/policies/SevSnpVm:RESET", reset), "accepted");
}

TEST(PolicySigners, AreAddedAndRemovedByOneAnother) {
    SignedOffice office;
    auto change = [&](const char* path, const Signer& by, const Json& payload) {
        return office.code("POST", path, by.sign(payload));
    };
    constexpr const char* kAdd = "/certificates:add";
    constexpr const char* kRemove = "/certificates:remove";
    EXPECT_EQ(change(kAdd, second(), {{"policyCertificate", second().jwk()}}),
              "ATTEST-POLICY-SIGNER");
    Json added = office.told(office.ask(
        "POST", kAdd, dump_json(Json(first().sign({{"policyCertificate", second().jwk()}})))));
    EXPECT_EQ(added["x-ms-policycertificates-result"], "IsPresent");
    EXPECT_EQ(added["x-ms-certificate-thumbprint"],
              encode_hex(second().certificate.sha1_fingerprint()));
    EXPECT_EQ(office.put(second().policy(kPermitAll)), "accepted");
    EXPECT_EQ(change(kRemove, second(), {{"maa-policyCertificate", first().jwk()}}), "accepted");
    EXPECT_EQ(office.put(first().policy(kPermitAll)), "ATTEST-POLICY-SIGNER");
    net::Response last =
        office.ask("POST", kRemove, second().sign({{"x-ms-policyCertificate", second().jwk()}}));
    EXPECT_EQ(last.status, 400);
    EXPECT_EQ(error_of(last)["code"], "InvalidOperation");
    // The operator's own signer is no longer among them: the service does not start for him.
    auto started = office.in_signers_mode({first().certificate});
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().code, Code::conflict);
    EXPECT_TRUE(office.in_signers_mode({first().certificate, second().certificate}));
}

TEST(PolicySigners, TheirModeNeedsAFirstOne) {
    Running running;
    auto refused = running.create(
        [](Config& config) { config.policy_changes = Config::PolicyChanges::signers; });
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
}

TEST(PolicySigners, AreIntroducedByWhoeverMayChangePolicies) {
    Office office;
    std::string self = second().sign({{"policyCertificate", second().jwk()}});
    EXPECT_EQ(office.refused(office.ask("POST", "/certificates:add", self, kReader), 401),
              "CALLER-ROLE");
    EXPECT_EQ(office.ask("POST", "/certificates:add", self).status, 200);
    Json listed = office.told(office.ask("GET", "/certificates", ""));
    EXPECT_EQ(listed["x-ms-policy-certificates"]["keys"][0]["x5c"], second().x5c());
    EXPECT_EQ(office.refused(office.ask("POST", "/certificates:add",
                                        first().sign({{"policyCertificate", first().jwk()}})),
                             400),
              "ATTEST-POLICY-SIGNER");
}

}  // namespace
}  // namespace vouchsafe::attest
