// A front door for the tests of net/, and clients that come in by its entrances.
#pragma once

#include <gtest/gtest.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <csignal>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <thread>

#include "vouchsafe/net/front_door.h"
#include "vouchsafe/net/test_support.h"

namespace vouchsafe::net::test {

// Door is a front door with two hosts, a pattern and a plain host, and what it did.
class Door {
  public:
    explicit Door(const std::function<void(FrontDoorOptions&)>& change = nullptr) {
        FrontDoorOptions options;
        options.hosts.add("login.example.org", {answer("login")});
        options.hosts.add("*.vault.example.org", {answer("vault"), 100});
        options.hosts.add_plain("169.254.169.254", {answer("metadata")});
        options.pages = answer("pages");
        options.mint = [this](const std::string& name) -> Result<TlsIdentity> {
            std::lock_guard lock(mutex_);
            minted_.push_back(name);
            return authority_.issue(name);
        };
        options.on_event = [this](const DoorEvent& event) {
            std::lock_guard lock(mutex_);
            events_.push_back(
                fmt::format("{} {} {} {}", event.host, event.method, event.path, event.status));
            if (!event.entrance.empty()) events_.back() += " by " + event.entrance;
        };
        if (change) change(options);
        door_ = MUST(FrontDoor::start(std::move(options)));
        set_proxy(fmt::format("http://127.0.0.1:{}", door_->port()).c_str());
    }
    ~Door() { set_proxy(nullptr); }
    Door(const Door&) = delete;
    Door& operator=(const Door&) = delete;

    uint16_t port() const { return door_->port(); }
    FrontDoor& door() { return *door_; }
    const Authority& authority() const { return authority_; }
    std::vector<std::string> minted() {
        std::lock_guard lock(mutex_);
        return minted_;
    }
    std::vector<std::string> events() {
        std::lock_guard lock(mutex_);
        return events_;
    }

    // client goes through the door, by libcurl.
    Client client() const { return Client({.ca_pem = authority_.pem()}); }

    // say returns the answer to raw bytes on a connection of their own.
    std::string say(std::string_view text) const {
        RawClient client(port());
        EXPECT_TRUE(client.send(text));
        return client.read_all();
    }

  private:
    static Handler answer(const char* who) {
        return [who](const Request& request) {
            if (request.target == "/throw") throw std::runtime_error("secret");
            return text_response(
                200, fmt::format("{} {} {} {}{}", who, request.host, request.method, request.target,
                                 request.tls ? " tls" : ""));
        };
    }
    static void set_proxy(const char* url) {
        for (const char* name : {"http_proxy", "https_proxy", "HTTPS_PROXY"}) {
            url != nullptr ? ::setenv(name, url, 1) : ::unsetenv(name);
        }
        ::unsetenv("no_proxy");
        ::unsetenv("NO_PROXY");
    }

    Authority authority_;
    std::mutex mutex_;
    std::vector<std::string> minted_;
    std::vector<std::string> events_;
    std::unique_ptr<FrontDoor> door_;  // last: stops before the lists go away
};

inline std::string connect_to(std::string_view authority) {
    return fmt::format("CONNECT {} HTTP/1.1\r\nHost: {}\r\n\r\n", authority, authority);
}

// listen_tcp is a socket that listens on a free port of 127.0.0.1.
inline UniqueFd listen_tcp() {
    UniqueFd out(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(out.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    EXPECT_EQ(::listen(out.get(), 128), 0);
    return out;
}

inline uint16_t port_of(int fd) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
}

// eventually waits for what other threads bring about.
inline bool eventually(const std::function<bool()>& holds, milliseconds time = milliseconds(3000)) {
    for (auto end = Clock::now() + time; Clock::now() < end;) {
        if (holds()) return true;
        std::this_thread::sleep_for(milliseconds(2));
    }
    return holds();
}

// TlsClient is TLS over a socket that is connected, by OpenSSL itself: it sends the name it is told
// to, or none.
class TlsClient {
  public:
    // `ca_pem`: whom it trusts. `version`: 0, or the only one it speaks.
    TlsClient(int fd, const std::string& name, const std::string& ca_pem, int version = 0)
        : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
        ::signal(SIGPIPE, SIG_IGN);  // OpenSSL writes to sockets that the door has closed
        auto authority = MUST(crypto::Certificate::parse_pem(ca_pem));
        X509_STORE_add_cert(SSL_CTX_get_cert_store(context_.get()), authority.handle());
        SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
        if (version != 0) {
            SSL_CTX_set_min_proto_version(context_.get(), version);
            SSL_CTX_set_max_proto_version(context_.get(), version);
        }
        tls_.reset(SSL_new(context_.get()));
        SSL_set_fd(tls_.get(), fd);
        const int on = 1;  // as clients of HTTP do
        ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!name.empty()) SSL_set_tlsext_host_name(tls_.get(), name.c_str());
        if (!name.empty()) SSL_set1_host(tls_.get(), name.c_str());
    }

    // shake returns 0, or the alert that ended the handshake; -1 for any other end.
    int shake() {
        ERR_clear_error();
        if (SSL_connect(tls_.get()) == 1) return 0;
        int reason = ERR_GET_REASON(ERR_peek_error());
        return reason > SSL_AD_REASON_OFFSET ? reason - SSL_AD_REASON_OFFSET : -1;
    }
    // resumable tells, after an answer, whether the server gave what a session is resumed by.
    bool resumable() const { return SSL_SESSION_is_resumable(SSL_get0_session(tls_.get())) == 1; }

    bool send(std::string_view text) {
        return SSL_write(tls_.get(), text.data(), static_cast<int>(text.size())) > 0;
    }
    // get sends a request and returns the whole answer; "" if the connection ends first.
    std::string get(const std::string& host, const std::string& target = "/") {
        send(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\n\r\n", target, host));
        return read_answer();
    }
    std::string read_answer() {
        std::string out;
        for (;;) {
            size_t head = out.find("\r\n\r\n");
            size_t at = out.find("Content-Length: ");
            if (head != std::string::npos && at != std::string::npos) {
                size_t size = std::stoul(out.substr(at + 16));
                if (out.size() >= head + 4 + size) return out;
            }
            char chunk[4096];
            int count = SSL_read(tls_.get(), chunk, sizeof chunk);
            if (count <= 0) return "";
            out.append(chunk, static_cast<size_t>(count));
        }
    }

  private:
    struct Free {
        void operator()(SSL* tls) const { SSL_free(tls); }
    };
    std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
    std::unique_ptr<SSL, Free> tls_;
};

inline constexpr int kUnrecognizedName = 112;  // RFC 6066, 3

inline Response say_remote(const Request& request) {
    return text_response(200, fmt::format("{} {} {} {}", request.remote, request.host,
                                          request.target, request.tls ? "tls" : "plain"));
}

// Entered is an entrance of a door.
struct Entered {
    uint64_t id = 0;
    uint16_t port = 0;
};

inline Entered enter_https(Door& door, const std::string& name = "vm1") {
    Entrance entrance;
    entrance.listener = listen_tcp();
    entrance.name = name;
    entrance.address = "10.0.0.4";
    const uint16_t port = port_of(entrance.listener.get());
    return {MUST(door.door().add_entrance(std::move(entrance))), port};
}

inline Entered enter_http(Door& door, Handler plain, const std::string& name = "vm1") {
    Entrance entrance;
    entrance.listener = listen_tcp();
    entrance.kind = Entrance::Kind::http;
    entrance.name = name;
    entrance.address = "10.0.0.4";
    entrance.plain = std::move(plain);
    const uint16_t port = port_of(entrance.listener.get());
    return {MUST(door.door().add_entrance(std::move(entrance))), port};
}

// Visitor is a TLS client at an entrance.
struct Visitor {
    Visitor(const Door& door, const Entered& entered, const std::string& name, int version = 0)
        : raw(entered.port), tls(raw.fd(), name, door.authority().pem(), version) {}
    RawClient raw;
    TlsClient tls;
};

}  // namespace vouchsafe::net::test
