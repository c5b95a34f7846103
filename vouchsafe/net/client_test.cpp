#include "vouchsafe/net/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "vouchsafe/net/test_support.h"

namespace vouchsafe::net {
namespace {

using std::chrono::milliseconds;
using test::RawClient;
using test::start;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr const char* kName = "lab.vault.azure.net";

const test::Authority& authority() {
    static const test::Authority made;
    return made;
}

Response echo(const Request& request) {
    Response response = text_response(
        200, request.method + " " + request.target + " " + request.host + " " + request.body);
    for (const auto& [name, value] : request.headers.all()) {
        response.headers.add("echo-" + name, value);
    }
    return response;
}

std::unique_ptr<Server> start_tls(Handler handler = echo, ServerOptions options = {}) {
    options.tls = authority().issue(kName);
    return start(std::move(handler), std::move(options));
}

ClientOptions lab_options(const Server& server, std::string name = kName) {
    return {.ca_pem = authority().pem(),
            .connect_to = {{name + ":443", fmt::format("127.0.0.1:{}", server.port())}}};
}

ClientRequest lab_request(std::string path = "/", std::string name = kName) {
    return {.url = "https://" + name + path};
}

std::string plain_url(const Server& server, std::string_view path = "/") {
    return fmt::format("http://127.0.0.1:{}{}", server.port(), path);
}

TEST(Client, GoesRoundOverTls) {
    auto server = start_tls();
    Client client(lab_options(*server));
    SecretBytes token = SecretBytes::copy_of("a.b.c");
    ClientResponse response =
        MUST(client.send({.method = "POST",
                          .url = fmt::format("https://{}/keys/k//release?api-version=7.4", kName),
                          .headers =
                              [] {
                                  Headers headers;
                                  headers.set("Content-Type", "application/json");
                                  headers.set("X-Empty", "");
                                  return headers;
                              }(),
                          .body = "{}",
                          .bearer = &token}));
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(response.body, "POST /keys/k//release?api-version=7.4 lab.vault.azure.net {}");
    EXPECT_EQ(response.headers.get("echo-authorization"), "Bearer a.b.c");
    EXPECT_EQ(response.headers.get("Echo-Content-Type"), "application/json");
    EXPECT_EQ(response.headers.count("echo-x-empty"), 1U);
    EXPECT_EQ(response.headers.find("echo-expect"), nullptr);
}

TEST(Client, SendsEveryMethodAsItIs) {
    auto server = start(echo);
    Client client({});
    for (std::string method : {"GET", "PUT", "PATCH", "DELETE", "POST"}) {
        for (std::string body : {"", "text"}) {
            ClientResponse response = MUST(
                client.send({.method = method, .url = plain_url(*server, "/../x"), .body = body}));
            EXPECT_EQ(response.body,
                      fmt::format("{} /../x 127.0.0.1:{} {}", method, server->port(), body));
            EXPECT_EQ(response.headers.find("echo-content-type"), nullptr);
        }
    }
    EXPECT_EQ(MUST(client.send({.method = "HEAD", .url = plain_url(*server)})).body, "");
    std::string large(2 << 20, 'x');
    ClientResponse refused =
        MUST(client.send({.method = "PUT", .url = plain_url(*server), .body = large}));
    EXPECT_EQ(refused.status, 413);
}

TEST(Client, UsesItsConnectionAgain) {
    auto server = start_tls(echo, {.max_connections = 1});
    Client client(lab_options(*server));
    for (int i = 0; i < 5; ++i) EXPECT_EQ(MUST(client.send(lab_request())).status, 200);
}

TEST(Client, ConnectsAgainAfterTheServerClosed) {
    auto server = start_tls(echo, {.idle_timeout = milliseconds(30)});
    Client client(lab_options(*server));
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(MUST(client.send(lab_request())).status, 200);
        std::this_thread::sleep_for(milliseconds(50));
    }
}

TEST(Client, MaySendFromManyThreads) {
    auto server = start_tls();
    Client client(lab_options(*server));
    std::atomic<int> good = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 8; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 10; ++i) good += client.send(lab_request()).has_value();
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(good, 80);
}

TEST(Client, RefusesAnotherAuthority) {
    auto server = start_tls();
    test::Authority other;
    ClientOptions options = lab_options(*server);
    options.ca_pem = other.pem();
    Result<ClientResponse> response = Client(options).send(lab_request());
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Code::unavailable);
    EXPECT_THAT(response.error().message, HasSubstr("not trusted"));
    options.ca_pem.clear();  // the system's store
    EXPECT_FALSE(Client(options).send(lab_request()).has_value());
    options.ca_pem = "nonsense";
    EXPECT_FALSE(Client(options).send(lab_request()).has_value());
}

TEST(Client, RefusesAnotherName) {
    auto server = start_tls();
    const std::string other = "other.vault.azure.net";
    Result<ClientResponse> response =
        Client(lab_options(*server, other)).send(lab_request("/", other));
    ASSERT_FALSE(response.has_value());
    EXPECT_THAT(response.error().message, HasSubstr("for another name"));
    EXPECT_THAT(response.error().message, HasSubstr("https://" + other));
}

TEST(Client, RefusesAnExpiredCertificate) {
    auto server = start(echo, {.tls = authority().issue(kName, Seconds(-60))});
    Result<ClientResponse> response = Client(lab_options(*server)).send(lab_request());
    ASSERT_FALSE(response.has_value());
    EXPECT_THAT(response.error().message, HasSubstr("expired"));
}

TEST(Client, SendsTokensOverHttpsOnly) {
    auto server = start(echo);
    Client client({});
    SecretBytes token = SecretBytes::copy_of("a.b.c");
    Result<ClientResponse> response = client.send({.url = plain_url(*server), .bearer = &token});
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Code::invalid);
    EXPECT_THAT(response.error().message, Not(HasSubstr("a.b.c")));
    ClientRequest request{.url = plain_url(*server)};
    request.headers.set("authorization", "Bearer a.b.c");
    EXPECT_EQ(client.send(request).error().code, Code::invalid);
}

TEST(Client, RefusesRequestsThatCannotBeSent) {
    auto server = start_tls();
    Client client(lab_options(*server));
    EXPECT_EQ(client.send({.url = "file:///etc/passwd"}).error().code, Code::invalid);
    EXPECT_EQ(client.send({.url = "https://h/a b"}).error().code, Code::invalid);
    EXPECT_EQ(client.send({.method = "get", .url = "https://h/"}).error().code, Code::invalid);
    EXPECT_EQ(client.send({.method = "A\r\nB", .url = "https://h/"}).error().code, Code::invalid);
    ClientRequest request = lab_request();
    request.headers.set("X", "a\r\nY: b");
    EXPECT_EQ(client.send(request).error().code, Code::invalid);
    SecretBytes token = SecretBytes::copy_of("a\r\nX: b");
    request = lab_request();
    request.bearer = &token;
    EXPECT_EQ(client.send(request).error().code, Code::invalid);
}

TEST(Client, KeepsItsAnswerLimit) {
    auto server = start([](const Request& request) {
        return text_response(200, std::string(request.target == "/fits" ? 1000 : 1001, 'x'));
    });
    Client client({.max_answer = 1000});
    EXPECT_EQ(MUST(client.send({.url = plain_url(*server, "/fits")})).body.size(), 1000U);
    Result<ClientResponse> response = client.send({.url = plain_url(*server, "/exceeds")});
    ASSERT_FALSE(response.has_value());
    EXPECT_EQ(response.error().code, Code::invalid);
    EXPECT_THAT(response.error().message, HasSubstr("1000 bytes"));
    EXPECT_EQ(MUST(client.send({.url = plain_url(*server, "/fits")})).status, 200);
}

TEST(Client, DoesNotFollowRedirects) {
    auto server = start([](const Request&) {
        Response response{302, {}, ""};
        response.headers.set("Location", "/elsewhere");
        return response;
    });
    ClientResponse response = MUST(Client({}).send({.url = plain_url(*server)}));
    EXPECT_EQ(response.status, 302);
    EXPECT_EQ(response.headers.get("location"), "/elsewhere");
}

TEST(Client, SaysWhyThereIsNoAnswer) {
    auto server = start([](const Request& request) {
        std::this_thread::sleep_for(milliseconds(150));
        return echo(request);
    });
    Result<ClientResponse> late =
        Client({.timeout = milliseconds(50)}).send({.url = plain_url(*server)});
    EXPECT_EQ(late.error().code, Code::unavailable);
    EXPECT_THAT(late.error().message, HasSubstr("no answer in time"));
    uint16_t port = server->port();
    Result<ClientResponse> no_tls =
        Client({}).send({.url = fmt::format("https://127.0.0.1:{}/", port)});
    EXPECT_THAT(no_tls.error().message, HasSubstr("no TLS"));
    server->stop();
    Result<ClientResponse> refused =
        Client({}).send({.url = fmt::format("http://127.0.0.1:{}/", port)});
    EXPECT_EQ(refused.error().code, Code::unavailable);
    EXPECT_THAT(refused.error().message, HasSubstr(fmt::format("http://127.0.0.1:{}", port)));
    EXPECT_THAT(refused.error().message, HasSubstr("nothing answers"));
}

TEST(Client, GoesPastTheProxyWhereItMust) {
    auto proxy =
        start([](const Request& request) { return text_response(200, "proxy " + request.host); });
    auto server = start(echo);
    std::string url = fmt::format("http://127.0.0.1:{}", proxy->port());
    ::setenv("http_proxy", url.c_str(), 1);
    ::unsetenv("no_proxy");
    ::unsetenv("NO_PROXY");
    std::string through = MUST(Client({}).send({.url = plain_url(*server)})).body;
    std::string direct = MUST(Client({.use_proxy = false}).send({.url = plain_url(*server)})).body;
    Client connecting(
        {.connect_to = {{"169.254.169.254:80", fmt::format("127.0.0.1:{}", server->port())}}});
    std::string connected = MUST(connecting.send({.url = "http://169.254.169.254/metadata"})).body;
    ::unsetenv("http_proxy");
    EXPECT_EQ(through, fmt::format("proxy 127.0.0.1:{}", server->port()));
    EXPECT_THAT(direct, StartsWith("GET / "));
    EXPECT_EQ(connected, "GET /metadata 169.254.169.254 ");
}

// handshake tries TLS with the versions and TLS 1.2 ciphers given, and returns what was agreed on.
std::string handshake(uint16_t port, int version, const char* ciphers) {
    RawClient raw(port);
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context(SSL_CTX_new(TLS_client_method()),
                                                              SSL_CTX_free);
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_security_level(context.get(), 0);
    SSL_CTX_set_cipher_list(context.get(), ciphers);
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl(SSL_new(context.get()), SSL_free);
    SSL_set_fd(ssl.get(), raw.fd());
    if (SSL_connect(ssl.get()) != 1) return "refused";
    return std::string(SSL_get_version(ssl.get())) + " " + SSL_get_cipher_name(ssl.get());
}

TEST(ServerTls, AgreesOnModernTlsOnly) {
    auto server = start_tls();
    EXPECT_THAT(handshake(server->port(), TLS1_3_VERSION, "ALL"), StartsWith("TLSv1.3 "));
    EXPECT_THAT(handshake(server->port(), TLS1_2_VERSION, "ALL"), HasSubstr("-GCM-"));
    EXPECT_EQ(handshake(server->port(), TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384:AES256-SHA"),
              "refused");
    EXPECT_EQ(handshake(server->port(), TLS1_1_VERSION, "ALL"), "refused");
}

TEST(ServerTls, IsNotDisturbedByBadHandshakes) {
    auto server = start_tls(echo, {.idle_timeout = milliseconds(300)});
    Client client(lab_options(*server));
    EXPECT_EQ(MUST(client.send(lab_request())).status, 200);
    RawClient silent(server->port());
    for (std::string_view bytes :
         {"GET / HTTP/1.1\r\nHost: h\r\n\r\n", "\x16\x03\x01\x02", "", "\xff\xff\xff"}) {
        RawClient bad(server->port());
        ASSERT_TRUE(bad.send(bytes));
        if (bytes.starts_with("GET")) {
            EXPECT_TRUE(bad.closed());
        }
        EXPECT_EQ(MUST(client.send(lab_request())).status, 200);
    }
    EXPECT_TRUE(silent.closed(milliseconds(2000)));
}

TEST(ServerTls, StopsQuicklyBesideOpenConnections) {
    auto server = start_tls();
    Client client(lab_options(*server));
    EXPECT_EQ(MUST(client.send(lab_request())).status, 200);
    RawClient in_handshake(server->port());
    auto begin = test::Clock::now();
    server->stop();
    EXPECT_LT(test::since(begin), milliseconds(200));
}

TEST(ServerTls, TakesUpANewCertificateForNewConnections) {
    auto server = start_tls();
    Client before(lab_options(*server));
    EXPECT_EQ(MUST(before.send(lab_request())).status, 200);
    const test::Authority other;
    EXPECT_TRUE(server->replace_tls(other.issue(kName)));
    EXPECT_EQ(MUST(before.send(lab_request())).status, 200);  // its connection goes on
    ClientOptions options = lab_options(*server);
    EXPECT_FALSE(Client(options).send(lab_request()));
    options.ca_pem = other.pem();
    EXPECT_EQ(MUST(Client(options).send(lab_request())).status, 200);

    TlsIdentity bad = authority().issue(kName);
    bad.key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    EXPECT_EQ(server->replace_tls(bad).error().code, Code::invalid);
    EXPECT_EQ(MUST(Client(options).send(lab_request())).status, 200);
    EXPECT_EQ(test::start(echo)->replace_tls(other.issue(kName)).error().code, Code::invalid);
}

// CertifiedClient shows a client certificate, on one connection.
class CertifiedClient {
  public:
    CertifiedClient(uint16_t port, const TlsIdentity& identity) : raw_(port) {
        SSL_CTX_use_certificate(context_.get(), identity.chain.front().handle());
        SSL_CTX_use_PrivateKey(context_.get(), identity.key.handle());
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), raw_.fd());
        connected_ = SSL_connect(ssl_.get()) == 1;
    }

    // ask returns the answer; "" if there was none.
    std::string ask(std::string_view header = "") {
        return connected_ && send(header) ? read() : "";
    }
    bool send(std::string_view header = "") {
        const std::string request = fmt::format("GET / HTTP/1.1\r\nHost: h\r\n{}\r\n", header);
        return SSL_write(ssl_.get(), request.data(), static_cast<int>(request.size())) > 0;
    }
    std::string read() {
        std::string out(4096, '\0');
        const int got = SSL_read(ssl_.get(), out.data(), static_cast<int>(out.size()));
        out.resize(static_cast<size_t>(std::max(got, 0)));
        return out;
    }

  private:
    RawClient raw_;
    std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)> context_{SSL_CTX_new(TLS_client_method()),
                                                               SSL_CTX_free};
    std::unique_ptr<SSL, decltype(&SSL_free)> ssl_{nullptr, SSL_free};
    bool connected_ = false;
};

std::string ask_with(uint16_t port, const TlsIdentity& identity) {
    return CertifiedClient(port, identity).ask("Connection: close\r\n");
}

TEST(ServerTls, ConnectionsEndWhoseClientsAreAskedForOtherCertificatesNow) {
    const test::Authority clients, others;
    const auto asks = [](const test::Authority& one) {
        return ClientAuthentication{{MUST(crypto::Certificate::parse_pem(one.pem()))}, false};
    };
    std::promise<void> asked, answer;
    const Handler slow = [&](const Request& request) {
        if (request.headers.find("X-Slow") == nullptr) return text_response(200, "quick");
        asked.set_value();
        answer.get_future().wait();
        return text_response(200, "slow");
    };
    auto server = start_tls(slow, {.client = asks(clients)});
    const TlsIdentity ops = clients.issue_client("ops");
    CertifiedClient idle(server->port(), ops);
    CertifiedClient busy(server->port(), ops);
    Client nobody(lab_options(*server));
    EXPECT_THAT(idle.ask(), HasSubstr("quick"));
    EXPECT_EQ(MUST(nobody.send(lab_request())).status, 200);

    const TlsIdentity fresh = authority().issue(kName);
    EXPECT_TRUE(server->replace_tls(fresh));
    EXPECT_TRUE(server->replace_tls(fresh, asks(clients)));
    EXPECT_THAT(idle.ask(), HasSubstr("quick"));  // nothing else is asked

    ASSERT_TRUE(busy.send("X-Slow: yes\r\n"));
    asked.get_future().wait();
    EXPECT_TRUE(server->replace_tls(fresh, asks(others)));
    EXPECT_EQ(idle.read(), "");
    answer.set_value();
    const std::string last = busy.read();
    EXPECT_THAT(last, HasSubstr("slow"));  // what it asked before is answered
    EXPECT_THAT(last, HasSubstr("Connection: close"));
    EXPECT_EQ(busy.ask(), "");
    EXPECT_EQ(MUST(nobody.send(lab_request())).status, 200);
    EXPECT_EQ(ask_with(server->port(), ops), "");
    EXPECT_THAT(ask_with(server->port(), others.issue_client("ops")), HasSubstr("quick"));
}

TEST(ServerTls, TellsWhichClientCertificateWasVerified) {
    const test::Authority clients;
    const Handler who = [](const Request& request) {
        return text_response(200, request.client_certificate == nullptr
                                      ? "nobody"
                                      : request.client_certificate->subject());
    };
    const auto start_for = [&](bool required) {
        return start_tls(
            who, {.client = {{MUST(crypto::Certificate::parse_pem(clients.pem()))}, required}});
    };
    const TlsIdentity ops = clients.issue_client("ops");
    for (bool required : {false, true}) {
        auto server = start_for(required);
        EXPECT_THAT(ask_with(server->port(), ops), HasSubstr("CN=ops")) << required;
        // Of another authority, that has ended, and of a server.
        EXPECT_EQ(ask_with(server->port(), test::Authority().issue_client("ops")), "");
        EXPECT_EQ(ask_with(server->port(), clients.issue_client("ops", Seconds(-60))), "");
        EXPECT_EQ(ask_with(server->port(), clients.issue("ops")), "");
    }
    auto server = start_tls(who);  // not asked, nobody is known
    EXPECT_THAT(ask_with(server->port(), ops), HasSubstr("nobody"));
}

TEST(ServerTls, AsksForACertificateWhereOneIsDemanded) {
    const test::Authority clients;
    const ClientAuthentication demanded{{MUST(crypto::Certificate::parse_pem(clients.pem()))},
                                        true};
    auto server = start_tls(echo, {.client = demanded});
    EXPECT_FALSE(Client(lab_options(*server)).send(lab_request()));
    auto optional = start_tls(echo, {.client = {demanded.authorities, false}});
    EXPECT_EQ(MUST(Client(lab_options(*optional)).send(lab_request())).status, 200);
}

TEST(ServerTls, NeedsTheKeyOfItsCertificate) {
    TlsIdentity identity = authority().issue(kName);
    identity.key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    EXPECT_EQ(Server::start({.tls = identity}, echo).error().code, Code::invalid);
    identity.chain.clear();
    EXPECT_EQ(Server::start({.tls = identity}, echo).error().code, Code::invalid);
}

}  // namespace
}  // namespace vouchsafe::net
