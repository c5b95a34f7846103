// What the tests of net/ share: a raw TCP client, and certificates.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <future>
#include <string>

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/pending.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::net::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline milliseconds since(Clock::time_point start) {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
}

// answered calls a handler as a server does, and waits for an answer that comes later.
inline Response answered(const Handler& handler, Request request) {
    request.may_pend = true;
    Response response = handler(request);
    const auto pending = response.pending;
    if (!pending) return response;
    const auto ready = std::make_shared<std::promise<void>>();
    pending->begin([ready] { ready->set_value(); });
    ready->get_future().wait();
    std::optional<Response> done = pending->finish();
    return done ? std::move(*done) : pending->again();
}

// RawClient sends bytes as they are and reads what comes.
class RawClient {
  public:
    explicit RawClient(uint16_t port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    bool connected() const { return connected_; }
    int fd() const { return fd_; }

    // send returns false if the server has closed the connection.
    bool send(std::string_view text) {
        while (!text.empty()) {
            ssize_t sent = ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            text.remove_prefix(static_cast<size_t>(sent));
        }
        return true;
    }

    // read_until returns what has come once `marker` is in it, or the connection or time is over.
    std::string read_until(std::string_view marker, milliseconds time = milliseconds(3000)) {
        std::string out = std::move(rest_);
        rest_.clear();
        auto end = Clock::now() + time;
        for (;;) {
            size_t at = marker.empty() ? std::string::npos : out.find(marker);
            if (at != std::string::npos) {
                rest_ = out.substr(at + marker.size());
                out.resize(at + marker.size());
                return out;
            }
            auto left = std::chrono::duration_cast<milliseconds>(end - Clock::now());
            pollfd waiting{fd_, POLLIN, 0};
            if (left.count() <= 0 || ::poll(&waiting, 1, static_cast<int>(left.count())) <= 0) {
                timed_out_ = true;
                return out;
            }
            char chunk[65536];
            ssize_t count = ::recv(fd_, chunk, sizeof chunk, 0);
            if (count <= 0) return out;
            out.append(chunk, static_cast<size_t>(count));
        }
    }
    std::string read_all(milliseconds time = milliseconds(3000)) { return read_until("", time); }

    // closed tells whether the server ends the connection within `time`.
    bool closed(milliseconds time = milliseconds(3000)) {
        timed_out_ = false;
        read_all(time);
        return !timed_out_;
    }

  private:
    int fd_;
    bool connected_ = false;
    bool timed_out_ = false;
    std::string rest_;
};

// Authority issues certificates of servers and clients for tests.
class Authority {
  public:
    Authority()
        : key_(MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256))),
          certificate_(make_certificate(key_)) {}

    std::string pem() const { return certificate_.pem(); }

    TlsIdentity issue(const std::string& name, Seconds valid_for = Seconds(3600)) const {
        return issue_for(name, valid_for, true);
    }
    TlsIdentity issue_client(const std::string& name, Seconds valid_for = Seconds(3600)) const {
        return issue_for(name, valid_for, false);
    }

  private:
    TlsIdentity issue_for(const std::string& name, Seconds valid_for, bool server) const {
        auto key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        crypto::CertificateSpec spec = make_spec(name, valid_for);
        spec.dns_names = {name};
        spec.server_auth = server;
        auto leaf = MUST(
            crypto::issue_certificate(spec, key.public_key(), &certificate_, key_, kSignature));
        return {{leaf}, key};
    }

    static constexpr auto kSignature = crypto::CertSignature::ecdsa_sha256;

    static crypto::CertificateSpec make_spec(const std::string& name, Seconds valid_for) {
        crypto::CertificateSpec spec;
        spec.subject = {{"CN", name}};
        spec.not_before = SystemClock().now() - Seconds(7200);
        spec.not_after = SystemClock().now() + valid_for;
        return spec;
    }

    static crypto::Certificate make_certificate(const crypto::PrivateKey& key) {
        crypto::CertificateSpec spec = make_spec("Test authority", Seconds(3600));
        spec.ca = true;
        return MUST(crypto::issue_certificate(spec, key.public_key(), nullptr, key, kSignature));
    }

    crypto::PrivateKey key_;
    crypto::Certificate certificate_;
};

inline std::unique_ptr<Server> start(Handler handler, ServerOptions options = {}) {
    return MUST(Server::start(std::move(options), std::move(handler)));
}

}  // namespace vouchsafe::net::test
