// Every recorded token of Microsoft Azure Attestation gets the verdict and the facts that an
// independent checker found: tests/vectors/maa/facts.json.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/jwt.h"
#include "vouchsafe/jose/maa_token.h"
#include "vouchsafe/jose/test_keys.h"

namespace vouchsafe::jose {
namespace {

const JwkSet& keys_of(const std::string& token) {
    static const JwkSet kWus = MUST(JwkSet::parse(vector_json("maa/sharedwus-2022-06.jwks.json")));
    static const JwkSet kWeu = MUST(JwkSet::parse(vector_json("maa/sharedweu.jwks.json")));
    return token.find("weu") != std::string::npos ? kWeu : kWus;
}

// What the checker's verdict means here: "ok", or the code of the check that fails.
std::string expected_code(const std::string& verdict) {
    const std::pair<std::string_view, std::string_view> kMeanings[] = {
        {"valid signature (expired)", "ok"},
        {"alg none: must be refused", "TOKEN-ALG"},
        {"must be refused (algorithm confusion)", "TOKEN-ALG"},
        {"signature invalid", "TOKEN-SIGNATURE"},
        {"no key with this kid here", "TOKEN-KID"},
        {"malformed", "TOKEN-FORMAT"},
        {"must be refused (not base64url) or fail", "TOKEN-FORMAT"},
    };
    for (auto [theirs, ours] : kMeanings) {
        if (verdict == theirs) return std::string(ours);
    }
    return "a verdict that this test does not know: " + verdict;
}

Result<VerifiedClaims> verify(const std::string& name, int64_t time, Checks& checks) {
    JwtRules rules;
    rules.issuers = {"https://sharedweu.weu.attest.azure.net",
                     "https://sharedwus.wus.attest.azure.net",
                     "https://sharedeus2.eus2.attest.azure.net"};
    rules.now = from_unix(time);
    return verify_jwt(vector_text("maa/" + name), keys_of(name), rules, checks);
}

void expect_facts(const Json& want, const VerifiedClaims& verified, const std::string& name) {
    const Json& claims = verified.claims();
    EXPECT_EQ(verified.issuer(), want["iss"]) << name;
    for (const char* time : {"iat", "nbf", "exp"}) EXPECT_EQ(claims[time], want[time]) << name;
    std::vector<std::string> names;
    for (const auto& [claim, value] : claims.items()) names.push_back(claim);
    EXPECT_EQ(Json(names), want["claims"]) << name;
    for (const auto& [claim, value] : want.items()) {
        if (!claim.starts_with("x-ms-")) continue;
        EXPECT_EQ(claims[claim], value) << name << claim;
    }
    if (want.contains("isolation_tee")) {
        for (const auto& [claim, value] : want["isolation_tee"].items()) {
            EXPECT_EQ(claims["x-ms-isolation-tee"][claim], value) << name << claim;
        }
    }
    MaaToken told = describe_maa_token(claims);
    EXPECT_EQ(told.statement == MaaStatement::attestation, want["attestation_type"].is_string());
    if (want["attestation_type"].is_string()) {
        EXPECT_EQ(told.attestation_type, want["attestation_type"]) << name;
    }
}

TEST(MaaVectors, GetTheirVerdictsAndFacts) {
    size_t judged = 0;
    const Json rows = vector_json("maa/facts.json");
    for (const auto& [name, row] : rows.items()) {
        EXPECT_EQ(encode_hex(crypto::sha256(as_bytes(vector_text("maa/" + name)))), row["sha256"]);
        if (!name.ends_with(".jwt")) continue;
        // A time within every token's own; what cannot be read has none.
        int64_t time = row["facts"].value("iat", int64_t{1680173374}) + 60;
        Checks checks;
        auto verified = verify(name, time, checks);
        const Check* reason = verified ? nullptr : verified.error().reason();
        std::string found = verified ? "ok" : reason != nullptr ? reason->code : "no reason";
        EXPECT_EQ(found, expected_code(row["verdict"].get<std::string>())) << name;
        if (verified) expect_facts(row["facts"], *verified, name);
        ++judged;
    }
    EXPECT_EQ(judged, 16U);
}

TEST(MaaToken, TellsAttestationsFromAnswersAboutPolicies) {
    auto told = [](const std::string& name, int64_t time) {
        Checks checks;
        return describe_maa_token(MUST(verify(name, time, checks)).claims());
    };
    MaaToken cvm = told("cvm-snp-weu-2023-03.jwt", 1680180000);
    EXPECT_EQ(cvm.statement, MaaStatement::attestation);
    EXPECT_EQ(cvm.attestation_type, "azurevm");
    EXPECT_EQ(cvm.tee, "sevsnpvm");
    EXPECT_EQ(cvm.compliance, "azure-compliant-cvm");
    EXPECT_FALSE(cvm.policy_text);

    MaaToken sgx = told("sgx-sharedwus-2022-06.jwt", 1654037300);
    EXPECT_EQ(sgx.tee, "sgx");
    EXPECT_EQ(sgx.compliance, "");

    MaaToken policy = told("policy-sharedwus.jwt", 1654037300);
    EXPECT_EQ(policy.statement, MaaStatement::policy);
    EXPECT_EQ(policy.attestation_type, "");
    EXPECT_EQ(policy.tee, "");
    ASSERT_TRUE(policy.policy_text);
    EXPECT_THAT(*policy.policy_text, ::testing::StartsWith("version= 1.0;authorizationrules"));
}

TEST(MaaToken, GivesATrustedLaunchMachineNoTee) {
    Jws jws = MUST(parse_jws(vector_text("maa/trusted-launch-eus2-2022-04.jwt")));
    MaaToken token = describe_maa_token(MUST(parse_json(as_text(jws.payload))));
    EXPECT_EQ(token.statement, MaaStatement::attestation);
    EXPECT_EQ(token.attestation_type, "azurevm");
    EXPECT_EQ(token.tee, "");
}

TEST(MaaToken, KnowsTheOtherAnswersAndWhatIsNone) {
    auto kind = [](const Json& claims) {
        return maa_statement_name(describe_maa_token(claims).statement);
    };
    EXPECT_EQ(kind({{"x-ms-policy-result", "Updated"}}), "policy");
    EXPECT_EQ(kind({{"x-ms-policy-certificates", Json::object()}}), "policy");
    EXPECT_EQ(kind({{"x-ms-policycertificates-result", "IsPresent"}}), "policy");
    EXPECT_EQ(kind({{"x-ms-attestation-type", "tdxvm"}, {"x-ms-policy", Json::object()}}),
              "attestation");
    EXPECT_EQ(kind({{"x-ms-attestation-type", 7}}), "other");
    EXPECT_EQ(kind({{"sub", "somebody"}}), "other");
    EXPECT_EQ(describe_maa_token({{"x-ms-attestation-type", "tpm"}}).tee, "");
    EXPECT_FALSE(describe_maa_token({{"x-ms-policy", "not a JWS"}}).policy_text);
}

}  // namespace
}  // namespace vouchsafe::jose
