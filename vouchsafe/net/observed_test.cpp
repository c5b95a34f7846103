#include "vouchsafe/net/observed.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/net/pending.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::net {
namespace {

Request observed_request(std::string method, std::vector<std::string> path) {
    Request request;
    request.method = std::move(method);
    request.path = std::move(path);
    request.query = {{"api-version", "query-secret"}};
    request.headers.set("Authorization", "Bearer header-secret");
    request.body = "body-secret";
    return request;
}

// ObservedKeys is a service with one route, whose answers have the status in the key's name.
struct ObservedKeys {
    Metrics metrics;
    Router router;
    Handler handler;

    ObservedKeys() {
        router.add("GET", "/keys/{name}", [](const Request& request) {
            const std::string& name = request.params.at("name");
            Response response = text_response(std::stoi(name), "body-secret");
            if (response.status == 403) response.headers.set("x-vouchsafe-check", "CALLER-ROLE");
            return response;
        });
        handler =
            observed([this](const Request& request) { return router.handle(request); },
                     [this](const Request& request) { return router.route_of(request); }, metrics);
    }
    bool shows(std::string_view line) const {
        return metrics.text().find(fmt::format("\n{}\n", line)) != std::string::npos;
    }
};

TEST(Observed, CountsByMethodRouteAndStatusClass) {
    ObservedKeys keys;
    for (const char* name : {"200", "201", "403", "503"}) {
        keys.handler(observed_request("GET", {"keys", name}));
    }
    keys.handler(observed_request("PUT", {"keys", "200"}));
    keys.handler(observed_request("SPY", {"some", "where"}));
    for (const char* line :
         {R"(vouchsafe_http_requests_total{method="GET",route="/keys/{name}",status="2xx"} 2)",
          R"(vouchsafe_http_requests_total{method="GET",route="/keys/{name}",status="4xx"} 1)",
          R"(vouchsafe_http_requests_total{method="GET",route="/keys/{name}",status="5xx"} 1)",
          R"(vouchsafe_http_requests_total{method="PUT",route="/keys/{name}",status="4xx"} 1)",
          R"(vouchsafe_http_requests_total{method="other",route="none",status="4xx"} 1)",
          R"(vouchsafe_http_request_duration_seconds_count{route="/keys/{name}"} 5)",
          R"(vouchsafe_http_requests_in_flight 0)"}) {
        EXPECT_TRUE(keys.shows(line)) << line << "\n" << keys.metrics.text();
    }
}

TEST(Observed, TellsHowManyRequestsAreOnTheirWay) {
    Metrics metrics;
    std::string inside;
    Handler handler = observed(
        [&](const Request&) {
            inside = metrics.text();
            return text_response(200, "");
        },
        [](const Request&) { return "/"; }, metrics);
    handler(observed_request("GET", {}));
    EXPECT_NE(inside.find("vouchsafe_http_requests_in_flight 1\n"), std::string::npos);
    EXPECT_NE(metrics.text().find("vouchsafe_http_requests_in_flight 0\n"), std::string::npos);
}

TEST(Observed, CountsAHandlerThatThrows) {
    Metrics metrics;
    Handler handler =
        observed([](const Request&) -> Response { throw std::runtime_error("broken"); },
                 [](const Request&) { return "/"; }, metrics);
    EXPECT_THROW(handler(observed_request("GET", {})), std::runtime_error);
    std::string text = metrics.text();
    EXPECT_NE(text.find(R"({method="GET",route="/",status="5xx"} 1)"), std::string::npos);
    EXPECT_NE(text.find("vouchsafe_http_requests_in_flight 0\n"), std::string::npos);
}

TEST(Observed, LogsOneLineWithoutNamesQueriesBodiesOrCredentials) {
    ObservedKeys keys;
    set_log(LogLevel::info, LogFormat::json);
    testing::internal::CaptureStderr();
    Request request = observed_request("GET", {"keys", "403"});
    request.headers.set("x-ms-client-request-id", "mine");
    Response response = keys.handler(request);
    set_log(LogLevel::warn, LogFormat::text);
    std::string line = testing::internal::GetCapturedStderr();
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    Json json = MUST(parse_json(line));
    EXPECT_EQ(json["message"], "request");
    EXPECT_EQ(json["request_id"], response.headers.get("x-ms-request-id"));
    EXPECT_EQ(json["client_request_id"], "mine");
    EXPECT_EQ(json["method"], "GET");
    EXPECT_EQ(json["route"], "/keys/{name}");
    EXPECT_EQ(json["status"], 403);
    EXPECT_TRUE(json["milliseconds"].is_number_integer());
    EXPECT_EQ(json["check"], "CALLER-ROLE");
    EXPECT_EQ(line.find("secret"), std::string::npos) << line;
    EXPECT_EQ(keys.metrics.text().find("secret"), std::string::npos);
}

TEST(Observed, LogsNothingAtTheDefaultLevel) {
    ObservedKeys keys;
    testing::internal::CaptureStderr();
    keys.handler(observed_request("GET", {"keys", "200"}));
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

// A pending answer is counted when it is there, under its own status, and has its ids.
TEST(Observed, CountsAnswersThatComeLater) {
    Metrics metrics;
    Router router;
    router.add("GET", "/keys/{name}", [](const Request& request) {
        Response response;
        response.pending = std::make_shared<Pending>(
            request, [](Pending::Ready ready) { ready(); },
            [&request]() -> std::optional<Response> {
                if (request.params.at("name") == "throws") throw std::runtime_error("secret");
                return text_response(403, "no");
            },
            []() -> Response { throw std::runtime_error("not called"); });
        return response;
    });
    const Handler handler =
        observed([&](const Request& request) { return router.handle(request); },
                 [&](const Request& request) { return router.route_of(request); }, metrics);
    const auto shows = [&](std::string_view line) {
        return metrics.text().find(fmt::format("\n{}\n", line)) != std::string::npos;
    };
    const Request request = observed_request("GET", {"keys", "k"});
    const Response first = handler(request);
    EXPECT_TRUE(shows("vouchsafe_http_requests_in_flight 1"));
    const auto done = first.pending->finish();
    ASSERT_TRUE(done);
    EXPECT_EQ(done->status, 403);
    EXPECT_FALSE(done->headers.get("x-ms-request-id").empty());
    EXPECT_TRUE(shows("vouchsafe_http_requests_in_flight 0"));
    EXPECT_TRUE(shows(
        R"(vouchsafe_http_requests_total{method="GET",route="/keys/{name}",status="4xx"} 1)"));
    const Request bad = observed_request("GET", {"keys", "throws"});
    const auto thrown = handler(bad).pending->finish();
    ASSERT_TRUE(thrown);
    EXPECT_EQ(thrown->status, 500);
    EXPECT_EQ(thrown->body.find("secret"), std::string::npos);
    EXPECT_FALSE(thrown->headers.get("x-ms-request-id").empty());
    EXPECT_TRUE(shows(
        R"(vouchsafe_http_requests_total{method="GET",route="/keys/{name}",status="5xx"} 1)"));
}

}  // namespace
}  // namespace vouchsafe::net
