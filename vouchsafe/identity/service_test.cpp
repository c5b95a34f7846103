#include "vouchsafe/identity/service.h"

#include <gtest/gtest.h>

#include "vouchsafe/crypto/sealed_blob.h"
#include "vouchsafe/identity/oauth.h"
#include "vouchsafe/identity/test_issuer.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::identity {
namespace {

using namespace testing;

const NewApp& test_app() {
    static const NewApp app = MUST(share().service->create_app("data-owner"));
    return app;
}

// form builds a good request; an empty value leaves the parameter out.
std::string form(std::map<std::string, std::string> change = {}) {
    std::map<std::string, std::string> fields = {
        {"grant_type", "client_credentials"},
        {"client_id", test_app().principal.client_id},
        {"client_secret", std::string(test_app().client_secret.expose_text())},
        {"scope", "https://vault.azure.net/.default"},
        {"client_info", "1"},
        {"claims", R"({"access_token": {"xms_cc": {"values": ["CP1"]}}})"}};
    for (auto& [name, value] : change) fields[name] = value;
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!value.empty()) out += name + "=" + encode_percent(value) + "&";
    }
    return out;
}

net::Response post(const std::string& body, const std::string& path = "/oauth2/v2.0/token",
                   const std::string& tenant = kTenant) {
    return share().service->handler()(make_request("POST", "/" + tenant + path, body));
}

// refusal returns "error code" of a request that must fail, and checks the status.
std::string refusal(const net::Response& response, int status) {
    EXPECT_EQ(response.status, status) << response.body;
    Json body = body_of(response);
    EXPECT_FALSE(body.contains("access_token"));
    return fmt::format("{} {}", body["error"].get<std::string>(),
                       body["error_codes"][0].get<int>());
}

TEST(ClientCredentials, GiveAVersion1TokenForTheResource) {
    net::Response response = post(form());
    ASSERT_EQ(response.status, 200) << response.body;
    Json body = body_of(response);
    EXPECT_EQ(body["token_type"], "Bearer");
    EXPECT_EQ(body["expires_in"], 3599);
    EXPECT_EQ(body["ext_expires_in"], 3599);
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");

    Json claims = share().claims(body["access_token"], "https://vault.azure.net");
    const Principal& app = test_app().principal;
    EXPECT_EQ(claims["aud"], "https://vault.azure.net");
    EXPECT_EQ(claims["iss"], "https://sts.windows.net/" + kTenant + "/");
    EXPECT_EQ(claims["idp"], claims["iss"]);
    EXPECT_EQ(claims["tid"], kTenant);
    EXPECT_EQ(claims["appid"], app.client_id);
    EXPECT_EQ(claims["appidacr"], "1");
    EXPECT_EQ(claims["oid"], app.object_id);
    EXPECT_EQ(claims["sub"], app.object_id);
    EXPECT_EQ(claims["ver"], "1.0");
    EXPECT_EQ(claims["idtyp"], "app");
    EXPECT_FALSE(claims.contains("xms_mirid"));
    EXPECT_EQ(claims["iat"], to_unix(test_time()));
    EXPECT_EQ(claims["nbf"], to_unix(test_time()));
    EXPECT_EQ(claims["exp"], to_unix(test_time()) + 3599);
}

TEST(ClientCredentials, GiveTheAudienceAsItWasAskedFor) {
    for (auto [scope, audience] :
         {std::pair{"https://management.core.windows.net//.default",
                    "https://management.core.windows.net/"},
          std::pair{"https://attest.azure.net/.default", "https://attest.azure.net"},
          std::pair{" https://vault.azure.net/.default", "https://vault.azure.net"}}) {
        Json body = body_of(post(form({{"scope", scope}})));
        EXPECT_EQ(share().claims(body["access_token"], audience)["aud"], audience);
    }
}

TEST(ClientCredentials, WorkOnTheFirstVersionsRouteWithTextForNumbers) {
    std::string body = form({{"scope", ""}, {"resource", "https://vault.azure.net"}});
    Json answer = body_of(post(body, "/oauth2/token"));
    EXPECT_EQ(answer["expires_in"], "3599");
    EXPECT_EQ(answer["expires_on"], std::to_string(to_unix(test_time()) + 3599));
    EXPECT_EQ(answer["not_before"], std::to_string(to_unix(test_time())));
    EXPECT_EQ(answer["resource"], "https://vault.azure.net");
    share().claims(answer["access_token"], "https://vault.azure.net");
    EXPECT_EQ(refusal(post(form(), "/oauth2/token"), 400), "invalid_request 900144");
}

TEST(ClientCredentials, AreTakenUnderEveryNameOfTheTenant) {
    for (const char* tenant : {"common", "organizations", "ADFS"}) {
        EXPECT_EQ(post(form(), "/oauth2/v2.0/token", tenant).status, 200) << tenant;
    }
    EXPECT_EQ(
        refusal(post(form(), "/oauth2/v2.0/token", "22222222-2222-4222-8222-222222222222"), 400),
        "invalid_request 90002");
}

TEST(ClientCredentials, AreRefusedWithAzuresErrors) {
    EXPECT_EQ(refusal(post(form({{"client_secret", "wrong"}})), 401), "invalid_client 7000215");
    EXPECT_EQ(refusal(post(form({{"client_secret", ""}})), 401), "invalid_client 7000218");
    EXPECT_EQ(refusal(post(form({{"client_id", kTenant}})), 400), "unauthorized_client 700016");
    EXPECT_EQ(refusal(post(form({{"client_id", ""}})), 400), "invalid_request 900144");
    EXPECT_EQ(refusal(post(form({{"grant_type", ""}})), 400), "invalid_request 900144");
    EXPECT_EQ(refusal(post(form({{"grant_type", "implicit"}})), 400),
              "unsupported_grant_type 70003");
    EXPECT_EQ(refusal(post(form({{"scope", ""}})), 400), "invalid_request 900144");
    EXPECT_EQ(refusal(post(form({{"scope", "https://vault.azure.net"}})), 400),
              "invalid_scope 70011");
    EXPECT_EQ(refusal(post(form({{"scope", "https://evil.example/.default"}})), 400),
              "invalid_resource 500011");
    EXPECT_EQ(refusal(post(form({{"client_assertion", "a.b.c"}})), 401), "invalid_client 700027");
    EXPECT_EQ(refusal(post(form() + "scope=x"), 400), "invalid_request 900561");
    EXPECT_EQ(refusal(post("%"), 400), "invalid_request 900561");
    EXPECT_EQ(refusal(post(""), 400), "invalid_request 900144");
    EXPECT_EQ(refusal(post(std::string(70000, 'a')), 400), "invalid_request 90015");
}

TEST(ClientCredentials, NeverComeFromAnObjectIdOrAManagedIdentity) {
    EXPECT_EQ(refusal(post(form({{"client_id", test_app().principal.object_id}})), 400),
              "unauthorized_client 700016");
    Principal identity = MUST(share().service->create_managed_identity("vm", kVmResource + "-x"));
    EXPECT_EQ(refusal(post(form({{"client_id", identity.client_id}})), 400),
              "unauthorized_client 700016");
}

TEST(ClientSecrets, ExpireAndCanBeReplaced) {
    Issuer& issuer = share();
    NewApp app = MUST(issuer.service->create_app("short-lived"));
    std::string id = app.principal.client_id;
    auto with = [&](const SecretBytes& secret) {
        return post(
            form({{"client_id", id}, {"client_secret", std::string(secret.expose_text())}}));
    };
    EXPECT_EQ(with(app.client_secret).status, 200);
    issuer.clock.set(test_time() + issuer.service->config().client_secret_lifetime - Seconds{1});
    EXPECT_EQ(with(app.client_secret).status, 200);
    issuer.clock.set(test_time() + issuer.service->config().client_secret_lifetime);
    EXPECT_EQ(refusal(with(app.client_secret), 401), "invalid_client 7000222");
    SecretBytes fresh = MUST(issuer.service->add_client_secret(id));
    EXPECT_EQ(with(fresh).status, 200);
    issuer.clock.set(test_time());
}

TEST(ClientSecrets, AreBoundedInNumberAndStoredOnlyHashed) {
    Issuer& issuer = share();
    NewApp app = MUST(issuer.service->create_app("many-secrets"));
    for (int i = 1; i < 8; ++i) MUST(issuer.service->add_client_secret(app.principal.client_id));
    EXPECT_EQ(issuer.service->add_client_secret(app.principal.client_id).error().code,
              Code::conflict);
    EXPECT_EQ(issuer.service->add_client_secret(kTenant).error().code, Code::not_found);
    MUST(issuer.store->read([&](store::View& view) -> Result<void> {
        Bytes record = TRY(view.get("identity_account", app.principal.client_id)).value();
        EXPECT_EQ(as_text(record).find(app.client_secret.expose_text()), std::string_view::npos);
        return {};
    }));
    EXPECT_EQ(app.client_secret.size(), 43u);
}

TEST(Principals, AreFoundByBothIdsUntilTheyAreRemoved) {
    Service& service = *share().service;
    Principal made = MUST(service.create_managed_identity("vm-a", kVmResource + "-a"));
    EXPECT_EQ(made.kind, PrincipalKind::managed_identity);
    EXPECT_TRUE(is_guid(made.client_id));
    EXPECT_NE(made.client_id, made.object_id);
    for (const std::string& id : {made.client_id, made.object_id}) {
        Principal found = MUST(service.find_principal(id));
        EXPECT_EQ(found.client_id, made.client_id);
        EXPECT_EQ(found.resource_id, kVmResource + "-a");
    }
    auto all = MUST(service.principals());
    EXPECT_EQ(std::count_if(all.begin(), all.end(),
                            [&](const Principal& one) { return one.client_id == made.client_id; }),
              1);
    MUST(service.remove_principal(made.client_id));
    EXPECT_EQ(service.find_principal(made.client_id).error().code, Code::not_found);
    EXPECT_EQ(service.find_principal(made.object_id).error().code, Code::not_found);
    EXPECT_EQ(service.remove_principal(made.client_id).error().code, Code::not_found);
    EXPECT_EQ(service.find_principal("").error().code, Code::not_found);
    EXPECT_TRUE(service.create_managed_identity("vm-a", kVmResource + "-a"));
}

TEST(Principals, HaveUniqueNamesOfOneKind) {
    Service& service = *share().service;
    MUST(service.create_app("Twice"));
    EXPECT_EQ(service.create_app("twice").error().code, Code::conflict);
    EXPECT_TRUE(service.create_managed_identity("twice", "/twice"));
    EXPECT_EQ(service.create_managed_identity("other", "/TWICE").error().code, Code::conflict);
    EXPECT_EQ(service.create_app("").error().code, Code::invalid);
    EXPECT_EQ(service.create_app(std::string(513, 'a')).error().code, Code::invalid);
}

TEST(ManagedIdentityTokens, SayWhoseTheyAre) {
    Service& service = *share().service;
    Principal made = MUST(service.create_managed_identity("vm-b", kVmResource + "-b"));
    IssuedToken issued =
        MUST(service.issue_managed_identity_token(made.client_id, "https://vault.azure.net/"));
    Json claims =
        share().claims(std::string(issued.token.expose_text()), "https://vault.azure.net/");
    EXPECT_EQ(claims["appidacr"], "2");
    EXPECT_EQ(claims["xms_mirid"], kVmResource + "-b");
    EXPECT_EQ(claims["oid"], made.object_id);
    EXPECT_EQ(claims["exp"], to_unix(test_time()) + 86399);
    EXPECT_EQ(service.issue_managed_identity_token(made.client_id, "https://x").error().code,
              Code::invalid);
    EXPECT_EQ(
        service
            .issue_managed_identity_token(test_app().principal.client_id, "https://vault.azure.net")
            .error()
            .code,
        Code::not_found);
}

TEST(IdentityDocuments, PointToTheRoutesOfTheSameTenant) {
    auto get = [](const std::string& path) {
        return share().service->handler()(make_request("GET", path));
    };
    std::string base = "https://login.microsoftonline.com/";
    Json v2 = body_of(get("/" + kTenant + "/v2.0/.well-known/openid-configuration"));
    EXPECT_EQ(v2["issuer"], base + kTenant + "/v2.0");
    EXPECT_EQ(v2["token_endpoint"], base + kTenant + "/oauth2/v2.0/token");
    EXPECT_EQ(v2["authorization_endpoint"], base + kTenant + "/oauth2/v2.0/authorize");
    EXPECT_EQ(v2["jwks_uri"], base + kTenant + "/discovery/v2.0/keys");
    Json v1 = body_of(get("/" + kTenant + "/.well-known/openid-configuration"));
    EXPECT_EQ(v1["issuer"], "https://sts.windows.net/" + kTenant + "/");
    EXPECT_EQ(v1["token_endpoint"], base + kTenant + "/oauth2/token");
    Json adfs = body_of(get("/adfs/.well-known/openid-configuration"));
    EXPECT_EQ(adfs["token_endpoint"], base + "adfs/oauth2/v2.0/token");
    EXPECT_EQ(get("/nobody/v2.0/.well-known/openid-configuration").status, 400);
    EXPECT_EQ(get("/nobody/discovery/keys").status, 400);
    EXPECT_EQ(get("/" + kTenant + "/oauth2/v2.0/authorize").status, 400);
    EXPECT_EQ(get("/" + kTenant + "/oauth2/v2.0/token").status, 405);
}

TEST(IdentityDocuments, PublishTheKeyUnderTheIdInTheTokens) {
    for (const char* path : {"/common/discovery/keys", "/organizations/discovery/v2.0/keys"}) {
        Json set = body_of(share().service->handler()(make_request("GET", path)));
        ASSERT_EQ(set["keys"].size(), 1u);
        const Json& key = set["keys"][0];
        std::string token = body_of(post(form()))["access_token"];
        Json header = MUST(jose::parse_jws(token)).header;
        EXPECT_EQ(header["kid"], key["kid"]);
        EXPECT_EQ(header["x5t"], key["x5t"]);
        EXPECT_EQ(header["typ"], "JWT");
        EXPECT_EQ(key["use"], "sig");
        EXPECT_EQ(key["issuer"], "https://login.microsoftonline.com/" + kTenant + "/v2.0");
        auto certificate = MUST(
            crypto::Certificate::parse_der(MUST(decode_base64(key["x5c"][0].get<std::string>()))));
        EXPECT_TRUE(MUST(certificate.public_key()) == MUST(jose::parse_jwk(key)));
    }
}

TEST(IdentityDocuments, InstanceDiscoveryKnowsOneInstance) {
    auto discover = [](const std::string& endpoint) {
        net::Request request = make_request("GET", "/common/discovery/instance");
        request.query = {{"api-version", "1.1"}};
        if (!endpoint.empty()) request.query.emplace_back("authorization_endpoint", endpoint);
        return share().service->handler()(request);
    };
    Json answer = body_of(
        discover("https://login.microsoftonline.com/" + kTenant + "/oauth2/v2.0/authorize"));
    EXPECT_EQ(answer["tenant_discovery_endpoint"], "https://login.microsoftonline.com/" + kTenant +
                                                       "/v2.0/.well-known/openid-configuration");
    EXPECT_EQ(answer["metadata"][0]["preferred_network"], "login.microsoftonline.com");
    EXPECT_EQ(answer["metadata"][0]["aliases"], Json::array({"login.microsoftonline.com"}));
    for (const char* bad : {"", "nonsense", "https://login.evil.example/common/oauth2/authorize",
                            "http://login.microsoftonline.com/common/oauth2/authorize"}) {
        net::Response response = discover(bad);
        EXPECT_EQ(response.status, 400) << bad;
        EXPECT_EQ(body_of(response)["error"], "invalid_instance");
    }
}

TEST(IdentityService, KeepsItsKeyAndPrincipalsOverARestart) {
    Issuer& issuer = share();
    test_app();
    auto again = MUST(issuer.create());
    EXPECT_EQ(again->jwks(), issuer.service->jwks());
    EXPECT_TRUE(again->find_principal(test_app().principal.client_id));
    auto elsewhere = [&] {
        return issuer.create(
            [&](Config& config) { config.directory = issuer.dir.path() / "other"; });
    };
    EXPECT_EQ(elsewhere().error().code, Code::not_found);  // and no other was made
    MUST(crypto::RootKey::load_or_create(issuer.dir.path() / "other" / "identity.root.key"));
    EXPECT_EQ(elsewhere().error().code, Code::bad_evidence);
}

TEST(IdentityService, RefusesSettingsThatMakeNoSense) {
    auto refused = [](const std::function<void(Config&)>& change) {
        auto created = share().create(change);
        return !created && created.error().code == Code::invalid;
    };
    EXPECT_TRUE(refused([](Config& c) { c.tenant_id = "tenant"; }));
    EXPECT_TRUE(refused([](Config& c) { c.tenant_id = "AAAAAAAA-1111-4111-8111-111111111111"; }));
    EXPECT_TRUE(refused([](Config& c) { c.authority = "http://login.example"; }));
    EXPECT_TRUE(refused([](Config& c) { c.authority += "/"; }));
    EXPECT_TRUE(refused([](Config& c) { c.issuer_base = "https://sts.windows.net"; }));
    EXPECT_TRUE(refused([](Config& c) { c.directory = ""; }));
    EXPECT_TRUE(refused([](Config& c) { c.app_token_lifetime = Seconds{0}; }));
}

TEST(IdentityService, AnswersOverARealSocket) {
    auto server = MUST(net::Server::start({.name = "identity"}, share().service->handler()));
    net::Client client({});
    net::ClientRequest request;
    request.method = "POST";
    request.url = fmt::format("http://127.0.0.1:{}/{}/oauth2/v2.0/token", server->port(), kTenant);
    request.headers.set("Content-Type", "application/x-www-form-urlencoded");
    request.body = form();
    net::ClientResponse answer = MUST(client.send(request));
    ASSERT_EQ(answer.status, 200) << answer.body;
    share().claims(MUST(parse_json_object(answer.body))["access_token"], "https://vault.azure.net");
}

}  // namespace
}  // namespace vouchsafe::identity
