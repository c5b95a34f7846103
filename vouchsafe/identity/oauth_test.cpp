#include "vouchsafe/identity/oauth.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::identity {
namespace {

TEST(Form, ReadsEscapedAndUnescapedText) {
    Form form = MUST(parse_form(
        "client_id=5&scope=https%3A%2F%2Fvault.azure.net%2F.default&a+b=c+d&empty=&flag&&x==y"));
    EXPECT_EQ(form["client_id"], "5");
    EXPECT_EQ(form["scope"], "https://vault.azure.net/.default");
    EXPECT_EQ(form["a b"], "c d");
    EXPECT_EQ(form["empty"], "");
    EXPECT_EQ(form["flag"], "");
    EXPECT_EQ(form["x"], "=y");
    // As one client sends it: nothing escaped, a blank in front.
    EXPECT_EQ(MUST(parse_form("scope= https://vault.azure.net/.default"))["scope"],
              " https://vault.azure.net/.default");
    EXPECT_TRUE(MUST(parse_form("")).empty());
}

TEST(Form, RefusesDuplicatesBadEscapesAndTooMany) {
    EXPECT_FALSE(parse_form("a=1&a=2"));
    EXPECT_FALSE(parse_form("a=%zz"));
    EXPECT_FALSE(parse_form("a=%4"));
    std::string many;
    for (int i = 0; i < 64; ++i) many += fmt::format("p{}=1&", i);
    EXPECT_TRUE(parse_form(many));
    EXPECT_FALSE(parse_form(many + "p64=1"));
}

TEST(Scope, IsOneResourceAndDefault) {
    EXPECT_EQ(resource_of_scope("https://vault.azure.net/.default"), "https://vault.azure.net");
    EXPECT_EQ(resource_of_scope("  https://vault.azure.net/.default "), "https://vault.azure.net");
    EXPECT_EQ(resource_of_scope("https://management.core.windows.net//.default"),
              "https://management.core.windows.net/");
    for (const char* bad : {"", "/.default", "https://vault.azure.net", "openid",
                            "https://a/.default https://b/.default", "https://a/.Default"}) {
        EXPECT_EQ(resource_of_scope(bad), std::nullopt) << bad;
    }
}

TEST(UserScope, IsOneResourceAndWordsOfOpenIdConnect) {
    const auto full = parse_user_scopes(
        " https://vault.azure.net/.default openid  profile "
        "offline_access email ");
    ASSERT_TRUE(full);
    EXPECT_EQ(full->resource, "https://vault.azure.net");
    EXPECT_TRUE(full->openid && full->offline);
    EXPECT_EQ(parse_user_scopes("https://x/user_impersonation")->resource, "https://x");
    EXPECT_EQ(parse_user_scopes("openid")->resource, "https://graph.microsoft.com");
    EXPECT_FALSE(parse_user_scopes("openid")->offline);
    for (const char* bad : {"nonsense", "https://a/.default https://b/.default", "/.default",
                            "/user_impersonation", "User.Read"}) {
        EXPECT_FALSE(parse_user_scopes(bad)) << bad;
    }
}

TEST(Resource, MatchesWithOrWithoutOneTrailingSlash) {
    std::vector<std::string> known = {"https://vault.azure.net", "https://attest.azure.net"};
    EXPECT_EQ(match_resource(known, "https://vault.azure.net"), "https://vault.azure.net");
    EXPECT_EQ(match_resource(known, "https://vault.azure.net/"), "https://vault.azure.net/");
    EXPECT_EQ(match_resource(known, "HTTPS://Attest.azure.net"), "https://attest.azure.net");
    for (const char* bad : {"", "/", "https://vault.azure.net//", "https://vault.azure.net/x",
                            "https://myvault.vault.azure.net", "vault.azure.net"}) {
        EXPECT_EQ(match_resource(known, bad), std::nullopt) << bad;
    }
}

TEST(Guid, HasItsDashesAndDigits) {
    EXPECT_TRUE(is_guid("11111111-1111-4111-8111-11111111111F"));
    for (const char* bad :
         {"", "11111111-1111-4111-8111-11111111111", "11111111111141118111",
          "11111111-1111-4111-8111-11111111111g", "11111111-1111-4111-8111111111111111-"}) {
        EXPECT_FALSE(is_guid(bad)) << bad;
    }
}

TEST(OAuthErrors, HaveEveryMemberThatClientsRead) {
    net::Request request;
    request.params["request_id"] = "22222222-2222-4222-8222-222222222222";
    request.headers.set("client-request-id", "33333333-3333-4333-8333-333333333333");
    net::Response response =
        oauth_error_response({401, "invalid_client", 7000215, "Invalid client secret provided."},
                             request, MUST(parse_rfc3339("2026-07-01T12:00:00Z")));
    EXPECT_EQ(response.status, 401);
    Json body = MUST(parse_json_object(response.body));
    EXPECT_EQ(body["error"], "invalid_client");
    EXPECT_EQ(body["error_description"], "AADSTS7000215: Invalid client secret provided.");
    EXPECT_EQ(body["error_codes"], Json::array({7000215}));
    EXPECT_EQ(body["timestamp"], "2026-07-01 12:00:00Z");
    EXPECT_EQ(body["trace_id"], "22222222-2222-4222-8222-222222222222");
    EXPECT_EQ(body["correlation_id"], "33333333-3333-4333-8333-333333333333");
    EXPECT_TRUE(body["error_uri"].is_string());
}

}  // namespace
}  // namespace vouchsafe::identity
