#include "vouchsafe/net/message.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::net {
namespace {

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
    Headers headers;
    headers.add("Accept", "a");
    headers.add("X-Other", "b");
    headers.add("aCCEPT", "c");
    EXPECT_EQ(headers.get("ACCEPT"), "a");
    EXPECT_EQ(headers.count("accept"), 2U);
    EXPECT_EQ(headers.find("Accep"), nullptr);
    EXPECT_EQ(headers.get("none"), "");
    headers.set("accept", "d");
    EXPECT_EQ(headers.count("Accept"), 1U);
    EXPECT_EQ(headers.all().back().second, "d");
}

TEST(Request, FindsQueryParametersWithoutCase) {
    Request request;
    request.query = {{"api-version", "1"}, {"API-Version", "2"}};
    EXPECT_EQ(*request.query_value("Api-Version"), "1");
    EXPECT_EQ(request.query_count("api-version"), 2U);
    EXPECT_EQ(request.query_value("version"), nullptr);
}

TEST(Response, CarriesAzuresErrorEnvelope) {
    Response response = error_response(403, "Forbidden", "no \"way\"", "Inner");
    EXPECT_EQ(response.status, 403);
    EXPECT_EQ(response.headers.get("content-type"), "application/json; charset=utf-8");
    Json body = MUST(parse_json(response.body));
    EXPECT_EQ(body["error"]["code"], "Forbidden");
    EXPECT_EQ(body["error"]["message"], "no \"way\"");
    EXPECT_EQ(body["error"]["innererror"]["code"], "Inner");
    EXPECT_FALSE(
        MUST(parse_json(error_response(400, "a", "b").body))["error"].contains("innererror"));
}

TEST(Response, OfTextHasItsContentType) {
    EXPECT_EQ(text_response(200, "x").headers.get("Content-Type"), "text/plain");
    EXPECT_EQ(text_response(200, "x", "text/csv").headers.get("Content-Type"), "text/csv");
}

}  // namespace
}  // namespace vouchsafe::net
