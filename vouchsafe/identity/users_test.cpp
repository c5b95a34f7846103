// Users and groups: who they are, how they sign in, what the directory tells of them.
#include <gtest/gtest.h>

#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/identity/oauth.h"
#include "vouchsafe/identity/sign_ins.h"
#include "vouchsafe/identity/test_issuer.h"

namespace vouchsafe::identity {
namespace {

using namespace testing;

constexpr const char* kCli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46";
constexpr const char* kVerifier = "T3isR~t7XJgEwokad1UZQ2Amn8-6eMfDKHIvN.4Gq9x-0123456789";
constexpr const char* kPassword = "correct horse battery";
constexpr const char* kScope =
    "https://management.core.windows.net//.default offline_access openid profile";

SecretBytes secret(std::string_view text) {
    return SecretBytes::copy_of(text);
}

const Principal& ada() {
    static const Principal user =
        MUST(share().service->create_user("Ada@lab.test", secret(kPassword)));
    return user;
}

using Fields = std::map<std::string, std::string>;

std::string encoded(const Fields& fields) {
    std::string out;
    for (const auto& [name, value] : fields) {
        if (!value.empty()) out += name + "=" + encode_percent(value) + "&";
    }
    return out;
}

Fields with(Fields fields, const Fields& change) {
    for (const auto& [name, value] : change) fields[name] = value;
    return fields;
}

net::Response post(Service& service, const std::string& path, const Fields& fields) {
    return service.handler()(make_request("POST", path, encoded(fields)));
}

net::Response token(const Fields& fields, Service& service = *share().service) {
    return post(service, "/organizations/oauth2/v2.0/token", with({{"client_id", kCli}}, fields));
}

Fields password_fields() {
    (void)ada();
    return {{"grant_type", "password"},
            {"username", "ada@LAB.test"},
            {"password", kPassword},
            {"scope", kScope}};
}

std::string refusal(const net::Response& response) {
    const Json body = body_of(response);
    EXPECT_GE(response.status, 400);
    EXPECT_FALSE(body.contains("access_token"));
    return fmt::format("{} {}", body["error"].get<std::string>(),
                       body["error_codes"][0].get<int>());
}

Json id_claims(const Json& answer) {
    const auto jws = MUST(jose::parse_jws(answer["id_token"].get<std::string>()));
    return MUST(parse_json_object(as_text(jws.payload)));
}

TEST(Users, SignInByPasswordAndGetWhatMsalWants) {
    const net::Response response = token(password_fields());
    ASSERT_EQ(response.status, 200) << response.body;
    EXPECT_EQ(response.headers.get("Cache-Control"), "no-store");
    const Json body = body_of(response);
    EXPECT_EQ(body["scope"], kScope);
    EXPECT_EQ(body["expires_in"], 3599);
    EXPECT_TRUE(body.contains("refresh_token"));
    const Json info = MUST(
        parse_json_object(as_text(MUST(decode_base64url(body["client_info"].get<std::string>())))));
    EXPECT_EQ(info["uid"], ada().object_id);
    EXPECT_EQ(info["utid"], kTenant);

    const Json claims =
        share().claims(body["access_token"], "https://management.core.windows.net/");
    EXPECT_EQ(claims["oid"], ada().object_id);
    EXPECT_EQ(claims["idtyp"], "user");
    EXPECT_EQ(claims["appid"], kCli);
    EXPECT_EQ(claims["appidacr"], "0");
    EXPECT_EQ(claims["upn"], "Ada@lab.test");
    EXPECT_EQ(claims["scp"], "user_impersonation");
    EXPECT_FALSE(claims.contains("groups"));
    const Json id = id_claims(body);
    EXPECT_EQ(id["aud"], kCli);
    EXPECT_EQ(id["tid"], kTenant);
    EXPECT_EQ(id["preferred_username"], "Ada@lab.test");
    EXPECT_FALSE(id.contains("nonce"));
}

TEST(Users, GetNoMoreThanTheScopesSay) {
    const Json body =
        body_of(token(with(password_fields(), {{"scope", "https://vault.azure.net/.default"}})));
    EXPECT_FALSE(body.contains("refresh_token"));
    EXPECT_FALSE(body.contains("id_token"));
    share().claims(body["access_token"], "https://vault.azure.net");
}

TEST(Users, AreRefusedAlikeWithAWrongNameAndAWrongPassword) {
    const Fields good = password_fields();
    EXPECT_EQ(refusal(token(with(good, {{"password", "correct horse batterx"}}))),
              "invalid_grant 50126");
    EXPECT_EQ(refusal(token(with(good, {{"username", "eve@lab.test"}}))), "invalid_grant 50126");
    EXPECT_EQ(refusal(token(with(good, {{"password", ""}}))), "invalid_request 900144");
    EXPECT_EQ(refusal(token(with(good, {{"username", ""}}))), "invalid_request 900144");
    EXPECT_EQ(refusal(token(with(good, {{"scope", ""}}))), "invalid_request 900144");
    EXPECT_EQ(refusal(token(with(good, {{"scope", "https://evil.example/.default"}}))),
              "invalid_resource 500011");
    EXPECT_EQ(refusal(token(with(good, {{"scope", "openid nonsense"}}))), "invalid_scope 70011");
    EXPECT_EQ(refusal(token(with(good, {{"client_id", kTenant}}))), "unauthorized_client 700016");
    EXPECT_EQ(refusal(post(*share().service, "/organizations/oauth2/token", good)),
              "unsupported_grant_type 70003");
}

TEST(Users, WithoutAPasswordSignInWithNone) {
    MUST(share().service->create_user("nopass@lab.test", SecretBytes()));
    EXPECT_EQ(refusal(token(
                  with(password_fields(), {{"username", "nopass@lab.test"}, {"password", "x"}}))),
              "invalid_grant 50126");
}

TEST(Users, WaitAfterTooManyWrongPasswords) {
    Issuer& issuer = share();
    MUST(issuer.service->create_user("slow@lab.test", secret(kPassword)));
    const Fields good = with(password_fields(), {{"username", "slow@lab.test"}});
    for (int i = 0; i < 9; ++i) token(with(good, {{"password", "wrong"}}));
    EXPECT_EQ(token(good).status, 200) << "a right one counts from the start again";
    for (int i = 0; i < 10; ++i) {
        EXPECT_EQ(refusal(token(with(good, {{"password", "wrong"}}))), "invalid_grant 50126");
    }
    EXPECT_EQ(refusal(token(good)), "invalid_grant 50053");
    issuer.clock.set(test_time() + Seconds{60});
    EXPECT_EQ(token(good).status, 200);
    issuer.clock.set(test_time());
}

TEST(Users, HaveNamesToSignInWithAndLongPasswords) {
    Service& service = *share().service;
    (void)ada();
    EXPECT_EQ(service.create_user("ADA@lab.test", secret(kPassword)).error().code, Code::conflict);
    for (const char* bad : {"", "ada", "@lab", "ada@", "a@b@c", "a b@c", "a@b/c", "a@b'"}) {
        EXPECT_EQ(service.create_user(bad, secret(kPassword)).error().code, Code::invalid) << bad;
    }
    EXPECT_EQ(service.create_user("short@lab.test", secret("eleven byte")).error().code,
              Code::invalid);
    EXPECT_TRUE(service.create_user("long@lab.test", secret("twelve bytes")));
    EXPECT_EQ(MUST(service.find_user("ada@lab.test")).object_id, ada().object_id);
    EXPECT_EQ(service.find_user("nobody@lab.test").error().code, Code::not_found);
}

// --- renewal

TEST(Renewal, GoesOnWithoutTheUserUntilThePasswordChanges) {
    Issuer& issuer = share();
    const Principal user = MUST(issuer.service->create_user("bob@lab.test", secret(kPassword)));
    const Json first = body_of(token(with(password_fields(), {{"username", "bob@lab.test"}})));
    Fields renew = {{"grant_type", "refresh_token"},
                    {"refresh_token", first["refresh_token"]},
                    {"scope", "https://vault.azure.net/.default offline_access"}};
    issuer.clock.set(test_time() + Seconds{86400});
    const Json second = body_of(token(renew));
    ASSERT_TRUE(second.contains("access_token")) << second;
    EXPECT_EQ(issuer.claims(second["access_token"], "https://vault.azure.net")["oid"],
              user.object_id);
    EXPECT_EQ(token(renew).status, 200) << "an older one stays good, as Azure's";

    MUST(issuer.service->set_password(user.object_id, secret("another password")));
    EXPECT_EQ(refusal(token(renew)), "invalid_grant 50173");
    EXPECT_EQ(refusal(token(with(renew, {{"refresh_token", second["refresh_token"]}}))),
              "invalid_grant 50173");
    issuer.clock.set(test_time());
}

TEST(Renewal, NeedsATokenOfThisServiceThatLives) {
    Issuer& issuer = share();
    const Json first = body_of(token(password_fields()));
    const std::string good = first["refresh_token"];
    const Fields renew = {{"grant_type", "refresh_token"}, {"refresh_token", good}};
    EXPECT_EQ(token(renew).status, 200) << "without a scope: for Microsoft Graph";
    std::string changed = good;
    changed[40] = changed[40] == 'A' ? 'B' : 'A';
    for (const std::string& bad : {changed, good.substr(1), std::string("rt"), good + "!"}) {
        EXPECT_EQ(refusal(token(with(renew, {{"refresh_token", bad}}))), "invalid_grant 9002313");
    }
    issuer.clock.set(test_time() + issuer.service->config().refresh_token_lifetime);
    EXPECT_EQ(refusal(token(renew)), "invalid_grant 70008");
    issuer.clock.set(test_time());

    const Principal gone = MUST(issuer.service->create_user("gone@lab.test", secret(kPassword)));
    const Json last = body_of(token(with(password_fields(), {{"username", "gone@lab.test"}})));
    MUST(issuer.service->remove_principal(gone.client_id));
    EXPECT_EQ(refusal(token(with(renew, {{"refresh_token", last["refresh_token"]}}))),
              "invalid_grant 50034");
}

// --- the browser

// Lab is a service that signs its one user in without asking.
Service& lab() {
    (void)ada();
    static const auto service =
        MUST(share().create([](Config& config) { config.sign_in_as = "ada@lab.test"; }));
    service->serve_pages_at("http://localhost:8080/aad");
    return *service;
}

Fields authorize_fields() {
    return {{"client_id", kCli},
            {"response_type", "code"},
            {"redirect_uri", "http://localhost:44907"},
            {"scope", kScope},
            {"state", "zaLk&=bH"},
            {"code_challenge", encode_base64url(crypto::sha256(as_bytes(kVerifier)))},
            {"code_challenge_method", "S256"},
            {"nonce", "65c7"},
            {"prompt", "select_account"}};
}

net::Response authorize(Service& service, const Fields& fields, const std::string& body = "",
                        const std::string& base = "/aad") {
    net::Request request = make_request(body.empty() ? "GET" : "POST",
                                        base + "/organizations/oauth2/v2.0/authorize", body);
    for (const auto& [name, value] : fields) {
        if (!value.empty()) request.query.emplace_back(name, value);
    }
    return service.handler()(request);
}

// parameter reads one of a redirection's.
std::string parameter(const net::Response& response, const std::string& name) {
    const std::string where = response.headers.get("Location");
    const auto form = MUST(parse_form(where.substr(where.find('?') + 1)));
    auto found = form.find(name);
    return found == form.end() ? "" : found->second;
}

Fields code_fields(const std::string& code) {
    return {{"grant_type", "authorization_code"},
            {"code", code},
            {"redirect_uri", "http://localhost:44907"},
            {"code_verifier", kVerifier}};
}

TEST(Browser, CarriesACodeThatGivesTokensOnce) {
    for (const char* base : {"", "/aad"}) {
        const net::Response sent = authorize(lab(), authorize_fields(), "", base);
        ASSERT_EQ(sent.status, 303) << sent.body;
        EXPECT_TRUE(sent.headers.get("Location").starts_with("http://localhost:44907?"));
        EXPECT_EQ(parameter(sent, "state"), "zaLk&=bH");
        EXPECT_EQ(sent.headers.get("Cache-Control"), "no-store");
        const std::string code = parameter(sent, "code");
        const net::Response answer = token(code_fields(code), lab());
        ASSERT_EQ(answer.status, 200) << answer.body;
        EXPECT_EQ(id_claims(body_of(answer))["nonce"], "65c7");
        EXPECT_EQ(refusal(token(code_fields(code), lab())), "invalid_grant 70008");
    }
}

TEST(Browser, CodesAreForOneApplicationAddressAndVerifier) {
    auto fresh = [] { return parameter(authorize(lab(), authorize_fields()), "code"); };
    auto refused = [&](const Fields& change) {
        return refusal(token(with(code_fields(fresh()), change), lab()));
    };
    EXPECT_EQ(refused({{"redirect_uri", "http://localhost:44908"}}), "invalid_grant 70000");
    EXPECT_EQ(refused({{"client_id", "1950a258-227b-4e31-a9cf-717495945fc2"}}),
              "invalid_grant 70000");
    EXPECT_EQ(refused({{"code_verifier", std::string(kVerifier) + "x"}}), "invalid_grant 501481");
    EXPECT_EQ(refused({{"code_verifier", ""}}), "invalid_request 900144");
    EXPECT_EQ(refused({{"code", "nonsense"}}), "invalid_grant 70008");
    const std::string code = fresh();
    share().clock.set(test_time() + kCodeLifetime);
    EXPECT_EQ(refusal(token(code_fields(code), lab())), "invalid_grant 70008");
    share().clock.set(test_time());
}

TEST(Browser, IsSentBackToItsOwnMachineAlone) {
    for (const char* good : {"http://localhost", "http://127.0.0.1:5/x", "http://[::1]:5"}) {
        EXPECT_EQ(authorize(lab(), with(authorize_fields(), {{"redirect_uri", good}})).status, 303)
            << good;
    }
    for (const char* bad : {"https://evil.example", "http://evil.example", "https://localhost:5",
                            "http://localhost.evil.example", "http://localhost@evil.example",
                            "javascript:alert(1)", "http://127.0.0.2:5", ""}) {
        const auto answer = authorize(lab(), with(authorize_fields(), {{"redirect_uri", bad}}));
        EXPECT_EQ(answer.status, 400) << bad;
        EXPECT_EQ(answer.headers.get("Location"), "") << bad;
    }
    EXPECT_EQ(authorize(lab(), with(authorize_fields(), {{"client_id", kTenant}})).status, 400);
}

TEST(Browser, TellsTheApplicationWhatIsWrong) {
    auto told = [](const Fields& change) {
        const auto answer = authorize(lab(), with(authorize_fields(), change));
        EXPECT_EQ(answer.status, 303);
        EXPECT_EQ(parameter(answer, "code"), "");
        EXPECT_EQ(parameter(answer, "state"), "zaLk&=bH");
        return parameter(answer, "error");
    };
    EXPECT_EQ(told({{"code_challenge", ""}}), "invalid_request");
    EXPECT_EQ(told({{"code_challenge_method", "plain"}}), "invalid_request");
    EXPECT_EQ(told({{"response_type", "token"}}), "unsupported_response_type");
    EXPECT_EQ(told({{"response_mode", "form_post"}}), "unsupported_response_type");
    EXPECT_EQ(told({{"scope", "https://evil.example/.default"}}), "invalid_resource");
}

TEST(Browser, AsksForNameAndPasswordWhereNobodyIsTheUser) {
    (void)ada();
    Service& service = *share().service;
    const net::Response page =
        authorize(service, with(authorize_fields(), {{"state", "\"><script>alert(1)</script>"}}));
    ASSERT_EQ(page.status, 200);
    EXPECT_NE(page.body.find("type=\"password\""), std::string::npos);
    EXPECT_EQ(page.body.find("<script"), std::string::npos);
    EXPECT_NE(page.headers.get("Content-Security-Policy").find("default-src 'none'"),
              std::string::npos);
    const Fields typed = {{"username", "ada@lab.test"}, {"password", kPassword}};
    const net::Response sent = authorize(service, authorize_fields(), encoded(typed));
    ASSERT_EQ(sent.status, 303) << sent.body;
    EXPECT_EQ(token(code_fields(parameter(sent, "code"))).status, 200);
    const net::Response again =
        authorize(service, authorize_fields(), encoded(with(typed, {{"password", "wrong"}})));
    EXPECT_EQ(again.status, 400);
    EXPECT_NE(again.body.find("AADSTS50126"), std::string::npos);
}

// --- devices

Json begin_device(Service& service) {
    return body_of(post(service, "/organizations/oauth2/v2.0/devicecode",
                        {{"client_id", kCli}, {"scope", kScope}}));
}

Fields device_fields(const Json& begun) {
    return {{"grant_type", "urn:ietf:params:oauth:grant-type:device_code"},
            {"code", begun["device_code"]},
            {"device_code", begun["device_code"]}};
}

TEST(Devices, OfALabAreSignedInAtOnce) {
    const Json begun = begin_device(lab());
    EXPECT_EQ(begun["verification_uri"], "http://localhost:8080/aad/device");
    const net::Response answer = token(device_fields(begun), lab());
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(body_of(answer)["scope"], kScope);
    EXPECT_EQ(refusal(token(device_fields(begun), lab())), "expired_token 70020");
}

TEST(Devices, WaitForTheirUser) {
    (void)ada();
    Service& service = *share().service;
    const Json begun = begin_device(service);
    EXPECT_EQ(begun["verification_uri"], "https://login.microsoftonline.com/device");
    EXPECT_EQ(refusal(token(device_fields(begun))), "authorization_pending 70016");
    std::string typed = begun["user_code"];
    typed = to_lower(typed.substr(0, 4) + "-" + typed.substr(4));
    const Fields form = {
        {"user_code", typed}, {"username", "ada@lab.test"}, {"password", kPassword}};
    EXPECT_EQ(post(service, "/device", with(form, {{"password", "wrong"}})).status, 400);
    EXPECT_EQ(post(service, "/device", with(form, {{"user_code", "BCDFGHJK"}})).status, 400);
    EXPECT_EQ(refusal(token(device_fields(begun))), "authorization_pending 70016");
    EXPECT_EQ(post(service, "/device", form).status, 200);
    EXPECT_EQ(post(service, "/device", form).status, 400) << "once";
    EXPECT_EQ(refusal(token(with(device_fields(begun),
                                 {{"client_id", "1950a258-227b-4e31-a9cf-717495945fc2"}}))),
              "expired_token 70020");

    const Json late = begin_device(service);
    share().clock.set(test_time() + kDeviceLifetime);
    EXPECT_EQ(refusal(token(device_fields(late))), "expired_token 70020");
    EXPECT_EQ(post(service, "/device", with(form, {{"user_code", late["user_code"]}})).status, 400);
    share().clock.set(test_time());
}

TEST(SignIns, AreBoundedAndTheOldestEndsFirst) {
    SignIns sign_ins;
    const std::string first = sign_ins.begin({}, test_time());
    std::string last;
    for (size_t i = 0; i < kMaxSignIns; ++i) last = sign_ins.begin({}, test_time() + Seconds{1});
    EXPECT_FALSE(sign_ins.take(first, test_time() + Seconds{1}));
    EXPECT_TRUE(sign_ins.take(last, test_time() + Seconds{1}));
}

TEST(UserRealm, TellsNothingOfUsers) {
    auto realm = [](const std::string& user) {
        return body_of(
            share().service->handler()(make_request("GET", "/common/userrealm/" + user)));
    };
    EXPECT_EQ(realm("ada@lab.test")["account_type"], "Managed");
    EXPECT_EQ(realm("ada@lab.test"), realm("nobody@lab.test"));
}

TEST(Discovery, PointsABrowserToWhereItCanReachThePage) {
    const Json document = body_of(lab().handler()(
        make_request("GET", "/organizations/v2.0/.well-known/openid-configuration")));
    EXPECT_EQ(document["authorization_endpoint"],
              "http://localhost:8080/aad/organizations/oauth2/v2.0/authorize");
    EXPECT_EQ(document["device_authorization_endpoint"],
              "https://login.microsoftonline.com/organizations/oauth2/v2.0/devicecode");
}

// --- groups

TEST(Groups, AreInTheTokensOfTheirMembers) {
    Service& service = *share().service;
    const Principal user = MUST(service.create_user("carol@lab.test", secret(kPassword)));
    const Principal group = MUST(service.create_group("analysts"));
    const Principal other = MUST(service.create_group("others"));
    auto groups = [&] {
        const Json body = body_of(token(with(password_fields(), {{"username", "carol@lab.test"}})));
        return share().claims(body["access_token"],
                              "https://management.core.windows.net/")["groups"];
    };
    EXPECT_EQ(groups(), nullptr);
    MUST(service.add_member(group.object_id, user.object_id));
    MUST(service.add_member(group.object_id, user.object_id));
    EXPECT_EQ(groups(), Json::array({group.object_id}));
    MUST(service.remove_member(group.object_id, user.object_id));
    EXPECT_EQ(groups(), nullptr);
    MUST(service.add_member(group.object_id, user.object_id));
    MUST(service.add_member(other.object_id, user.object_id));
    MUST(service.remove_principal(group.client_id));
    EXPECT_EQ(groups(), Json::array({other.object_id}));
    MUST(service.remove_principal(user.client_id));
    EXPECT_TRUE(MUST(service.groups_of(user.object_id)).empty());

    EXPECT_EQ(service.create_group("OTHERS").error().code, Code::conflict);
    EXPECT_EQ(service.add_member(other.object_id, other.object_id).error().code, Code::not_found);
    EXPECT_EQ(service.add_member(ada().object_id, ada().object_id).error().code, Code::not_found);
    EXPECT_EQ(service.add_member(other.object_id, kTenant).error().code, Code::not_found);
}

TEST(Groups, NeverGetTokens) {
    const Principal group = MUST(share().service->create_group("silent"));
    EXPECT_EQ(refusal(post(*share().service, "/common/oauth2/v2.0/token",
                           {{"grant_type", "client_credentials"},
                            {"client_id", group.client_id},
                            {"client_secret", "x"},
                            {"scope", "https://vault.azure.net/.default"}})),
              "unauthorized_client 700016");
}

// --- Graph

net::Response graph(const std::string& method, const std::string& path, const std::string& bearer,
                    const std::string& body = "", const std::string& filter = "") {
    net::Request request = make_request(method, path, body);
    if (!bearer.empty()) request.headers.set("Authorization", "Bearer " + bearer);
    if (!filter.empty()) request.query.emplace_back("$filter", filter);
    return share().service->graph_handler()(request);
}

std::string graph_token() {
    return body_of(token(with(
        password_fields(), {{"scope", "https://graph.microsoft.com//.default"}})))["access_token"];
}

TEST(Graph, TellsWhoTheCallerIs) {
    const net::Response answer = graph("GET", "/v1.0/me", graph_token());
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(body_of(answer)["id"], ada().object_id);
    EXPECT_EQ(body_of(answer)["userPrincipalName"], "Ada@lab.test");

    const NewApp app = MUST(share().service->create_app("graph-app"));
    const Json as_app =
        body_of(post(*share().service, "/common/oauth2/v2.0/token",
                     {{"grant_type", "client_credentials"},
                      {"client_id", app.principal.client_id},
                      {"client_secret", std::string(app.client_secret.expose_text())},
                      {"scope", "https://graph.microsoft.com/.default"}}));
    EXPECT_EQ(graph("GET", "/v1.0/me", as_app["access_token"]).status, 400);
    const std::string filter =
        "servicePrincipalNames/any(c:c eq '" + app.principal.client_id + "')";
    const Json found =
        body_of(graph("GET", "/v1.0/servicePrincipals", as_app["access_token"], "", filter));
    ASSERT_EQ(found["value"].size(), 1u);
    EXPECT_EQ(found["value"][0]["id"], app.principal.object_id);
}

TEST(Graph, WantsATokenForItself) {
    const std::string vault = body_of(token(
        with(password_fields(), {{"scope", "https://vault.azure.net/.default"}})))["access_token"];
    for (const std::string& bad : {std::string(), std::string("x"), vault, graph_token() + "x"}) {
        const net::Response answer = graph("GET", "/v1.0/me", bad);
        EXPECT_EQ(answer.status, 401);
        EXPECT_EQ(body_of(answer)["error"]["code"], "InvalidAuthenticationToken");
    }
}

TEST(Graph, FindsObjectsByIdAndUsersByName) {
    const std::string bearer = graph_token();
    const Principal group = MUST(share().service->create_group("found"));
    const Principal identity = MUST(share().service->create_managed_identity("vm", "/found"));
    const Json ids = {
        {"ids",
         {ada().object_id, kTenant, group.object_id, identity.object_id, identity.client_id}}};
    const Json found =
        body_of(graph("POST", "/v1.0/directoryObjects/getByIds", bearer, dump_json(ids)));
    ASSERT_EQ(found["value"].size(), 3u) << found;
    EXPECT_EQ(found["value"][0]["@odata.type"], "#microsoft.graph.user");
    EXPECT_EQ(found["value"][1]["@odata.type"], "#microsoft.graph.group");
    EXPECT_EQ(found["value"][2]["@odata.type"], "#microsoft.graph.servicePrincipal");
    EXPECT_EQ(graph("POST", "/v1.0/directoryObjects/getByIds", bearer, "{}").status, 400);
    EXPECT_EQ(graph("POST", "/v1.0/directoryObjects/getByIds", bearer, "{").status, 400);
    EXPECT_EQ(graph("POST", "/v1.0/directoryObjects/getByIds", bearer, R"({"ids":[1]})").status,
              400);

    for (const std::string& id : {ada().object_id, std::string("ADA@lab.test")}) {
        EXPECT_EQ(body_of(graph("GET", "/v1.0/users/" + id, bearer))["id"], ada().object_id);
    }
    EXPECT_EQ(graph("GET", "/v1.0/users/" + group.object_id, bearer).status, 404);
    auto named = [&](const std::string& filter) {
        return graph("GET", "/v1.0/users", bearer, "", filter);
    };
    EXPECT_EQ(body_of(named("userPrincipalName eq 'ada@lab.test'"))["value"].size(), 1u);
    EXPECT_EQ(body_of(named("userPrincipalName eq 'x''y'"))["value"].size(), 0u);
    EXPECT_EQ(named("startswith(displayName,'A')").status, 400);
    EXPECT_EQ(named("userPrincipalName eq '").status, 400);
}

}  // namespace
}  // namespace vouchsafe::identity
