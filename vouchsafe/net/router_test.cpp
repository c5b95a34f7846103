#include "vouchsafe/net/router.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "vouchsafe/base/json.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::net {
namespace {

Request make_request(std::string method, std::string_view target) {
    Target parsed = MUST(parse_target(target));
    Request request;
    request.method = std::move(method);
    request.target = target;
    request.path = std::move(parsed.path);
    request.query = std::move(parsed.query);
    return request;
}

// The handler answers with the row's name and the parameters "name" and "version".
Router make_router() {
    Router router;
    for (auto [method, pattern] : {std::pair{"GET", "/keys"},
                                   {"POST", "/keys/{name}/create"},
                                   {"GET", "/keys/{name}/{version}"},
                                   {"GET", "/keys/{name}"},
                                   {"DELETE", "/keys/{name}"},
                                   {"POST", "/keys/{name}/release"},
                                   {"POST", "/keys/{name}/{version}/release"},
                                   {"GET", "/keys/{name}/versions"},
                                   {"GET", "/keys/default/{version}"},
                                   {"POST", "/policies/SevSnpVm:reset"}}) {
        std::string row = fmt::format("{} {}", method, pattern);
        router.add(method, pattern, [row](const Request& request) {
            auto parameter = [&](const char* name) {
                auto found = request.params.find(name);
                return found == request.params.end() ? std::string() : "|" + found->second;
            };
            return text_response(200, row + parameter("name") + parameter("version"));
        });
    }
    return router;
}

TEST(Router, FindsTheRow) {
    Router router = make_router();
    struct Case {
        const char* method;
        const char* target;
        const char* body;
    };
    for (const Case& item : {
             Case{"GET", "/keys", "GET /keys"},
             {"GET", "//keys//?api-version=7.4", "GET /keys"},
             {"GET", "/KEYS/MyKey", "GET /keys/{name}|MyKey"},
             {"GET", "/keys/a/", "GET /keys/{name}|a"},
             {"DELETE", "/keys/a", "DELETE /keys/{name}|a"},
             {"POST", "/keys/a/CREATE", "POST /keys/{name}/create|a"},
             {"POST", "/keys/a//release", "POST /keys/{name}/release|a"},
             {"POST", "/keys/a/b/release", "POST /keys/{name}/{version}/release|a|b"},
             {"GET", "/keys/a/b", "GET /keys/{name}/{version}|a|b"},
             {"GET", "/keys/a/versions", "GET /keys/{name}/versions|a"},
             {"GET", "/keys/default/versions", "GET /keys/default/{version}|versions"},
             {"GET", "/keys/a/create", "GET /keys/{name}/{version}|a|create"},
             {"GET", "/keys/a%2Fb", "GET /keys/{name}|a/b"},
             {"GET", "/keys/..", "GET /keys/{name}|.."},
             {"POST", "/policies/sevsnpvm%3Areset", "POST /policies/SevSnpVm:reset"},
             {"POST", "/policies/SevSnpVm:reset", "POST /policies/SevSnpVm:reset"},
         }) {
        Response response = router.handle(make_request(item.method, item.target));
        EXPECT_EQ(response.status, 200) << item.target;
        EXPECT_EQ(response.body, item.body) << item.target;
    }
}

TEST(Router, GivesTheRestToWhoTakesIt) {
    Router router = make_router();
    for (const char* method : {"GET", "PUT"}) {
        router.add(method, "/keys/{id*}", [method](const Request& request) {
            return text_response(200, fmt::format("{} rest of {} {}", method, request.path.size(),
                                                  request.params.count("id*")));
        });
    }
    auto body = [&](const char* method, const char* target) {
        return router.handle(make_request(method, target)).body;
    };
    EXPECT_EQ(body("GET", "/keys/a/b/c"), "GET rest of 4 0");
    EXPECT_EQ(body("PUT", "/keys"), "PUT rest of 1 0");
    EXPECT_EQ(body("PUT", "/keys/a"), "PUT rest of 2 0");
    // Whoever names more segments goes first, if the method fits.
    EXPECT_EQ(body("GET", "/keys"), "GET /keys");
    EXPECT_EQ(body("GET", "/keys/a/b"), "GET /keys/{name}/{version}|a|b");
    EXPECT_EQ(router.handle(make_request("GET", "/other/a")).status, 404);
    EXPECT_EQ(router.handle(make_request("PATCH", "/keys/a")).status, 405);
    EXPECT_EQ(router.route_of(make_request("PUT", "/keys/a")), "/keys/{id*}");
    EXPECT_EQ(router.route_of(make_request("GET", "/keys/a")), "/keys/{name}");
}

TEST(Router, AnswersUnknownPathsWith404) {
    for (const char* target : {"/", "/key", "/keys/a/b/c", "/keys/a/b/release/x"}) {
        Response response = make_router().handle(make_request("GET", target));
        EXPECT_EQ(response.status, 404) << target;
        EXPECT_EQ(MUST(parse_json(response.body))["error"]["code"], "NotFound");
        EXPECT_NE(response.headers.find("x-ms-request-id"), nullptr);
    }
}

TEST(Router, AnswersOtherMethodsWith405AndAllow) {
    Response response = make_router().handle(make_request("PATCH", "/keys/a"));
    EXPECT_EQ(response.status, 405);
    EXPECT_EQ(response.headers.get("Allow"), "DELETE, GET");
    EXPECT_EQ(make_router().handle(make_request("HEAD", "/keys")).status, 405);
    EXPECT_EQ(make_router().handle(make_request("get", "/keys")).status, 405);
}

TEST(Router, GivesEveryRequestAFreshId) {
    Router router;
    router.add("GET", "/", [](const Request& request) {
        return text_response(200, request.params.at("request_id"));
    });
    Request request = make_request("GET", "/");
    request.params["request_id"] = "forged";
    request.headers.add("x-ms-request-id", "forged");
    Response first = router.handle(request);
    Response second = router.handle(request);
    EXPECT_EQ(first.body.size(), 36U);
    EXPECT_EQ(first.headers.get("x-ms-request-id"), first.body);
    EXPECT_NE(first.body, second.body);
}

TEST(Router, KeepsTheIdAHandlerChose) {
    Router router;
    router.add("GET", "/", [](const Request&) {
        Response response;
        response.headers.set("X-MS-Request-Id", "chosen");
        return response;
    });
    Response response = router.handle(make_request("GET", "/"));
    EXPECT_EQ(response.headers.get("x-ms-request-id"), "chosen");
    EXPECT_EQ(response.headers.count("x-ms-request-id"), 1U);
}

TEST(Router, EchoesTheClientsIdCleaned) {
    auto echo = [](std::string id) {
        Request request = make_request("GET", "/none");
        request.headers.add("x-ms-client-request-id", std::move(id));
        Response response = make_router().handle(request);
        const std::string* echoed = response.headers.find("x-ms-client-request-id");
        return echoed == nullptr ? "(none)" : *echoed;
    };
    EXPECT_EQ(echo("9b2c-1"), "9b2c-1");
    EXPECT_EQ(echo("a b\tc\xc3\xa4"
                   "d\x7f"),
              "abcd");
    EXPECT_EQ(echo(std::string(128, 'x')), std::string(128, 'x'));
    EXPECT_EQ(echo(std::string(129, 'x')), std::string(128, 'x'));
    EXPECT_EQ(echo(" \t"), "(none)");
    EXPECT_EQ(
        make_router().handle(make_request("GET", "/x")).headers.find("x-ms-client-request-id"),
        nullptr);
}

TEST(Router, TurnsExceptionsInto500WithoutTheirText) {
    Router router;
    router.add("GET", "/std",
               [](const Request&) -> Response { throw std::runtime_error("the secret is 42"); });
    router.add("GET", "/other", [](const Request&) -> Response { throw 42; });
    for (const char* target : {"/std", "/other"}) {
        Response response = router.handle(make_request("GET", target));
        EXPECT_EQ(response.status, 500);
        EXPECT_EQ(response.body.find("42"), std::string::npos);
        EXPECT_EQ(response.headers.get("x-ms-request-id").size(), 36U);
        EXPECT_EQ(MUST(parse_json(response.body))["error"]["code"], "InternalServerError");
    }
}

TEST(Router, TellsThePatternOfARequestWithoutNames) {
    Router router = make_router();
    for (auto [method, target, pattern] : {std::tuple{"GET", "/keys", "/keys"},
                                           {"GET", "//KEYS/secret-name/", "/keys/{name}"},
                                           {"GET", "/keys/a/versions", "/keys/{name}/versions"},
                                           {"GET", "/keys/default/b", "/keys/default/{version}"},
                                           {"POST", "/keys/a/create", "/keys/{name}/create"},
                                           {"PUT", "/keys/a", "/keys/{name}"},  // 405
                                           {"PUT", "/keys/default/b", "/keys/default/{version}"},
                                           {"GET", "/elsewhere", ""},
                                           {"GET", "/keys/a/b/c", ""}}) {
        EXPECT_EQ(router.route_of(make_request(method, target)), pattern) << target;
    }
}

}  // namespace
}  // namespace vouchsafe::net
