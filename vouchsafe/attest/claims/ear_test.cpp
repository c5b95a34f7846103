// Results in the form of EARs, and that the metadata names every claim.
#include <gmock/gmock.h>

#include "vouchsafe/attest/claims/ear.h"
#include "vouchsafe/attest/claims/supported_claims.h"
#include "vouchsafe/attest/collateral/test_pieces.h"
#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

struct Asked {
    std::string format;  // ?format=, or "" for none
    std::string accept;  // or "" for none
};

net::Response ask(const std::string& path, const std::string& body, const Asked& how) {
    net::Request request;
    request.method = "POST";
    request.path = {"attest", path};
    request.query = {{"api-version", "2025-06-01"}};
    if (!how.format.empty()) request.query.emplace_back("format", how.format);
    if (!how.accept.empty()) request.headers.set("Accept", how.accept);
    request.body = body;
    return share().service->handler()(request);
}

std::string snp_body(const Machine& machine = {}, const Json& nonce = "0123456789abcdef") {
    Json request = snp_request(machine);
    request["nonce"] = nonce;
    return dump_json(request);
}

TEST(AttestEar, HasTheSameAppraisalAsAzuresToken) {
    Json ear = claims_of(share(), token_of(ask("SevSnpVm", snp_body(), {"ear", ""})));
    Json maa = claims_of(share(), token_of(ask("SevSnpVm", snp_body(), {"maa", ""})));
    EXPECT_EQ(ear["eat_profile"], kEarProfile);
    EXPECT_FALSE(ear.contains("eat_nonce"));  // no challenge was answered
    EXPECT_EQ(ear["iss"], maa["iss"]);
    EXPECT_EQ(ear["exp"], maa["exp"]);
    EXPECT_TRUE(ear["ear.verifier-id"]["build"].is_string());
    EXPECT_TRUE(ear["ear.verifier-id"]["developer"].is_string());
    ASSERT_EQ(ear["submods"].size(), 1u);
    Json appraisal = ear["submods"]["sevsnpvm"];
    EXPECT_EQ(appraisal["ear.appraisal-policy-id"], maa["x-ms-policy-hash"]);
    Json claims = appraisal["x-vouchsafe-claims"];
    for (const auto& [name, value] : claims.items()) {
        if (name == "x-vouchsafe-checks") continue;  // the EAR has its own format checked besides
        EXPECT_EQ(value, maa[name]) << name;
    }
    EXPECT_EQ(claims.size() + 5, maa.size());  // without what a JWT has of its own
    // No vouchsafe vault, nor any other reader of Azure's tokens, may take one for the other.
    EXPECT_FALSE(ear.contains("x-ms-attestation-type"));
    EXPECT_FALSE(ear.contains("x-ms-runtime"));
}

TEST(AttestEar, IsBareForWhoAsksForItsMediaType) {
    net::Response response = ask("SevSnpVm", snp_body(), {"", "application/eat+jwt"});
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.headers.get("Content-Type"),
              "application/eat+jwt; eat_profile=\"tag:github.com,2023:veraison/ear\"");
    EXPECT_EQ(claims_of(share(), response.body)["eat_profile"], kEarProfile);
    EXPECT_EQ(ask("SevSnpVm", snp_body(), {"", "Application/EAT+jwt;q=0.9, */*"}).body.find('{'),
              std::string::npos);
    for (const char* accept : {"application/json", "application/eat+jwts", "*/*"}) {
        net::Response other = ask("SevSnpVm", snp_body(), {"", accept});
        EXPECT_FALSE(claims_of(share(), token_of(other)).contains("eat_profile")) << accept;
    }
}

TEST(AttestEar, OfAGuestIsSealedToItsKey) {
    for (const Asked& how : {Asked{"ear", ""}, Asked{"", "application/eat+jwt"}}) {
        std::string sealed = token_of(ask("AzureGuest", guest_request(Machine{}), how));
        Json ear = claims_of(share(), open_envelope(sealed));
        Json claims = ear["submods"]["azurevm"]["x-vouchsafe-claims"];
        EXPECT_EQ(claims["secureboot"], true);
    }
}

TEST(AttestEar, IsNotAskedForInOtherWords) {
    EXPECT_EQ(refused_code(share(), ask("SevSnpVm", snp_body(), {"EAR2", ""})), "ATTEST-REQUEST");
}

// A machine of a lab: nothing about it is called genuine, however well it keeps the rules.
TEST(AttestTrustVector, SaysThatASimulationIsNoHardware) {
    Json ear = claims_of(share(), token_of(ask("SevSnpVm", snp_body(), {"ear", ""})));
    Json appraisal = ear["submods"]["sevsnpvm"];
    EXPECT_EQ(appraisal["ear.status"], "contraindicated");
    EXPECT_EQ(appraisal["ear.trustworthiness-vector"], Json({{"instance-identity", 2},
                                                             {"configuration", 3},
                                                             {"hardware", 97},
                                                             {"runtime-opaque", 96}}));
}

TEST(AttestTrustVector, IsAsGoodAsItsWorstClaim) {
    TrustVector vector;
    EXPECT_EQ(vector.status(), "none");
    EXPECT_EQ(vector.to_json(), Json::object());
    vector.hardware = TrustClaim::genuine;
    EXPECT_EQ(vector.status(), "warning");  // something was not checked
    vector.complete = true;
    EXPECT_EQ(vector.status(), "affirming");
    vector.configuration = TrustClaim::part_unavailable;
    EXPECT_EQ(vector.status(), "warning");
    vector.runtime_opaque = TrustClaim::contraindicated;
    EXPECT_EQ(vector.status(), "contraindicated");
}

// Recorded hardware: with and without what makes each claim.
TEST(AttestTrustVector, OfARealQuoteFollowsIntelsJudgement) {
    Checks checks;
    evidence::TdxRules rules;
    rules.may_be_unchecked = {evidence::TdxCheck::revocation, evidence::TdxCheck::qe_identity,
                              evidence::TdxCheck::tcb_info};
    Bytes bytes = evidence::testing::recorded_quote("v5-bodytype3");
    auto quote =
        MUST(evidence::verify_tdx(bytes, {}, piece_anchors(), rules, march_2026(), checks));
    TrustVector vector = trust_vector(quote);
    EXPECT_EQ(vector.instance_identity, std::nullopt);  // nobody looked at revocation
    EXPECT_EQ(vector.hardware, std::nullopt);           // nor at the TCB
    EXPECT_EQ(vector.runtime_opaque, TrustClaim::genuine);
    EXPECT_EQ(vector.configuration, TrustClaim::no_known_weakness);
    EXPECT_EQ(vector.status(), "warning");
}

// Intel's word about the platform alone is not its word about who made the quote.
TEST(AttestTrustVector, TakesNoJudgementThatLacksTheQuotingEnclave) {
    std::optional<evidence::TdTcb> tcb = evidence::TdTcb{};
    EXPECT_EQ(whole_judgement(tcb, {"revocation"}), &*tcb);
    EXPECT_EQ(whole_judgement(tcb, {"revocation", "qe-identity"}), nullptr);
    EXPECT_EQ(whole_judgement(std::nullopt, {}), nullptr);
}

TEST(AttestMetadata, NamesEveryClaimOfTheTokens) {
    EXPECT_TRUE(std::ranges::is_sorted(supported_claims()));
    Json guest = guest_claims(Machine{});
    expect_named(guest);
    expect_named(claims_of(share(), token_of(ask("SevSnpVm", snp_body(), {"", ""}))));
    EXPECT_TRUE(guest.contains("x-vouchsafe-boot-authorities"));
    EXPECT_TRUE(guest.contains("x-vouchsafe-boot-images"));
}

}  // namespace
}  // namespace vouchsafe::attest
