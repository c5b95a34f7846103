#include "vouchsafe/attest/service.h"

#include "vouchsafe/attest/default_policy.h"
#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/crypto/sealed_blob.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

TEST(AttestSnpVm, GrantsAPlainTokenBoundToItsRuntimeData) {
    Machine machine;
    Json request = snp_request(machine);
    request["nonce"] = 1234567890123456789;
    net::Response response = share().send("POST", "/attest/SevSnpVM", dump_json(request));
    Json claims = claims_of(share(), token_of(response));
    EXPECT_EQ(claims["x-ms-attestation-type"], "sevsnpvm");
    EXPECT_EQ(claims["x-ms-compliance-status"], "azure-compliant-cvm");
    EXPECT_EQ(claims["nonce"], "1234567890123456789");
    EXPECT_EQ(claims["x-ms-sevsnpvm-microcode-svn"], 219);
    EXPECT_EQ(claims["x-ms-runtime"], MUST(parse_json(as_text(machine.runtime_data()))));
    EXPECT_EQ(claims["x-ms-policy-hash"],
              policy_hash(default_snp_vm_policy(share().service->config())));
    EXPECT_EQ(claims["x-vouchsafe-trust-tier"], "simulated");
}

TEST(AttestSnpVm, RefusesOtherRuntimeDataAndOtherInitData) {
    auto code_with = [](const std::function<void(Json&)>& change) {
        Json request = snp_request(Machine{});
        change(request);
        return refused_code(share(), share().send("POST", "/attest/SevSnpVm", dump_json(request)));
    };
    Json other = {{"data", encode_base64url(as_bytes("{}"))}, {"dataType", "JSON"}};
    EXPECT_EQ(code_with([&](Json& request) { request["runtimeData"] = other; }), "HCL-BINDING");
    EXPECT_EQ(code_with([&](Json& request) {
                  other["dataType"] = "Binary";
                  request["runtimeData"] = other;
              }),
              "HCL-BINDING");
    EXPECT_EQ(code_with([&](Json& request) { request["initTimeData"] = other; }),
              "ATTEST-INIT-DATA");
    EXPECT_EQ(
        code_with([](Json& request) { request["draftPolicyForAttestation"] = "version=1.0;"; }),
        "ATTEST-POLICY-FORM");
    EXPECT_EQ(code_with([](Json& request) { request["nonce"] = 1.5; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["nonce"] = true; }), "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request["runtimeData"]["dataType"] = "XML"; }),
              "ATTEST-REQUEST");
    EXPECT_EQ(code_with([](Json& request) { request.erase("report"); }), "ATTEST-REQUEST");
}

TEST(AttestSnpVm, BindsInitDataToTheReportsHostData) {
    Machine machine;
    std::string init = R"({"policy":"p"})";
    machine.host_data = to_bytes(crypto::sha256(as_bytes(init)));
    Json request = snp_request(machine);
    request["initTimeData"] = {{"data", encode_base64url(as_bytes(init))}, {"dataType", "json"}};
    request["nonce"] = "text";
    Json claims =
        claims_of(share(), token_of(share().send("POST", "/attest/SevSnpVm", dump_json(request))));
    EXPECT_EQ(claims["x-ms-inittime"], Json({{"policy", "p"}}));
    EXPECT_EQ(claims["nonce"], "text");
}

TEST(AttestRoutes, AnswerOnEveryApiVersionAndOnNoOther) {
    for (const char* version :
         {"2018-09-01-preview", "2020-10-01", "2022-08-01", "2022-09-01-preview", "2025-06-01"}) {
        EXPECT_EQ(share()
                      .send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{})), version)
                      .status,
                  200)
            << version;
    }
    net::Response missing = share().send("POST", "/attest/AzureGuest", "{}", "");
    EXPECT_EQ(missing.status, 400);
    EXPECT_EQ(error_of(missing)["code"], "MissingApiVersionParameter");
    net::Response unknown = share().send("POST", "/attest/AzureGuest", "{}", "2020-10-02");
    EXPECT_EQ(unknown.status, 400);
    EXPECT_EQ(error_of(unknown)["code"], "UnsupportedApiVersion");
}

// azure-api C.7: the header has the code of each error, whoever in the service found it.
TEST(AttestRoutes, SayTheCodeOfEveryErrorInAHeader) {
    struct Try {
        const char* method;
        const char* path;
        const char* version;
        int status;
    };
    for (const Try& one : {Try{"POST", "/attest/AzureGuest", "2020-10-01", 400},
                           Try{"POST", "/attest/AzureGuest", "", 400},
                           Try{"POST", "/attest/AzureGuest", "2020-10-02", 400},
                           Try{"GET", "/attest/AzureGuest", "2020-10-01", 405},
                           Try{"POST", "/policies/AzureGuest", "2020-10-01", 405},
                           Try{"GET", "/policies/AzureGuest", "2020-10-01", 401},
                           Try{"GET", "/policies/Nothing", "2020-10-01", 404},
                           Try{"GET", "/tcbbaselines/Nothing", "2020-10-01", 404},
                           Try{"GET", "/nowhere", "2020-10-01", 404}}) {
        net::Response response = share().send(one.method, one.path, "{}", one.version);
        EXPECT_EQ(response.status, one.status) << one.path;
        EXPECT_EQ(response.headers.get("x-ms-error-code"),
                  error_of(response)["code"].get<std::string>())
            << one.path;
        EXPECT_EQ(response.headers.get("Allow").empty(), one.status != 405) << one.path;
    }
    EXPECT_EQ(share().send("GET", "/certs").headers.find("x-ms-error-code"), nullptr);
}

TEST(AttestRefusals, OfAFloodAreCountedRatherThanRecorded) {
    Running running;
    running.service = MUST(running.create([](Config& config) {
        config.recorded_burst = 2;
        config.recorded_per_second = 1;
    }));
    auto entries = [&](const net::Response& response) {
        EXPECT_EQ(response.status, 400);
        return MUST(running.log.find(response.headers.get("x-ms-request-id")));
    };
    for (size_t recorded : {1u, 1u, 0u, 0u, 0u}) {
        EXPECT_EQ(entries(running.attest("{}")).size(), recorded);
    }
    running.clock.set(running.clock.now() + Seconds(1));
    EXPECT_EQ(entries(running.attest("{}")).at(0).entry.details["unrecorded_before"], 3);
}

TEST(AttestRoutes, SayWhatIsNotThere) {
    EXPECT_EQ(share().send("GET", "/nothing").status, 404);
    EXPECT_EQ(share().send("POST", "/attest/Other").status, 404);
    EXPECT_EQ(share().send("GET", "/attest/AzureGuest").status, 405);
}

TEST(AttestRoutes, PublishKeyAndMetadataWithoutApiVersion) {
    Json configuration = MUST(
        parse_json_object(share().send("GET", "/.well-known/openid-configuration", "", "").body));
    EXPECT_EQ(configuration["issuer"], "https://sharedweu.weu.attest.azure.net");
    EXPECT_EQ(configuration["jwks_uri"], "https://sharedweu.weu.attest.azure.net/certs");
    EXPECT_EQ(configuration["response_types_supported"], Json::array({"token", "none"}));
    EXPECT_EQ(configuration["id_token_signing_alg_values_supported"], Json::array({"RS256"}));

    Json set = MUST(parse_json_object(share().send("GET", "/certs", "", "").body));
    ASSERT_EQ(set["keys"].size(), 1u);
    const Json& key = set["keys"][0];
    EXPECT_EQ(key["kty"], "RSA");
    EXPECT_EQ(key["alg"], "RS256");
    EXPECT_EQ(key["use"], "sig");
    Bytes der = MUST(decode_base64(key["x5c"][0].get<std::string>()));
    Certificate certificate = MUST(Certificate::parse_der(der));
    EXPECT_EQ(certificate.subject_common_name(), "https://sharedweu.weu.attest.azure.net");
    EXPECT_TRUE(MUST(certificate.public_key()) == MUST(jose::parse_jwk(key)));
}

TEST(AttestService, KeepsItsKeyOverARestartButOnlyUnderItsRootKey) {
    Running& running = share();
    auto again = MUST(running.create());
    EXPECT_EQ(MUST(again->jwks()), MUST(running.service->jwks()));
    auto elsewhere = [&] {
        return running.create(
            [&](Config& config) { config.directory = running.dir.path() / "other"; });
    };
    EXPECT_EQ(elsewhere().error().code, Code::not_found);  // and no other was made
    MUST(crypto::RootKey::load_or_create(running.dir.path() / "other" / "attest.root.key"));
    EXPECT_EQ(elsewhere().error().code, Code::bad_evidence);
}

TEST(AttestService, TwoWithDifferentIssuersHaveDifferentKeys) {
    Running& running = share();
    auto other = MUST(running.create([](Config& config) {
        config.issuer = "https://other.neu.attest.azure.net";
        config.token_lifetime = Seconds{60};
    }));
    EXPECT_NE(MUST(other->jwks())["keys"][0]["kid"],
              MUST(running.service->jwks())["keys"][0]["kid"]);
    std::swap(other, running.service);
    net::Response response =
        running.send("POST", "/attest/SevSnpVm", dump_json(snp_request(Machine{})));
    Json claims = claims_of(running, token_of(response));
    std::swap(other, running.service);
    EXPECT_EQ(claims["iss"], "https://other.neu.attest.azure.net");
    EXPECT_EQ(claims["exp"].get<int64_t>() - claims["iat"].get<int64_t>(), 60);
}

TEST(AttestService, RefusesSettingsThatMakeNoSense) {
    auto code_with = [](const std::function<void(Config&)>& change) {
        auto created = share().create(change);
        return created ? std::optional<Code>{} : created.error().code;
    };
    EXPECT_EQ(code_with([](Config& c) { c.issuer = "http://plain.example"; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.issuer += "/"; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.issuer += std::string(40, 'a'); }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.directory = ""; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.token_lifetime = Seconds{0}; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.minimum_tcb.erase(evidence::SnpProduct::turin); }),
              Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.compliant_id_keys = {"abc"}; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.max_body = 1023; }), Code::invalid);
    EXPECT_EQ(code_with([](Config& c) { c.max_body = 1024; }), std::nullopt);
    for (const char* login : {"nonsense", "http://login.example", "", "https://"}) {
        EXPECT_EQ(code_with([&](Config& c) { c.callers.login_authority = login; }), Code::invalid)
            << login;
    }
}

// As for a vault: the same settings file serves both.
TEST(AttestService, TakesALoginWithASlashAtItsEnd) {
    Running running;
    running.service = MUST(running.create(
        [](Config& config) { config.callers.login_authority = "https://login.example/"; }));
    net::Response refused = running.send("GET", "/policies/SevSnpVm", "");
    EXPECT_EQ(refused.status, 401);
    EXPECT_NE(refused.headers.get("WWW-Authenticate")
                  .find("authorization=\"https://login.example/" + std::string(kTenant) + "\""),
              std::string::npos)
        << refused.headers.get("WWW-Authenticate");
}

TEST(AttestService, AnswersOverARealSocket) {
    auto server = MUST(net::Server::start({.name = "attest"}, share().service->handler()));
    net::Client client({});
    net::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}/attest/AzureGuest?api%2Dversion=2020-10-01",
                              server->port());
    request.headers.set("Content-Type", "application/json");
    request.body = guest_request(Machine{});
    net::ClientResponse answer = MUST(client.send(request));
    ASSERT_EQ(answer.status, 200) << answer.body;
    std::string token = MUST(json_string(MUST(parse_json_object(answer.body)), "token"));
    EXPECT_EQ(claims_of(share(), open_envelope(token))["x-ms-attestation-type"], "azurevm");
}

TEST(DefaultPolicy, NamesTheFloorAndHashesAsAzureDoes) {
    Config config;
    std::string text = default_azure_guest_policy(config);
    EXPECT_NE(text.find("[type==\"secureboot\", value==true]"), std::string::npos);
    EXPECT_NE(text.find("[type==\"x-ms-sevsnpvm-microcode-svn\", value>=115]"), std::string::npos);
    EXPECT_EQ(default_snp_vm_policy(config).find("secureboot"), std::string::npos);
    config.minimum_tcb[evidence::SnpProduct::milan].microcode = 219;
    EXPECT_NE(policy_hash(default_azure_guest_policy(config)), policy_hash(text));
    // SHA-256 of the base64url text, not of the policy: computed with Python's hashlib.
    EXPECT_EQ(policy_hash("version=1.0;"), "19i83kYUJrNjFhofbXgekndgH4nqXEkpmebWlG5krvs");
}

}  // namespace
}  // namespace vouchsafe::attest
