#include "vouchsafe/net/wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouchsafe::net {
namespace {

using Progress = RequestParser::Progress;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

// Outcome of a whole input: the status of the refusal, 0 for a request, -1 for "wants more".
int outcome(std::string input, const WireLimits& limits = {}) {
    RequestParser parser(limits);
    Progress progress = parser.feed(input);
    if (progress == Progress::wants_continue) progress = parser.feed(input);
    if (progress == Progress::refused) return parser.refusal().status;
    return progress == Progress::done ? 0 : -1;
}

constexpr std::string_view kPost =
    "POST /keys/k//sign?api%2Dversion=7.4 HTTP/1.1\r\n"
    "Host: v.vault.azure.net:8443\r\n"
    "Content-Type: application/json\r\n"
    "content-length: 4\r\n"
    "\r\n"
    "{ 1}";

TEST(RequestParser, FillsTheRequest) {
    RequestParser parser({});
    std::string input = std::string(kPost) + "GET /next";
    ASSERT_EQ(parser.feed(input), Progress::done);
    EXPECT_EQ(input, "GET /next");
    EXPECT_TRUE(parser.keep_alive());
    EXPECT_FALSE(parser.http_1_0());
    Request request = parser.take();
    EXPECT_EQ(request.method, "POST");
    EXPECT_EQ(request.target, "/keys/k//sign?api%2Dversion=7.4");
    EXPECT_THAT(request.path, ElementsAre("keys", "k", "sign"));
    EXPECT_EQ(*request.query_value("api-version"), "7.4");
    EXPECT_EQ(request.host, "v.vault.azure.net:8443");
    EXPECT_EQ(request.headers.get("content-type"), "application/json");
    EXPECT_EQ(request.body, "{ 1}");
}

TEST(RequestParser, DoesNotCareHowTheBytesArrive) {
    const std::string chunked =
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3;x=\"y\"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\n";
    const std::string empty =
        "PUT /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    for (const auto& [whole, body] :
         {std::pair{std::string(kPost), "{ 1}"}, {chunked, "abc0123456789"}, {empty, ""}}) {
        RequestParser parser({});
        std::string input;
        for (size_t i = 0; i < whole.size(); ++i) {
            input += whole[i];
            Progress progress = parser.feed(input);
            ASSERT_EQ(progress, i + 1 == whole.size() ? Progress::done : Progress::more) << i;
        }
        Request request = parser.take();
        EXPECT_EQ(request.body, body);
        EXPECT_EQ(request.headers.find("Trailer"), nullptr);
    }
}

TEST(RequestParser, NeedsNoBodyForAnyMethod) {
    EXPECT_EQ(outcome("PUT /keys/k HTTP/1.1\r\nHost: h\r\n\r\n"), 0);
    EXPECT_EQ(outcome("POST /keys/k HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"), 0);
    EXPECT_EQ(outcome("PATCH /k HTTP/1.1\r\nHost:\r\n\r\n"), 0);
}

TEST(RequestParser, DropsTheDotThatEndsAFullName) {
    auto host_of = [](const std::string& header) {
        RequestParser parser({});
        std::string input = "GET /x HTTP/1.1\r\nHost: " + header + "\r\n\r\n";
        EXPECT_EQ(parser.feed(input), Progress::done);
        return parser.take().host;
    };
    EXPECT_EQ(host_of("v.vault.azure.net."), "v.vault.azure.net");
    EXPECT_EQ(host_of("v.vault.azure.net.:443"), "v.vault.azure.net:443");
    EXPECT_EQ(host_of("[::1]:443"), "[::1]:443");
    for (const char* host : {".", "h..", ".:443", "h.:", "h..:443"}) {
        EXPECT_EQ(outcome(fmt::format("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host)), 400) << host;
    }
}

TEST(RequestParser, LetsTheAbsoluteFormDecideTheHost) {
    RequestParser parser({});
    std::string input = "GET http://one/x HTTP/1.1\r\nHost: two\r\n\r\n";
    ASSERT_EQ(parser.feed(input), Progress::done);
    EXPECT_EQ(parser.take().host, "one");
}

TEST(RequestParser, KnowsWhenTheConnectionEnds) {
    auto keep_alive = [](std::string input) {
        RequestParser parser({});
        EXPECT_EQ(parser.feed(input), Progress::done);
        return parser.keep_alive();
    };
    EXPECT_TRUE(keep_alive("GET / HTTP/1.1\r\nHost: h\r\n\r\n"));
    EXPECT_FALSE(keep_alive("GET / HTTP/1.1\r\nHost: h\r\nConnection: Close\r\n\r\n"));
    EXPECT_FALSE(keep_alive("GET / HTTP/1.0\r\n\r\n"));
    EXPECT_TRUE(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
}

TEST(RequestParser, AsksForTheBodyOnlyIfItIsAwaited) {
    const std::string head =
        "PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
    RequestParser waiting({});
    std::string input = head;
    EXPECT_EQ(waiting.feed(input), Progress::wants_continue);
    input = "a";
    EXPECT_EQ(waiting.feed(input), Progress::more);
    input = "b";
    EXPECT_EQ(waiting.feed(input), Progress::done);

    RequestParser hasty({});
    input = head + "ab";
    EXPECT_EQ(hasty.feed(input), Progress::done);

    EXPECT_EQ(outcome("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n"), 0);
    EXPECT_EQ(outcome("PUT / HTTP/1.1\r\nHost: h\r\nExpect: a-miracle\r\n\r\n"), 417);
    EXPECT_EQ(outcome("PUT / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n"
                      "Content-Length: 3\r\n\r\n",
                      {.max_body = 2}),
              413);
}

TEST(RequestParser, TakesConnectWhereItIsWanted) {
    const WireLimits proxy{.connect = true};
    RequestParser parser(proxy);
    std::string input = "CONNECT A.example.org:0443 HTTP/1.1\r\nHost: h\r\n\r\n";
    EXPECT_EQ(parser.feed(input), Progress::refused);
    RequestParser good(proxy);
    input = "CONNECT A.example.org:443 HTTP/1.0\r\n\r\nrest";
    ASSERT_EQ(good.feed(input), Progress::done);
    EXPECT_TRUE(good.is_connect());
    EXPECT_EQ(input, "rest");
    EXPECT_EQ(good.take().host, "a.example.org:443");
    EXPECT_EQ(outcome("CONNECT a:443 HTTP/1.1\r\nHost: h\r\n\r\n", proxy), 0);
    EXPECT_EQ(outcome("CONNECT a HTTP/1.1\r\nHost: h\r\n\r\n", proxy), 400);
    EXPECT_EQ(outcome("CONNECT /a:443 HTTP/1.1\r\nHost: h\r\n\r\n", proxy), 400);
    EXPECT_EQ(outcome("CONNECT a:443 HTTP/1.1\r\nHost: h\r\n\r\n"), 400);
    RequestParser other(proxy);
    input = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    ASSERT_EQ(other.feed(input), Progress::done);
    EXPECT_FALSE(other.is_connect());
}

TEST(RequestParser, RefusesWhatCouldBeReadInTwoWays) {
    const std::string start = "POST / HTTP/1.1\r\nHost: h\r\n";
    struct Case {
        int status;
        std::string text;
    };
    for (const Case& item : std::vector<Case>{
             {400, start + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
             {400, start + "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"},
             {400, start + "Transfer-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"},
             {400,
              start + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
             {400,
              start + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
             {501, start + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
             {501, start + "Transfer-Encoding: identity\r\n\r\n"},
             {501, start + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
             {400, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
             {400, start + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab"},
             {400, start + "Content-Length: 1, 2\r\n\r\nab"},
             {400, start + "Content-Length: -1\r\n\r\n"},
             {400, start + "Content-Length: +1\r\n\r\na"},
             {400, start + "Content-Length: 1a\r\n\r\na"},
             {400, start + "Content-Length: 99999999999999999999\r\n\r\n"},
             {400, start + "Content-Length :1\r\n\r\na"},
             {400, start + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
             {400, start + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n"},
             {400, start + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n"},
             {400, start + "Transfer-Encoding: chunked\r\n\r\n1\nab\r\n0\r\n\r\n"},
             {400, start + "Host: h\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"},
             {400, "GET / HTTP/1.1\nHost: h\n\n"},
             {400, "GET  / HTTP/1.1\r\nHost: h\r\n\r\n"},
             {400, "GET / HTTP/1.1 \r\nHost: h\r\n\r\n"},
             {400, "GET / HTTP/2.0\r\nHost: h\r\n\r\n"},
             {400, "GET / HTTP/0.9\r\n\r\n"},
             {400, "GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n"},
             {400, "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n"},
             {400, "CONNECT h:443 HTTP/1.1\r\nHost: h\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\rc\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\nHost: h\r\nA: b\0c\r\n\r\n"s},
             {400, "GET / HTTP/1.1\r\nHost: h\r\nA b\r\n\r\n"},
             {400, "GET / HTTP/1.1\r\nHost: h\r\n: b\r\n\r\n"},
             {400, "\x16\x03\x01\x02\x00\x01\x00"s},
             {501, "get / HTTP/1.1\r\nHost: h\r\n\r\n"}}) {
        EXPECT_EQ(outcome(item.text), item.status) << item.text;
    }
    EXPECT_EQ(outcome(start + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na"), 0);
    EXPECT_EQ(outcome(start + "Transfer-Encoding: Chunked\r\n\r\n0\r\n\r\n"), 0);
}

TEST(RequestParser, KeepsTheBodyLimitToTheByte) {
    const WireLimits limits{.max_body = 10};
    auto sized = [&](size_t size) {
        return outcome("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: " + std::to_string(size) +
                           "\r\n\r\n" + std::string(size, 'x'),
                       limits);
    };
    EXPECT_EQ(sized(10), 0);
    EXPECT_EQ(sized(11), 413);
    const std::string chunked =
        "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n";
    EXPECT_EQ(outcome(chunked + "5\r\n12345\r\n0\r\n\r\n", limits), 0);
    EXPECT_EQ(outcome(chunked + "6\r\n123456\r\n0\r\n\r\n", limits), 413);
    EXPECT_EQ(outcome(chunked + "FFFFFFFFFFFFFFFF\r\n", limits), 413);
}

TEST(RequestParser, KeepsTheHeaderLimitToTheByte) {
    const std::string start = "GET / HTTP/1.1\r\nHost: h\r\nX: ";
    const std::string end = "\r\n\r\n";
    const WireLimits limits{.max_header = 200};
    size_t room = 200 - start.size() - end.size();
    EXPECT_EQ(outcome(start + std::string(room, 'x') + end, limits), 0);
    EXPECT_EQ(outcome(start + std::string(room + 1, 'x') + end, limits), 431);
    EXPECT_EQ(outcome(std::string(200, 'G'), limits), -1);
    EXPECT_EQ(outcome(std::string(201, 'G'), limits), 431);
    EXPECT_EQ(outcome("GET /" + std::string(200, 'a') + " HTTP/1.1\r\n", limits), 431);
}

TEST(RequestParser, BoundsChunkExtensionsAndTrailers) {
    const std::string start = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n";
    const WireLimits limits{.max_header = 200};
    EXPECT_EQ(outcome(start + "1;" + std::string(300, 'x'), limits), 431);
    EXPECT_EQ(outcome(start + "0\r\nT: " + std::string(300, 'x'), limits), 431);
}

TEST(EncodeResponse, WritesLengthAndConnection) {
    Response response = text_response(200, "hello");
    response.headers.set("Content-Length", "999");
    response.headers.set("Transfer-Encoding", "chunked");
    EXPECT_EQ(MUST(encode_response(response, {})),
              "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello");
    EXPECT_THAT(MUST(encode_response(response, {.keep_alive = false})),
                HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_THAT(MUST(encode_response(response, {.http_1_0 = true})),
                HasSubstr("\r\nConnection: keep-alive\r\n"));
}

TEST(EncodeResponse, LeavesTheBodyOutForHeadAndNoContent) {
    EXPECT_EQ(MUST(encode_response({200, {}, "hello"}, {.head = true})),
              "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    EXPECT_EQ(MUST(encode_response({204, {}, "hello"}, {})), "HTTP/1.1 204 No Content\r\n\r\n");
}

TEST(EncodeResponse, RefusesHeadersThatWouldSplitTheAnswer) {
    for (auto [name, value] : {std::pair{"X", "a\r\nSet-Cookie: b"},
                               {"X", "a\nb"},
                               {"X\r\nY", "a"},
                               {"", "a"},
                               {"X Y", "a"},
                               {"X:", "a"}}) {
        Response response;
        response.headers.add(name, value);
        EXPECT_FALSE(encode_response(response, {}).has_value()) << name << value;
    }
    EXPECT_FALSE(encode_response({100, {}, ""}, {}).has_value());
    EXPECT_FALSE(encode_response({600, {}, ""}, {}).has_value());
}

}  // namespace
}  // namespace vouchsafe::net
