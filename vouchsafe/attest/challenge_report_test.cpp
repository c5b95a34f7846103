// Freshness of reports and quotes whose report data the client chooses: /attest/SevSnpVm, /TdxVm
// and /SgxEnclave with a challenge (decision 19).
#include <gtest/gtest.h>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/test_hostile.h"
#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr const char* kPermitFresh = "version= 1.0; authorizationrules { => permit(); };";

Bytes digest_of_text(std::string_view text) {
    return to_bytes(crypto::sha256(as_bytes(text)));
}
Bytes joined(const Bytes& first, const Bytes& second) {
    Bytes out = first;
    append(out, second);
    return out;
}

// Attester is a machine with a service that believes it.
struct Attester {
    std::string path;
    std::shared_ptr<Running> service;  // shared: it destroys what was made, also a TdOffice
    std::function<Json(const Bytes& report_data)> evidence;  // the members that carry it

    std::string new_challenge() const {
        net::Response response = service->send("POST", "/challenge", "", "");
        return MUST(parse_json_object(response.body))["challenge"];
    }
    net::Response ask(const Json& request) const {
        return service->send("POST", path, dump_json(request));
    }
    std::string refused(const Json& request) const { return refused_code(*service, ask(request)); }
    // claims are those of the token, which a draft policy leaves unsigned.
    Json claims(const Json& request) const {
        jose::Jws jws = MUST(jose::parse_jws(token_of(ask(request))));
        return MUST(parse_json_object(as_text(jws.payload)));
    }
    // request is about evidence that holds the runtime data and `answered`; "": neither.
    Json request(const std::string& runtime, const std::string& answered,
                 const char* type = "JSON") const {
        Bytes none(32, 0);
        Json out = evidence(joined(runtime.empty() ? none : digest_of_text(runtime),
                                   answered.empty() ? none : digest_of_text(answered)));
        if (!runtime.empty()) {
            out["runtimeData"] = {{"data", encode_base64url(as_bytes(runtime))},
                                  {"dataType", type}};
        }
        if (!answered.empty()) out["challenge"] = answered;
        return out;
    }
};

Json quote_in_request(const Bytes& quote) {
    return {{"quote", encode_base64url(quote)}, {"draftPolicyForAttestation", kPermitFresh}};
}

Attester snp_attester() {
    return {"/attest/SevSnpVm", std::make_unique<Running>(), [](const Bytes& report_data) {
                Machine machine;
                Json proof = {{"SnpReport", encode_base64url(machine.report(report_data))},
                              {"VcekCertChain", encode_base64url(as_bytes(machine.chain_pem()))}};
                return Json{{"report", encode_base64url(as_bytes(dump_json(proof)))}};
            }};
}

Attester tdx_attester() {
    constexpr size_t kReportData = 520;  // TD report body (TDX 1.0)
    auto office = std::make_unique<TdOffice>();
    evidence::testing::TdxMachine machine = office->machine;
    return {"/attest/TdxVm", std::move(office), [machine](const Bytes& report_data) mutable {
                std::ranges::copy(report_data,
                                  machine.signed_part.begin() + machine.kBody + kReportData);
                return quote_in_request(machine.quote());
            }};
}

Attester sgx_attester() {
    evidence::testing::SgxMachine machine;
    auto running = std::make_unique<Running>();
    running->anchors = {};
    running->anchors.intel = machine.root();
    running->clock.set(evidence::testing::march_2026());
    running->collateral.reset();
    running->service = MUST(running->create());
    return {"/attest/SgxEnclave", std::move(running), [machine](const Bytes& report_data) mutable {
                std::ranges::copy(report_data, machine.signed_part.begin() + machine.kReportData);
                return quote_in_request(machine.quote());
            }};
}

const std::vector<Attester>& all_attesters() {
    static const std::vector<Attester> kAll = [] {
        std::vector<Attester> out;
        out.push_back(snp_attester());
        out.push_back(tdx_attester());
        out.push_back(sgx_attester());
        return out;
    }();
    return kAll;
}

std::string runtime_with_keys(const std::vector<Json>& jwks) {
    return dump_json({{"keys", jwks}, {"more", 1}});
}
Json ephemeral_jwk() {
    return jose::encode_jwk(keys().ephemeral.public_key());
}

TEST(AttestChallengedReport, GetsAFreshShortLivedTokenBoundToTheGuestsKey) {
    for (const Attester& one : all_attesters()) {
        SCOPED_TRACE(one.path);
        std::string challenge = one.new_challenge();
        Json claims = one.claims(one.request(runtime_with_keys({ephemeral_jwk()}), challenge));
        expect_named(claims);
        EXPECT_EQ(claims["x-vouchsafe-challenge"], challenge);
        EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 300);
        EXPECT_EQ(claims["cnf"]["jkt"],
                  encode_base64url(jose::thumbprint(keys().ephemeral.public_key())));
        Json without = one.claims(one.request(runtime_with_keys({ephemeral_jwk()}), ""));
        EXPECT_EQ(without["exp"].get<int64_t>() - without["iat"].get<int64_t>(), 28800);
        EXPECT_FALSE(without.contains("x-vouchsafe-challenge"));
        EXPECT_FALSE(without.contains("cnf"));
    }
}

TEST(AttestChallengedReport, IsBoundToNoKeyIfItIsNotClearWhich) {
    const Attester& snp = all_attesters().front();
    auto bound_to = [&](const std::string& runtime, const char* type = "JSON") {
        Json claims = snp.claims(snp.request(runtime, snp.new_challenge(), type));
        EXPECT_TRUE(claims.contains("x-vouchsafe-challenge"));
        return claims.contains("cnf");
    };
    EXPECT_TRUE(bound_to(runtime_with_keys({ephemeral_jwk()})));
    EXPECT_FALSE(bound_to(runtime_with_keys({ephemeral_jwk()}), "Binary"));
    EXPECT_FALSE(bound_to(runtime_with_keys({ephemeral_jwk(), ephemeral_jwk()})));
    EXPECT_FALSE(bound_to(runtime_with_keys({})));
    EXPECT_FALSE(bound_to(runtime_with_keys({Json("key")})));
    EXPECT_FALSE(bound_to(runtime_with_keys({Json{{"kty", "oct"}, {"k", "AAAA"}}})));
    EXPECT_FALSE(bound_to(R"({"keys":{"kty":"RSA"}})"));
    EXPECT_FALSE(bound_to(R"({"keys":[null]})"));
    Json weak = {{"kty", "RSA"}, {"e", "AQAB"}, {"n", encode_base64url(Bytes(128, 0xFF))}};
    EXPECT_FALSE(bound_to(runtime_with_keys({weak})));
    EXPECT_FALSE(bound_to("{}"));
    EXPECT_FALSE(bound_to(""));  // no runtime data: the first half of the report data is anything
}

TEST(AttestChallengedReport, AnswersOnce) {
    for (const Attester& one : all_attesters()) {
        Json request = one.request("{}", one.new_challenge());
        EXPECT_EQ(one.ask(request).status, 200) << one.path;
        EXPECT_EQ(one.refused(request), "ATTEST-CHALLENGE") << one.path;
    }
}

TEST(AttestChallengedReport, AnswersTheChallengeThatTheHardwareSignedAndNoOther) {
    for (const Attester& one : all_attesters()) {
        SCOPED_TRACE(one.path);
        std::string challenge = one.new_challenge();
        std::string other = one.new_challenge();
        Json request = one.request("{}", challenge);
        request["challenge"] = other;  // cross-wired
        EXPECT_EQ(one.refused(request), "ATTEST-CHALLENGE");
        Json unsigned_answer = one.request("{}", "");
        unsigned_answer["challenge"] = challenge;
        EXPECT_EQ(one.refused(unsigned_answer), "ATTEST-CHALLENGE");
        Json swapped = one.evidence(joined(digest_of_text(challenge), digest_of_text("{}")));
        swapped["challenge"] = challenge;
        EXPECT_EQ(one.refused(swapped), "ATTEST-CHALLENGE");
        Json other_data = one.request("{}", challenge);
        other_data["runtimeData"]["data"] = encode_base64url(as_bytes("{\"a\":1}"));
        EXPECT_EQ(one.refused(other_data), "HCL-BINDING");
        // None of these spent it, nor the other one.
        EXPECT_EQ(one.ask(one.request("{}", challenge)).status, 200);
        EXPECT_EQ(one.ask(one.request("", other)).status, 200);
    }
}

TEST(AttestChallengedReport, IsNotFreshWithoutItsChallengeInTheRequest) {
    for (const Attester& one : all_attesters()) {
        Json request = one.request("{}", one.new_challenge());
        request.erase("challenge");
        EXPECT_EQ(one.refused(request), "HCL-BINDING") << one.path;
        request.erase("runtimeData");
        Json claims = one.claims(request);
        EXPECT_FALSE(claims.contains("x-vouchsafe-challenge")) << one.path;
        EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 28800);
    }
}

TEST(AttestChallengedReport, IsRefusedForAChallengeThatIsExpiredForeignOrNone) {
    for (const Attester& one : all_attesters()) {
        SCOPED_TRACE(one.path);
        Time now = one.service->clock.now();
        std::string altered = one.new_challenge();
        altered[3] = altered[3] == 'A' ? 'B' : 'A';
        for (const std::string& text :
             {Challenges(Seconds{60}).issue(now).text, altered, std::string("AAAA")}) {
            EXPECT_EQ(one.refused(one.request("{}", text)), "ATTEST-CHALLENGE") << text;
        }
        std::string late = one.new_challenge();
        std::string later = one.new_challenge();
        one.service->clock.set(now + Seconds{59});
        EXPECT_EQ(one.ask(one.request("{}", late)).status, 200);
        one.service->clock.set(now + Seconds{60});
        EXPECT_EQ(one.refused(one.request("{}", later)), "ATTEST-CHALLENGE");
        EXPECT_EQ(one.ask(one.request("{}", one.new_challenge())).status, 200);
    }
}

TEST(AttestChallengedReport, CanBeDemandedByAPolicy) {
    const char* demanding =
        "version=1.0; authorizationrules { [type==\"x-vouchsafe-challenge\", "
        "issuer==\"AttestationService\"] => permit(); };";
    for (const Attester& one : all_attesters()) {
        std::string challenge = one.new_challenge();
        Json fresh = one.request("{}", challenge);
        Json stale = one.request(dump_json({{"x-vouchsafe-challenge", challenge}}), "");
        fresh["draftPolicyForAttestation"] = demanding;
        stale["draftPolicyForAttestation"] = demanding;
        EXPECT_EQ(one.refused(stale), "ATTEST-POLICY") << one.path;
        EXPECT_EQ(one.ask(fresh).status, 200) << one.path;
    }
}

TEST(RequestMutation, OfAChallengeGetsNoFreshToken) {
    for (const Attester& one : all_attesters()) {
        Json request = one.request("{}", one.new_challenge());
        Part whole = take_apart(request, {});
        const Part* challenge = find_part(whole, "challenge");
        ASSERT_NE(challenge, nullptr);
        for (const auto& [name, change] : hostile_changes(*challenge, kMaxChallenge)) {
            std::string body = write_request(whole, {{"challenge", change}});
            EXPECT_NE(answer_code(one.service->send("POST", one.path, body)), "token")
                << one.path << " " << name;
        }
        EXPECT_EQ(one.ask(request).status, 200) << one.path;  // not spent by any of them
    }
}

}  // namespace
}  // namespace vouchsafe::attest
