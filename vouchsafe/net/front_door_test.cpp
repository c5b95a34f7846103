#include "vouchsafe/net/front_door.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::connect_to;
using test::Door;
using test::RawClient;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(HostTable, FindsNamesBeforePatternsAndNothingElse) {
    auto says = [](std::string text) -> HostTable::Host {
        return {[text](const Request&) { return text_response(200, text); }};
    };
    HostTable table;
    table.add("*.vault.net", says("vault"));
    table.add("*.*.attest.net", says("attest"));
    table.add("own.vault.net", says("own"));
    table.add_plain("169.254.169.254", says("plain"));
    auto found = [&](std::string_view name) {
        const HostTable::Host* host = table.find(name);
        return host == nullptr ? "" : host->handler({}).body;
    };
    EXPECT_EQ(found("a.vault.net"), "vault");
    EXPECT_EQ(found("own.vault.net"), "own");
    EXPECT_EQ(found("a.weu.attest.net"), "attest");
    for (const char* name :
         {"vault.net", ".vault.net", "a.b.vault.net", "avault.net", "a.vault.net.evil.org",
          "weu.attest.net", "a.b.c.attest.net", "169.254.169.254", "", "*"}) {
        EXPECT_EQ(found(name), "") << name;
    }
    EXPECT_NE(table.find_plain("169.254.169.254"), nullptr);
    EXPECT_EQ(table.find_plain("own.vault.net"), nullptr);
    EXPECT_THAT(table.names(), ElementsAre("own.vault.net", "*.vault.net", "*.*.attest.net",
                                           "http://169.254.169.254"));
    table.add("*.vault.net", says("other"));
    EXPECT_EQ(found("a.vault.net"), "other");
}

TEST(FrontDoor, ServesRealNamesToLibcurlAndKeepsTheConnection) {
    Door door;
    Client client = door.client();
    for (const char* path : {"/a?b=c", "/d"}) {
        auto answer = MUST(client.send({.url = std::string("https://login.example.org") + path}));
        EXPECT_EQ(answer.body, fmt::format("login login.example.org GET {} tls", path));
    }
    auto vault = MUST(
        client.send({.method = "PUT", .url = "https://my-1.vault.example.org/k", .body = "{}"}));
    EXPECT_EQ(vault.body, "vault my-1.vault.example.org PUT /k tls");
    EXPECT_THAT(door.minted(), ElementsAre("login.example.org", "my-1.vault.example.org"));
    EXPECT_THAT(door.events(),
                ElementsAre("login.example.org GET /a 200", "login.example.org GET /d 200",
                            "my-1.vault.example.org PUT /k 200"));
}

TEST(FrontDoor, ServesPlainHostsAndItsOwnPages) {
    Door door;
    Client client = door.client();
    auto metadata = MUST(client.send({.url = "http://169.254.169.254/metadata/instance?x=1"}));
    EXPECT_THAT(metadata.body,
                AllOf(StartsWith("metadata 169.254.169.254 GET http://"), HasSubstr("?x=1")));
    EXPECT_EQ(MUST(client.send({.url = "http://login.example.org/"})).status, 403);
    EXPECT_EQ(MUST(client.send({.url = "http://169.254.169.254:8080/"})).status, 403);

    auto page = [&](std::string_view host) {
        return door.say(
            fmt::format("GET /p HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", host));
    };
    for (const char* name : {"localhost", "LocalHost", "127.0.0.1"}) {
        std::string host = fmt::format("{}:{}", name, door.port());
        EXPECT_THAT(page(host), HasSubstr(fmt::format("pages {} GET /p", host)));
    }
    // A page that somebody's DNS sends here, and a service's name without its tunnel.
    for (std::string host : {std::string("evil.example.org"), std::string("localhost"),
                             std::string("login.example.org"), std::string("169.254.169.254"),
                             fmt::format("evil.org:{}", door.port())}) {
        EXPECT_THAT(page(host), StartsWith("HTTP/1.1 421 Misdirected")) << host;
    }
    EXPECT_THAT(door.say("GET /p HTTP/1.0\r\n\r\n"), StartsWith("HTTP/1.1 421"));
    EXPECT_THAT(door.events(), testing::Contains("169.254.169.254 GET /metadata/instance 200"));
}

TEST(FrontDoor, DoesNotTakeHttpsInTheClear) {
    Door door;
    EXPECT_THAT(door.say("GET https://login.example.org/ HTTP/1.1\r\nHost: login.example.org\r\n"
                         "Connection: close\r\n\r\n"),
                StartsWith("HTTP/1.1 400"));
}

TEST(FrontDoor, RefusesForeignHostsInOneLine) {
    Door door;
    std::string answer = door.say(connect_to("www.example.com:443"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 403 www.example.com is not served here"));
    EXPECT_THAT(answer, testing::EndsWith("pass-through is off\n"));
    EXPECT_THAT(answer, HasSubstr("Connection: close\r\n"));
    Client client = door.client();
    EXPECT_FALSE(client.send({.url = "https://www.example.com/"}));
    EXPECT_THAT(door.events(),
                ElementsAre("www.example.com CONNECT  403", "www.example.com CONNECT  403"));
    EXPECT_THAT(door.minted(), ElementsAre());
}

TEST(FrontDoor, MintsNothingForHostileNames) {
    Door door;
    const std::string long_name = std::string(300, 'a') + ".vault.example.org:443";
    const std::string long_label = std::string(64, 'a') + ".vault.example.org:443";
    struct Case {
        int status;
        std::string target;
    };
    for (const Case& item : std::vector<Case>{{400, ""},
                                              {400, "login.example.org"},
                                              {400, "login.example.org:"},
                                              {400, "login.example.org:0"},
                                              {400, "login.example.org:99999"},
                                              {400, "login.example.org:443:443"},
                                              {400, "login.example.org:+443"},
                                              {400, "login.example.org.:443"},
                                              {400, "user@login.example.org:443"},
                                              {400, "user:pw@login.example.org:443"},
                                              {400, "https://login.example.org:443"},
                                              {400, "/login.example.org:443"},
                                              {400, ":443"},
                                              {400, ".vault.example.org:443"},
                                              {400, "*.vault.example.org:443"},
                                              {400, "a..vault.example.org:443"},
                                              {400, std::string("login.example.org\0:443", 22)},
                                              {400, "login.example.org\x01:443"},
                                              {400, "login.example.org\t:443"},
                                              {400, "login.example.org%00:443"},
                                              {400, "login.ex\xc3\xa4mple.org:443"},
                                              {400, long_name},
                                              {400, long_label},
                                              {400, "127.1:443"},
                                              {400, "[::1:443"},
                                              {403, "[::1]:443"},
                                              {403, "127.0.0.1:443"},
                                              {403, "169.254.169.254:443"},
                                              {403, "login.example.org:80"},
                                              {403, "login.example.org:8443"},
                                              {403, "vault.example.org:443"},
                                              {403, "a.b.vault.example.org:443"},
                                              {403, "my.vault.example.org.evil.com:443"},
                                              {403, "LOGIN.EXAMPLE.COM:443"},
                                              {403, "localhost:443"}}) {
        std::string answer = door.say("CONNECT " + item.target + " HTTP/1.1\r\nHost: h\r\n\r\n");
        EXPECT_THAT(answer, StartsWith(fmt::format("HTTP/1.1 {} ", item.status))) << item.target;
    }
    EXPECT_THAT(door.minted(), ElementsAre());
    // The nearest that is served: any case, no Host, the old version.
    for (std::string_view text :
         {"CONNECT Login.Example.ORG:443 HTTP/1.1\r\nHost: h\r\n\r\n",
          "CONNECT login.example.org:443 HTTP/1.0\r\n\r\n",
          "CONNECT login.example.org:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n"}) {
        RawClient client(door.port());
        ASSERT_TRUE(client.send(text));
        EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 200 Connection established\r\n\r\n");
    }
    EXPECT_THAT(door.minted(), ElementsAre("login.example.org"));
}

TEST(FrontDoor, RefusesWhatCouldBeTheTunnelsOrARequest) {
    Door door;
    const std::string good = connect_to("login.example.org:443");
    EXPECT_THAT(door.say(good + "\x16\x03\x01"), StartsWith("HTTP/1.1 400 nothing may follow"));
    EXPECT_THAT(door.say("CONNECT login.example.org:443 HTTP/1.1\r\nHost: h\r\n"
                         "Content-Length: 2\r\n\r\nhi"),
                StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(door.say("CONNECT login.example.org:443 HTTP/1.1\r\nHost: h\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                StartsWith("HTTP/1.1 400 "));
    EXPECT_THAT(door.say("connect login.example.org:443 HTTP/1.1\r\nHost: h\r\n\r\n"),
                StartsWith("HTTP/1.1 501 "));
    EXPECT_THAT(door.minted(), ElementsAre());
}

TEST(FrontDoor, LetsATunnelReachItsOwnHostAlone) {
    Door door;
    Client client = door.client();
    auto status = [&](const std::string& host) {
        ClientRequest request{.url = "https://login.example.org/"};
        request.headers.set("Host", host);
        return MUST(client.send(request)).status;
    };
    EXPECT_EQ(status("login.example.org"), 200);
    EXPECT_EQ(status("LOGIN.example.org:443"), 200);
    EXPECT_EQ(status("my.vault.example.org"), 421);
    EXPECT_EQ(status("login.example.org:8443"), 421);
    EXPECT_EQ(status("169.254.169.254"), 421);
    EXPECT_EQ(status(fmt::format("localhost:{}", door.port())), 421);
    // CONNECT once more, inside.
    EXPECT_EQ(MUST(client.send({.method = "CONNECT", .url = "https://login.example.org/"})).status,
              200);
}

TEST(FrontDoor, HoldsEachHostToItsOwnLimitOfBodies) {
    Door door;
    Client client = door.client();
    auto put = [&](const char* url, size_t size) {
        return MUST(client.send({.method = "PUT", .url = url, .body = std::string(size, 'x')}))
            .status;
    };
    EXPECT_EQ(put("https://a.vault.example.org/k", 100), 200);
    EXPECT_EQ(put("https://a.vault.example.org/k", 101), 413);
    EXPECT_EQ(put("https://login.example.org/k", 101), 200);
    EXPECT_THAT(
        door.say("GET / HTTP/1.1\r\nHost: h\r\nX: " + std::string(20 << 10, 'x') + "\r\n\r\n"),
        StartsWith("HTTP/1.1 431"));
}

TEST(FrontDoor, KeepsSoManyCertificatesAndNoMore) {
    Door door([](FrontDoorOptions& options) { options.max_certificates = 2; });
    auto ask = [&](const std::string& name) {
        Client client = door.client();
        EXPECT_EQ(MUST(client.send({.url = "https://" + name + ".vault.example.org/"})).status,
                  200);
    };
    for (const char* name : {"a", "b", "a", "c", "a", "b"}) ask(name);
    // "b" was used longest ago when "c" came.
    EXPECT_THAT(door.minted(), ElementsAre("a.vault.example.org", "b.vault.example.org",
                                           "c.vault.example.org", "b.vault.example.org"));
}

TEST(FrontDoor, SaysWhenNoCertificateCanBeMade) {
    Door door([](FrontDoorOptions& options) {
        options.mint = [](const std::string&) -> Result<TlsIdentity> {
            return fail(Code::io, "secret");
        };
    });
    std::string answer = door.say(connect_to("login.example.org:443"));
    EXPECT_THAT(answer, StartsWith("HTTP/1.1 502 no certificate"));
    EXPECT_THAT(answer, testing::Not(HasSubstr("secret")));
}

TEST(FrontDoor, AnswersForHandlersThatThrow) {
    Door door;
    Client client = door.client();
    auto answer = MUST(client.send({.url = "https://login.example.org/throw"}));
    EXPECT_EQ(answer.status, 500);
    EXPECT_THAT(answer.body, testing::Not(HasSubstr("secret")));
    EXPECT_THAT(door.events(), ElementsAre("login.example.org GET /throw 500"));
}

TEST(FrontDoor, TellsWhenAClientDoesNotTrustIt) {
    Door door;
    test::Authority stranger;
    Client client({.ca_pem = stranger.pem()});
    EXPECT_FALSE(client.send({.url = "https://login.example.org/"}));
    for (int i = 0; i < 100 && door.events().empty(); ++i) {
        std::this_thread::sleep_for(milliseconds(10));
    }
    EXPECT_THAT(door.events(), ElementsAre("login.example.org CONNECT  0"));
}

TEST(FrontDoor, ClosesWhatIsSlowAndWhatIsTooMany) {
    Door door([](FrontDoorOptions& options) {
        options.max_connections = 3;
        options.idle_timeout = milliseconds(200);
    });
    RawClient silent(door.port());
    RawClient half(door.port());
    RawClient tunnel(door.port());
    ASSERT_TRUE(half.send("CONNECT login.exa"));
    ASSERT_TRUE(tunnel.send(connect_to("login.example.org:443")));
    EXPECT_THAT(tunnel.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
    RawClient fourth(door.port());
    EXPECT_TRUE(fourth.closed(milliseconds(150)));
    EXPECT_TRUE(silent.closed());
    EXPECT_TRUE(half.closed());
    EXPECT_TRUE(tunnel.closed());  // no handshake came
}

TEST(FrontDoor, StopsWithTunnelsOpen) {
    Door door;
    RawClient tunnel(door.port());
    ASSERT_TRUE(tunnel.send(connect_to("login.example.org:443")));
    tunnel.read_until("\r\n\r\n");
    auto begin = test::Clock::now();
    door.door().stop();
    EXPECT_LT(test::since(begin), milliseconds(1000));
    EXPECT_TRUE(tunnel.closed());
}

Handler say_text(std::string text) {
    return [text](const Request&) { return text_response(200, text); };
}

TEST(FrontDoor, TakesHostsAndGivesThemUpWhileItRuns) {
    Door door;
    auto ask = [&](const std::string& name) {
        auto answer = door.client().send({.url = "https://" + name + "/"});
        return answer ? answer->body : "refused";
    };
    EXPECT_EQ(ask("new.example.org"), "refused");
    door.door().set_host("New.example.org", {say_text("new")});
    EXPECT_EQ(ask("new.example.org"), "new");
    door.door().set_host("new.example.org", {say_text("newer")});
    EXPECT_EQ(ask("new.example.org"), "newer");
    // Before the pattern that fits it too, which has it again afterwards.
    door.door().set_host("own.vault.example.org", {say_text("own")});
    EXPECT_EQ(ask("own.vault.example.org"), "own");
    door.door().remove_host("own.vault.example.org");
    EXPECT_THAT(ask("own.vault.example.org"), StartsWith("vault "));
    EXPECT_THAT(door.door().hosts(), ElementsAre("login.example.org", "new.example.org",
                                                 "*.vault.example.org", "http://169.254.169.254"));
    door.door().remove_host("new.example.org");
    door.door().remove_host("new.example.org");
    door.door().remove_host("never.example.org");
    EXPECT_EQ(ask("new.example.org"), "refused");
    door.door().set_host("*.new.example.org", {say_text("pattern")});
    EXPECT_EQ(ask("a.new.example.org"), "pattern");
    door.door().remove_host("*.new.example.org");
    EXPECT_EQ(ask("a.new.example.org"), "refused");
    EXPECT_THAT(ask("login.example.org"), StartsWith("login "));
}

TEST(FrontDoor, GivesUpAHostOnConnectionsThatAreOpen) {
    Door door;
    Client client = door.client();
    auto ask = [&](std::string body = "") {
        return MUST(client.send({.method = "PUT", .url = "https://a.example.org/", .body = body}));
    };
    door.door().set_host("a.example.org", {say_text("a"), 1000});
    EXPECT_EQ(ask().body, "a");
    door.door().set_host("a.example.org", {say_text("b"), 10});
    EXPECT_EQ(ask("1234567890").body, "b");
    EXPECT_EQ(ask("12345678901").status, 413);
    door.door().remove_host("a.example.org");
    EXPECT_EQ(ask().status, 421);
    door.door().set_host("a.example.org", {say_text("c")});
    EXPECT_EQ(ask().body, "c");
}

TEST(FrontDoor, EndsRequestsOfAHostThatIsGone) {
    Door door;
    std::promise<void> go;
    std::shared_future<void> gone(go.get_future());
    std::atomic<bool> inside = false;
    auto owned = std::make_shared<std::string>("to the end");
    std::weak_ptr<std::string> left = owned;
    door.door().set_host("a.example.org",
                         {[owned = std::move(owned), &inside, gone](const Request&) {
                             inside = true;
                             gone.wait();
                             return text_response(200, *owned);
                         }});
    auto asking = std::async(std::launch::async, [client = door.client()]() mutable {
        return MUST(client.send({.url = "https://a.example.org/"})).body;
    });
    ASSERT_TRUE(test::eventually([&] { return inside.load(); }));
    door.door().remove_host("a.example.org");
    EXPECT_FALSE(left.expired());
    EXPECT_EQ(asking.wait_for(milliseconds(20)), std::future_status::timeout);
    go.set_value();
    EXPECT_EQ(asking.get(), "to the end");
    EXPECT_TRUE(test::eventually([&] { return left.expired(); }));
}

TEST(FrontDoor, TakesHostsFromTheirOwnHandlersAndManyThreads) {
    Door door;
    std::atomic<bool> done = false;
    std::atomic<int> answered = 0;
    std::atomic<int> refused = 0;
    std::vector<std::thread> clients;
    for (int i = 0; i < 3; ++i) {
        clients.emplace_back([&] {
            Client client = door.client();
            while (!done) {
                auto answer = client.send({.url = "https://a.example.org/"});
                const bool good = answer && answer->status == 200;
                if (good) {
                    EXPECT_EQ(answer->body, "alive");
                }
                ++(good ? answered : refused);
            }
        });
    }
    for (int i = 0; i < 150; ++i) {
        door.door().set_host(
            "a.example.org",
            {[&door, text = std::make_shared<std::string>("alive")](const Request&) {
                door.door().remove_host("a.example.org");
                return text_response(200, *text);
            }});
        std::this_thread::sleep_for(milliseconds(2));
        door.door().remove_host("a.example.org");
    }
    done = true;
    for (std::thread& client : clients) client.join();
    EXPECT_GT(answered, 20);
    EXPECT_GT(refused, 0);
}

// Real is a real host on the other side of a door that passes through.
class PassThrough : public testing::Test {
  protected:
    PassThrough() {
        ServerOptions options;
        options.tls = real_.issue("real.example.com");
        server_ = test::start(
            [](const Request& request) {
                return text_response(200, "real " + std::string(request.body.size(), 'y'));
            },
            options);
        door_ = std::make_unique<Door>([this](FrontDoorOptions& wanted) {
            wanted.pass_through = true;
            wanted.connect_to = {
                {"real.example.com:443", fmt::format("127.0.0.1:{}", server_->port())},
                {"gone.example.com:443", "127.0.0.1:1"},
                {"raw.example.com:443", fmt::format("127.0.0.1:{}", port_of(raw_.get()))},
                {"login.example.org:443", fmt::format("127.0.0.1:{}", server_->port())}};
            wanted.tunnel_idle_timeout = idle_;
        });
    }
    // Far is the real host's end of a tunnel, with blocking calls.
    struct Far {
        UniqueFd fd;
        bool send(std::string_view text) const {
            return ::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
                   static_cast<ssize_t>(text.size());
        }
        std::string read_all() const {
            std::string out;
            char chunk[4096];
            for (ssize_t count; (count = ::recv(fd.get(), chunk, sizeof chunk, 0)) > 0;) {
                out.append(chunk, static_cast<size_t>(count));
            }
            return out;
        }
    };
    Far reach_raw(RawClient& client) const {
        EXPECT_TRUE(client.send(connect_to("raw.example.com:443")));
        EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 200 Connection established\r\n\r\n");
        return {UniqueFd(::accept4(raw_.get(), nullptr, nullptr, SOCK_CLOEXEC))};
    }

    const milliseconds idle_{300};
    UniqueFd raw_ = test::listen_tcp();
    test::Authority real_;
    std::unique_ptr<Server> server_;
    std::unique_ptr<Door> door_;
};

TEST_F(PassThrough, TunnelsToTheRealHostWithItsOwnCertificate) {
    Client client({.ca_pem = real_.pem()});
    for (size_t size : {size_t{0}, size_t{1} << 20}) {
        auto answer = MUST(client.send(
            {.method = "PUT", .url = "https://real.example.com/", .body = std::string(size, 'x')}));
        EXPECT_EQ(answer.body.size(), size + 5);
    }
    EXPECT_THAT(door_->events(), ElementsAre("real.example.com CONNECT  200"));
    EXPECT_THAT(door_->minted(), ElementsAre());
}

TEST_F(PassThrough, ServesItsOwnHostsItself) {
    Client client = door_->client();
    EXPECT_THAT(MUST(client.send({.url = "https://login.example.org/"})).body,
                StartsWith("login "));
}

TEST_F(PassThrough, RefusesWhatIsNoFullNameOrAnotherPort) {
    for (const char* target : {"127.0.0.1:443", "[::1]:443", "localhost:443"}) {
        EXPECT_THAT(door_->say(connect_to(target)),
                    AllOf(StartsWith("HTTP/1.1 403"), HasSubstr("no full host name")));
    }
    EXPECT_THAT(door_->say(connect_to("real.example.com:22")), StartsWith("HTTP/1.1 403"));
    EXPECT_THAT(door_->say(connect_to("gone.example.com:443")),
                StartsWith("HTTP/1.1 502 gone.example.com cannot be reached"));
}

TEST_F(PassThrough, EndsATunnelWhenEitherSideDoesOrNothingMoves) {
    RawClient idle(door_->port());
    ASSERT_TRUE(idle.send(connect_to("real.example.com:443")));
    EXPECT_THAT(idle.read_until("\r\n\r\n"), StartsWith("HTTP/1.1 200"));
    auto begin = test::Clock::now();
    EXPECT_TRUE(idle.closed());
    EXPECT_LT(test::since(begin), milliseconds(2000));

    RawClient garbage(door_->port());
    ASSERT_TRUE(garbage.send(connect_to("real.example.com:443")));
    garbage.read_until("\r\n\r\n");
    ASSERT_TRUE(garbage.send("this is no TLS\r\n\r\n"));
    EXPECT_TRUE(garbage.closed());

    RawClient open(door_->port());
    ASSERT_TRUE(open.send(connect_to("real.example.com:443")));
    open.read_until("\r\n\r\n");
    door_->door().stop();
    EXPECT_TRUE(open.closed());
}

TEST_F(PassThrough, CarriesBothWaysAndEndsEachWayByItself) {
    RawClient client(door_->port());
    const Far far = reach_raw(client);
    ASSERT_TRUE(client.send("hello"));
    ASSERT_EQ(::shutdown(client.fd(), SHUT_WR), 0);
    EXPECT_EQ(far.read_all(), "hello");
    ASSERT_TRUE(far.send("still here"));
    EXPECT_EQ(client.read_until("here"), "still here");

    RawClient other(door_->port());
    const Far done = reach_raw(other);
    ASSERT_TRUE(done.send("bye"));
    ASSERT_EQ(::shutdown(done.fd.get(), SHUT_WR), 0);
    EXPECT_EQ(other.read_all(), "bye");
    ASSERT_TRUE(other.send("and you"));
    ASSERT_EQ(::shutdown(other.fd(), SHUT_WR), 0);
    EXPECT_EQ(done.read_all(), "and you");
}

TEST_F(PassThrough, DeliversTheLastWordsOfAHostThatIsGone) {
    Door door([this](FrontDoorOptions& wanted) {
        wanted.pass_through = true;
        wanted.connect_to = {
            {"raw.example.com:443", fmt::format("127.0.0.1:{}", port_of(raw_.get()))}};
    });
    RawClient client(door.port());
    Far far = reach_raw(client);
    // It says as much as fits anywhere on the way while the client takes nothing, and goes.
    const std::string words(1 << 16, 'y');
    size_t said = 0;
    for (auto last = test::Clock::now(); test::since(last) < milliseconds(200);) {
        ssize_t count =
            ::send(far.fd.get(), words.data(), words.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (count <= 0) continue;
        said += static_cast<size_t>(count);
        last = test::Clock::now();
    }
    far.fd.reset();
    EXPECT_EQ(client.read_all(milliseconds(5000)).size(), said);
}

}  // namespace
}  // namespace vouchsafe::net
