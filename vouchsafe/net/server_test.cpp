#include "vouchsafe/net/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/net/test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::RawClient;
using test::start;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kGet = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";
constexpr std::string_view kGetLast = "GET /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

// echo answers with what it understood.
Response echo(const Request& request) {
    std::string text = request.method + " " + request.target + " " + request.body;
    if (request.target == "/where") text = request.remote + (request.tls ? " tls" : " plain");
    return text_response(200, std::move(text));
}

std::string post(size_t size) {
    return fmt::format(
               "POST /p HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
               size) +
           std::string(size, 'x');
}

TEST(Server, AnswersOverOneConnectionAgainAndAgain) {
    auto server = start(echo);
    RawClient client(server->port());
    for (int i = 0; i < 3; ++i) {
        ASSERT_TRUE(client.send("PUT /a?b=c HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi"));
        EXPECT_THAT(client.read_until("PUT /a?b=c hi"), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
    ASSERT_TRUE(client.send("GET /where HTTP/1.1\r\nHost: h\r\n\r\n"));
    client.read_until("\r\n\r\n");
    EXPECT_EQ(client.read_until(" plain"), "127.0.0.1 plain");
}

TEST(Server, AnswersPipelinedRequestsInOrderAndStopsAtGarbage) {
    auto server = start(echo);
    RawClient client(server->port());
    ASSERT_TRUE(
        client.send(std::string(kGet) + "GET /b HTTP/1.1\r\nHost: h\r\n\r\n\x01garbage\r\n\r\n"));
    std::string all = client.read_all();
    size_t first = all.find("GET /a ");
    size_t second = all.find("GET /b ");
    size_t third = all.find("HTTP/1.1 400 ");
    ASSERT_NE(third, std::string::npos);
    EXPECT_LT(first, second);
    EXPECT_LT(second, third);
    EXPECT_THAT(all.substr(third), HasSubstr("Connection: close"));
}

TEST(Server, ClosesWhenTheClientWantsItOrSpeaksHttp10) {
    auto server = start(echo);
    for (std::string_view request : {kGetLast, std::string_view("GET /a HTTP/1.0\r\n\r\n")}) {
        RawClient client(server->port());
        ASSERT_TRUE(client.send(request));
        EXPECT_THAT(client.read_all(), HasSubstr("Connection: close\r\n"));
    }
    RawClient old(server->port());
    for (int i = 0; i < 2; ++i) {
        ASSERT_TRUE(old.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
        EXPECT_THAT(old.read_until("GET /a "), HasSubstr("Connection: keep-alive\r\n"));
    }
}

TEST(Server, LeavesTheBodyOutForHead) {
    auto server = start(echo);
    RawClient client(server->port());
    ASSERT_TRUE(client.send("HEAD /a HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"));
    std::string all = client.read_all();
    EXPECT_THAT(all, HasSubstr("Content-Length: 8\r\n"));
    EXPECT_TRUE(all.ends_with("\r\n\r\n"));
}

TEST(Server, AsksForAnAwaitedBody) {
    auto server = start(echo);
    RawClient client(server->port());
    ASSERT_TRUE(client.send(
        "PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"));
    EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
    ASSERT_TRUE(client.send("hi"));
    EXPECT_THAT(client.read_until("PUT /a hi"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(Server, KeepsTheBodyLimit) {
    auto server = start(echo, {.max_body = 1000});
    RawClient fits(server->port());
    ASSERT_TRUE(fits.send(post(1000)));
    EXPECT_THAT(fits.read_all(), StartsWith("HTTP/1.1 200 "));
    RawClient exceeds(server->port());
    ASSERT_TRUE(exceeds.send(post(1001)));
    EXPECT_THAT(exceeds.read_all(), StartsWith("HTTP/1.1 413 "));
}

TEST(Server, LetsTheClientReadARefusalOfALongBody) {
    auto server = start(echo, {.max_body = 1000});
    RawClient client(server->port());
    ASSERT_TRUE(client.send(post(4 << 20)));
    EXPECT_THAT(client.read_all(), StartsWith("HTTP/1.1 413 "));
}

TEST(Server, KeepsTheHeaderLimit) {
    auto server = start(echo, {.max_header = 1000});
    const std::string_view end = "\r\n\r\n";
    std::string head(kGetLast.substr(0, kGetLast.size() - 4));
    head += "\r\nX: ";
    std::string fitting(1000 - head.size() - end.size(), 'x');
    RawClient fits(server->port());
    ASSERT_TRUE(fits.send(head + fitting + std::string(end)));
    EXPECT_THAT(fits.read_all(), StartsWith("HTTP/1.1 200 "));
    RawClient exceeds(server->port());
    ASSERT_TRUE(exceeds.send(head + fitting + "x" + std::string(end)));
    EXPECT_THAT(exceeds.read_all(), StartsWith("HTTP/1.1 431 "));
}

// header_of returns the value of a header in a whole answer, "" without it.
std::string header_of(const std::string& answer, const std::string& name) {
    size_t at = answer.find("\r\n" + name + ": ");
    if (at == std::string::npos) return "";
    at += name.size() + 4;
    return answer.substr(at, answer.find("\r\n", at) - at);
}

TEST(Server, GivesRefusalsOfWhatItDoesNotReadAnIdToo) {
    auto server = start(echo, {.max_body = 1000, .max_header = 1000});
    auto answer = [&](const std::string& text) {
        RawClient client(server->port());
        EXPECT_TRUE(client.send(text));
        return client.read_all();
    };
    const std::string id = "x-ms-client-request-id: mine\r\n";
    const std::string host = "POST /p HTTP/1.1\r\nHost: h\r\n" + id;
    std::string last;
    for (const auto& [status, text] :
         {std::pair<std::string, std::string>{"413", host + "Content-Length: 1001\r\n\r\n"},
          {"413", host + "Transfer-Encoding: chunked\r\n\r\n3e9\r\n"},
          {"431", host + "X: " + std::string(1000, 'x') + "\r\n\r\n"},
          {"400", "POST /p HTTP/1.1\r\n" + id + "\r\n"},
          {"417", host + "Expect: miracles\r\n\r\n"},
          {"501", host + "Transfer-Encoding: gzip\r\n\r\n"}}) {
        std::string all = answer(text);
        EXPECT_THAT(all, StartsWith("HTTP/1.1 " + status + " "));
        std::string request_id = header_of(all, "x-ms-request-id");
        EXPECT_EQ(request_id.size(), 36U) << all;
        EXPECT_NE(request_id, last);
        EXPECT_EQ(header_of(all, "x-ms-client-request-id"), "mine") << all;
        EXPECT_EQ(header_of(all, "x-vouchsafe-check"), "HTTP-REQUEST");
        Json error = MUST(parse_json(all.substr(all.find("\r\n\r\n") + 4)))["error"];
        EXPECT_EQ(error["innererror"]["code"], "HTTP-REQUEST");
        EXPECT_EQ(error["code"], header_of(all, "x-ms-error-code"));
        last = std::move(request_id);
    }
    // Without an id of the client's, or with one that cannot be written, there is none to echo.
    EXPECT_EQ(header_of(answer("no HTTP\r\n\r\n"), "x-ms-client-request-id"), "");
    EXPECT_EQ(header_of(answer("no HTTP\r\n\r\n"), "x-ms-request-id").size(), 36U);
    EXPECT_EQ(header_of(answer("POST /p HTTP/1.1\r\nx-ms-client-request-id: \xff\r\n\r\n"),
                        "x-ms-client-request-id"),
              "");
}

TEST(Server, LogsWhatItDoesNotReadByItsIds) {
    auto server = start(echo, {.name = "ours", .max_body = 1000});
    set_log(LogLevel::info, LogFormat::json);
    testing::internal::CaptureStderr();
    RawClient client(server->port());
    EXPECT_TRUE(
        client.send("POST /secret HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n"
                    "x-ms-client-request-id: mine\r\nContent-Length: 1001\r\n\r\n"));
    const std::string all = client.read_all();
    set_log(LogLevel::warn, LogFormat::text);
    const std::string line = testing::internal::GetCapturedStderr();
    ASSERT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    Json json = MUST(parse_json(line));
    EXPECT_EQ(json["message"], "request refused unread");
    EXPECT_EQ(json["server"], "ours");
    EXPECT_EQ(json["request_id"], header_of(all, "x-ms-request-id"));
    EXPECT_EQ(json["client_request_id"], "mine");
    EXPECT_EQ(json["status"], 413);
    EXPECT_THAT(line, Not(HasSubstr("secret")));
    EXPECT_THAT(line, Not(HasSubstr("Bearer")));
}

TEST(Server, RefusesTwoLengthsBeforeTheHandler) {
    std::atomic<int> calls = 0;
    auto server = start([&](const Request& request) {
        ++calls;
        return echo(request);
    });
    RawClient client(server->port());
    ASSERT_TRUE(
        client.send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n"
                    "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
                    std::string(kGet)));
    std::string all = client.read_all();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 400 "));
    EXPECT_EQ(all.find("HTTP/1.1", 1), std::string::npos);
    EXPECT_EQ(calls, 0);
}

TEST(Server, ClosesOnSlowClients) {
    auto server = start(echo, {.idle_timeout = milliseconds(150)});
    auto begin = test::Clock::now();
    RawClient idle(server->port());
    RawClient dripping(server->port());
    bool open = true;
    for (char c : std::string_view("GET /a HTTP/1.1\r\nHost: h\r\nX: aaaaaaaaaaaaaaaaaa")) {
        open = open && dripping.send({&c, 1}) && !dripping.closed(milliseconds(15));
        if (!open) break;
    }
    EXPECT_FALSE(open);
    EXPECT_TRUE(idle.closed());
    EXPECT_GE(test::since(begin), milliseconds(140));
    EXPECT_LT(test::since(begin), milliseconds(1500));
}

TEST(Server, GivesEachRequestItsOwnTime) {
    auto server = start(echo, {.idle_timeout = milliseconds(200)});
    RawClient client(server->port());
    for (int i = 0; i < 3; ++i) {
        std::this_thread::sleep_for(milliseconds(100));
        ASSERT_TRUE(client.send(kGet));
        EXPECT_THAT(client.read_until("GET /a "), StartsWith("HTTP/1.1 200 "));
    }
}

TEST(Server, DoesNotCountTheHandlersTimeAsIdle) {
    auto server = start(
        [](const Request& request) {
            std::this_thread::sleep_for(milliseconds(200));
            return echo(request);
        },
        {.idle_timeout = milliseconds(100)});
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGet));
    EXPECT_THAT(client.read_until("GET /a "), StartsWith("HTTP/1.1 200 "));
}

TEST(Server, ServesManyClientsAtOnceBesideIdleOnes) {
    auto server = start(echo, {.workers = 3});
    std::vector<std::unique_ptr<RawClient>> idle;
    for (int i = 0; i < 100; ++i) idle.push_back(std::make_unique<RawClient>(server->port()));
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 16; ++t) {
        threads.emplace_back([&, t] {
            RawClient client(server->port());
            for (int i = 0; i < 25; ++i) {
                std::string body = fmt::format("{}-{};", t, i);
                client.send(
                    fmt::format("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{}",
                                body.size(), body));
                if (client.read_until("POST / " + body).ends_with(body)) ++good;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 16 * 25);
}

TEST(Server, ClosesConnectionsOverTheLimit) {
    auto server = start(echo, {.max_connections = 2});
    auto first = std::make_unique<RawClient>(server->port());
    RawClient second(server->port());
    ASSERT_TRUE(first->send(kGet));
    ASSERT_TRUE(second.send(kGet));
    EXPECT_THAT(first->read_until("GET /a "), StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(second.read_until("GET /a "), StartsWith("HTTP/1.1 200 "));
    RawClient third(server->port());
    EXPECT_TRUE(third.closed());
    first.reset();
    // The place is free once the server has seen the end of the first.
    bool served = false;
    for (int i = 0; i < 50 && !served; ++i) {
        RawClient again(server->port());
        served = again.send(kGetLast) && again.read_all().starts_with("HTTP/1.1 200 ");
    }
    EXPECT_TRUE(served);
}

TEST(Server, TurnsExceptionsInto500WithoutTheirText) {
    auto server = start([](const Request& request) -> Response {
        if (request.target == "/int") throw 42;
        throw std::runtime_error("the secret is 42");
    });
    RawClient client(server->port());
    for (const char* target : {"/int", "/text"}) {
        ASSERT_TRUE(client.send(fmt::format("GET {} HTTP/1.1\r\nHost: h\r\n\r\n", target)));
        std::string answer = client.read_until("}}");
        EXPECT_THAT(answer, StartsWith("HTTP/1.1 500 "));
        EXPECT_THAT(answer, Not(HasSubstr("42")));
    }
}

TEST(Server, NeverSplitsAnAnswer) {
    auto server = start([](const Request& request) {
        Response response = echo(request);
        response.headers.add("X-Echo", "a\r\nX-Evil: b");
        return response;
    });
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGetLast));
    std::string all = client.read_all();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 500 "));
    EXPECT_THAT(all, Not(HasSubstr("X-Evil")));
}

TEST(Server, SendsLongAnswers) {
    auto server =
        start([](const Request&) { return text_response(200, std::string(8 << 20, 'y')); });
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGetLast));
    EXPECT_GT(client.read_all().size(), size_t{8} << 20);
}

TEST(Server, SurvivesClientsThatLeaveEarly) {
    auto server =
        start([](const Request&) { return text_response(200, std::string(4 << 20, 'y')); });
    for (int i = 0; i < 10; ++i) {
        RawClient client(server->port());
        ASSERT_TRUE(client.send(i % 2 == 0 ? kGet : kGet.substr(0, 10)));
    }
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGetLast));
    EXPECT_GT(client.read_all().size(), size_t{4} << 20);
}

TEST(Server, NamesAnOccupiedPort) {
    auto server = start(echo);
    Result<std::unique_ptr<Server>> second = Server::start({.port = server->port()}, echo);
    ASSERT_FALSE(second.has_value());
    EXPECT_EQ(second.error().code, Code::conflict);
    EXPECT_THAT(second.error().message, HasSubstr(fmt::format("127.0.0.1:{}", server->port())));
}

TEST(Server, RefusesAddressesThatAreNotHere) {
    EXPECT_EQ(Server::start({.address = "localhost"}, echo).error().code, Code::invalid);
    EXPECT_EQ(Server::start({.address = "203.0.113.1"}, echo).error().code, Code::invalid);
}

TEST(Server, FreesItsPortAtOnce) {
    auto server = start(echo);
    uint16_t port = server->port();
    for (int i = 0; i < 3; ++i) {
        RawClient client(port);
        ASSERT_TRUE(client.send(kGet));
        EXPECT_THAT(client.read_until("GET /a "), StartsWith("HTTP/1.1 200 "));
        server->stop();
        server = start(echo, {.port = port});
    }
}

TEST(Server, StopsQuicklyBesideOpenConnections) {
    auto server = start(echo);
    std::vector<std::unique_ptr<RawClient>> clients;
    for (int i = 0; i < 50; ++i) {
        clients.push_back(std::make_unique<RawClient>(server->port()));
        ASSERT_TRUE(clients.back()->send(kGet));
        clients.back()->read_until("GET /a ");
        if (i % 2 == 0) {
            ASSERT_TRUE(clients.back()->send(kGet.substr(0, 10)));
        }
    }
    auto begin = test::Clock::now();
    server->stop();
    EXPECT_LT(test::since(begin), milliseconds(200));
    server->stop();
    EXPECT_TRUE(clients.back()->closed());
    EXPECT_FALSE(RawClient(server->port()).connected());
}

TEST(Server, AnswersRunningRequestsBeforeItStops) {
    std::promise<void> running;
    auto server = start([&](const Request& request) {
        running.set_value();
        std::this_thread::sleep_for(milliseconds(100));
        return echo(request);
    });
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGet));
    running.get_future().wait();
    server->stop();
    std::string all = client.read_all();
    EXPECT_THAT(all, StartsWith("HTTP/1.1 200 "));
    EXPECT_THAT(all, HasSubstr("Connection: close\r\n"));
    EXPECT_THAT(all, HasSubstr("GET /a "));
}

TEST(Server, DoesNotWaitLongForClientsThatDoNotRead) {
    auto server =
        start([](const Request&) { return text_response(200, std::string(64 << 20, 'y')); });
    RawClient client(server->port());
    ASSERT_TRUE(client.send(kGet));
    client.read_until("HTTP/1.1 200 ");
    auto begin = test::Clock::now();
    server->stop();
    EXPECT_LT(test::since(begin), milliseconds(1500));
}

TEST(Server, OneAddressDoesNotTakeAllConnections) {
    auto server = start(echo, {.max_connections = 4, .max_connections_per_address = 2});
    auto first = std::make_unique<RawClient>(server->port());
    RawClient second(server->port());
    for (RawClient* client : {first.get(), &second}) {
        ASSERT_TRUE(client->send(kGet));
        EXPECT_THAT(client->read_until("GET /a "), StartsWith("HTTP/1.1 200"));
    }
    RawClient third(server->port());
    EXPECT_TRUE(third.closed());
    first.reset();
    bool answered = false;
    for (int i = 0; i < 50 && !answered; ++i) {
        RawClient again(server->port());
        answered = again.send(kGet) && !again.read_until("GET /a ", milliseconds(200)).empty();
    }
    EXPECT_TRUE(answered);
}

}  // namespace
}  // namespace vouchsafe::net
