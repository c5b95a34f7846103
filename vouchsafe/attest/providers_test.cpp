#include "vouchsafe/attest/providers.h"

#include <gtest/gtest.h>

#include "vouchsafe/attest/administration.h"
#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

constexpr const char* kContoso = "contoso.weu.attest.example.org";
constexpr const char* kFabrikam = "fabrikam.neu.attest.example.org";
constexpr const char* kOperator = "22222222-2222-4222-8222-222222222222";

// TwoProviders share store, log and collateral. P-256, for such keys are made at once.
struct TwoProviders {
    Running running;
    std::unique_ptr<Providers> providers;

    TwoProviders() {
        std::vector<std::unique_ptr<Service>> services;
        services.push_back(make(kContoso));
        services.push_back(make(kFabrikam));
        providers = MUST(Providers::create(std::move(services)));
    }
    std::unique_ptr<Service> make(const std::string& host) {
        return MUST(running.create([&](Config& config) {
            config.issuer = "https://" + host;
            config.signing_algorithm = crypto::SigAlg::es256;
            config.resource_id += "-" + host;
        }));
    }
    Service& service(size_t index) { return *providers->services()[index]; }

    net::Response send(const std::string& host, const std::string& method,
                       std::vector<std::string> path, const std::string& body = "",
                       const std::string& token = "") {
        net::Request request;
        request.method = method;
        request.path = std::move(path);
        request.query = {{"api-version", "2020-10-01"}};
        request.host = host;
        request.body = body;
        if (!token.empty()) request.headers.set("Authorization", "Bearer " + token);
        return providers->handler()(request);
    }
    net::Response attest(const std::string& host) {
        return send(host, "POST", {"attest", "SevSnpVm"}, dump_json(snp_request(Machine{})));
    }
    Json get(const std::string& host, const std::string& path) {
        return MUST(parse_json_object(send(host, "GET", {path}).body));
    }
    std::string verdict(const std::string& token, const std::string& keys_of,
                        const std::string& issuer) {
        jose::JwtRules rules;
        rules.issuers = {"https://" + issuer};
        rules.algorithms = {crypto::SigAlg::es256};
        rules.now = running.clock.now();
        Checks checks;
        auto keys = MUST(jose::JwkSet::parse(get(keys_of, "certs")));
        auto claims = jose::verify_jwt(token, keys, rules, checks);
        return claims ? "ok" : claims.error().reason()->code;
    }
};

TEST(AttestProviders, AreToldApartByTheHostName) {
    TwoProviders two;
    for (const char* spelling :
         {"contoso.weu.attest.example.org", "CONTOSO.weu.Attest.example.ORG",
          "contoso.weu.attest.example.org:443", "contoso.weu.attest.example.org:8443",
          "contoso.weu.attest.example.org.", "contoso.weu.attest.example.org.:443"}) {
        EXPECT_EQ(two.get(spelling, "certs"), MUST(two.service(0).jwks())) << spelling;
    }
    EXPECT_EQ(two.get(kFabrikam, "certs"), MUST(two.service(1).jwks()));
}

TEST(AttestProviders, SayThatNoneHasAHostName) {
    TwoProviders two;
    for (const std::string& host :
         {std::string(), std::string("127.0.0.1:8443"), std::string("[::1]:443"),
          std::string("example.org"), std::string("x.contoso.weu.attest.example.org"),
          std::string(kContoso) + "..", std::string(kContoso) + ".evil.example",
          std::string(" ") + kContoso, std::string(kContoso) + ":443:443", std::string(":443"),
          std::string(kContoso) + "\"<x>\r\n", std::string(20000, 'a')}) {
        net::Response response = two.attest(host);
        EXPECT_EQ(response.status, 421) << host;
        Json error = error_of(response);
        EXPECT_EQ(error["code"], "ProviderNotFound");
        EXPECT_EQ(response.headers.get("x-ms-error-code"), "ProviderNotFound");
        std::string request_id = response.headers.get("x-ms-request-id");
        EXPECT_NE(error["message"].get<std::string>().find(request_id), std::string::npos);
        EXPECT_LT(response.body.size(), 600u);
        net::Request request;
        request.method = "GET";
        request.path = {"certs"};
        request.host = host;
        EXPECT_EQ(two.providers->route_of(request), "");
        request.host = kContoso;
        EXPECT_EQ(two.providers->route_of(request), "/certs");
    }
}

TEST(AttestProviders, TellAClientHisOwnIdWithThat) {
    TwoProviders two;
    net::Request request;
    request.method = "GET";
    request.path = {"certs"};
    request.host = "example.org";
    request.headers.set("x-ms-client-request-id", "mine");
    net::Response response = two.providers->handler()(request);
    EXPECT_EQ(response.status, 421);
    EXPECT_EQ(response.headers.get("x-ms-client-request-id"), "mine");
}

TEST(AttestProviders, ASingleOneAnswersToEveryName) {
    TwoProviders two;
    std::vector<std::unique_ptr<Service>> services;
    services.push_back(two.make(kContoso));
    auto one = MUST(Providers::create(std::move(services)));
    for (const char* host : {"", "127.0.0.1", kFabrikam}) {
        net::Request request;
        request.method = "GET";
        request.path = {"certs"};
        request.host = host;
        EXPECT_EQ(one->handler()(request).status, 200) << host;
    }
}

TEST(AttestProviders, TokensOfOneDoNotVerifyWithTheOthersKeys) {
    TwoProviders two;
    std::string token = token_of(two.attest(kContoso));
    EXPECT_EQ(two.verdict(token, kContoso, kContoso), "ok");
    EXPECT_EQ(two.verdict(token, kFabrikam, kContoso), "TOKEN-KID");
    EXPECT_EQ(two.verdict(token, kContoso, kFabrikam), "TOKEN-ISSUER");
    std::string other = token_of(two.attest(kFabrikam));
    EXPECT_EQ(two.verdict(other, kFabrikam, kFabrikam), "ok");
    EXPECT_EQ(two.verdict(other, kContoso, kFabrikam), "TOKEN-KID");
}

TEST(AttestProviders, ThatAreErasedLeaveNothingToTheNextOfTheirName) {
    TwoProviders two;
    auto erase = [&](const std::string& host, std::string_view scope) {
        MUST(erase_provider(*two.running.store, two.running.log, two.running.clock,
                            "https://" + host, scope, "somebody"));
    };
    const std::string scope = two.service(0).config().resource_id;
    const std::string token = token_of(two.attest(kContoso));
    const std::string beside = token_of(two.attest(kFabrikam));
    for (size_t i : {0, 1}) MUST(two.service(i).assign_role(kOperator, "Attestation Contributor"));
    const std::string access = two.running.access_token(kOperator);
    const std::string nobody =
        unsigned_policy("version=1.0; authorizationrules { => deny(); }; issuancerules {};");
    auto set = [&](const char* host) {
        return two.send(host, "PUT", {"policies", "SevSnpVm"}, nobody, access).status;
    };
    EXPECT_EQ(set(kContoso), 200);
    EXPECT_EQ(set(kFabrikam), 200);
    two.providers.reset();
    erase(kContoso, scope);
    const uint64_t recorded = MUST(two.running.log.size());
    EXPECT_EQ(MUST(two.running.log.entries(recorded - 1, 1)).at(0).entry.actor, "somebody");
    erase(kContoso, scope);  // nothing is there any more
    EXPECT_EQ(MUST(two.running.log.size()), recorded);

    std::vector<std::unique_ptr<Service>> services;
    services.push_back(two.make(kContoso));
    services.push_back(two.make(kFabrikam));
    two.providers = MUST(Providers::create(std::move(services)));
    EXPECT_EQ(two.verdict(token, kContoso, kContoso), "TOKEN-KID");
    EXPECT_EQ(two.verdict(beside, kFabrikam, kFabrikam), "ok");
    EXPECT_EQ(two.attest(kContoso).status, 200);
    EXPECT_EQ(two.attest(kFabrikam).status, 400);
    EXPECT_EQ(set(kContoso), 401);
    EXPECT_EQ(set(kFabrikam), 200);
}

TEST(AttestProviders, HavePoliciesAndRolesOfTheirOwn) {
    TwoProviders two;
    MUST(two.service(0).assign_role(kOperator, "Attestation Contributor"));
    std::string access = two.running.access_token(kOperator);
    std::string nobody =
        unsigned_policy("version=1.0; authorizationrules { => deny(); }; issuancerules {};");
    auto set = [&](const char* host) {
        return two.send(host, "PUT", {"policies", "SevSnpVm"}, nobody, access).status;
    };
    EXPECT_EQ(set(kFabrikam), 401);  // the role is for the other one
    EXPECT_EQ(set(kContoso), 200);
    EXPECT_EQ(two.attest(kContoso).status, 400);
    EXPECT_EQ(two.attest(kFabrikam).status, 200);
    EXPECT_EQ(two.send(kFabrikam, "GET", {"policies", "SevSnpVm"}, "", access).status, 401);
    EXPECT_EQ(two.send(kFabrikam, "GET", {"certificates"}, "", access).status, 401);
    EXPECT_EQ(two.send(kContoso, "GET", {"certificates"}, "", access).status, 200);
}

TEST(AttestProviders, HaveSignersOfTheirOwn) {
    TwoProviders two;
    crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    crypto::CertificateSpec spec;
    spec.subject = {{"CN", "policy signer"}};
    spec.not_before = two.running.clock.now() - Seconds{60};
    spec.not_after = two.running.clock.now() + Seconds{3600};
    spec.ca = true;
    auto signer = MUST(crypto::issue_certificate(spec, key.public_key(), nullptr, key,
                                                 crypto::CertSignature::ecdsa_sha256));
    auto start = [&](const std::string& host, std::vector<crypto::Certificate> signers) {
        return two.running.create([&](Config& config) {
            config.issuer = "https://" + host;
            config.policy_changes = Config::PolicyChanges::signers;
            config.policy_signers = std::move(signers);
        });
    };
    EXPECT_TRUE(start(kContoso, {signer}));
    EXPECT_TRUE(start(kContoso, {}));
    auto other = start(kFabrikam, {});  // the first one's signer is not the second one's
    ASSERT_FALSE(other);
    EXPECT_EQ(other.error().code, Code::invalid);
}

TEST(AttestProviders, AChallengeOfOneIsNoneOfTheOther) {
    TwoProviders two;
    Json issued = MUST(parse_json_object(two.send(kContoso, "POST", {"challenge"}).body));
    Json body = MUST(parse_json_object(guest_request(Machine{})));
    body["challenge"] = issued["challenge"];
    net::Response response = two.send(kFabrikam, "POST", {"attest", "AzureGuest"}, dump_json(body));
    EXPECT_EQ(response.headers.get("x-vouchsafe-check"), "ATTEST-CHALLENGE");
}

TEST(AttestProviders, RecordWhoseVerdictItWas) {
    TwoProviders two;
    net::Response response = two.attest(kFabrikam);
    auto entries = MUST(two.running.log.find(response.headers.get("x-ms-request-id")));
    ASSERT_EQ(entries.size(), 1u);
    EXPECT_EQ(entries[0].entry.details["issuer"], std::string("https://") + kFabrikam);
}

TEST(AttestProviders, AreAtLeastOneAndHaveDifferentNames) {
    EXPECT_EQ(Providers::create({}).error().code, Code::invalid);
    TwoProviders two;
    std::vector<std::unique_ptr<Service>> same;
    same.push_back(two.make(kContoso));
    same.push_back(two.make(std::string(kContoso) + ":8443"));
    EXPECT_EQ(Providers::create(std::move(same)).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::attest
