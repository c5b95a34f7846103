// What the tests of net/ share: a raw TCP client, and certificates.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::net::test {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

inline milliseconds since(Clock::time_point start) {
    return std::chrono::duration_cast<milliseconds>(Clock::now() - start);
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

inline Time now() {
    return SystemClock().now();
}

// Authority issues server certificates for tests.
struct Authority {
    crypto::PrivateKey key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
    crypto::Certificate certificate = MUST(crypto::issue_certificate(
        {.subject = {{"CN", "Test authority"}},
         .not_before = now() - Seconds(3600),
         .not_after = now() + Seconds(3600),
         .ca = true},
        key.public_key(), nullptr, key, crypto::CertSignature::ecdsa_sha256));

    TlsIdentity issue(std::vector<std::string> names, Seconds valid_for = Seconds(3600)) const {
        auto leaf_key = MUST(crypto::PrivateKey::generate_ec(crypto::Curve::p256));
        auto leaf = MUST(crypto::issue_certificate({.subject = {{"CN", names.front()}},
                                                    .not_before = now() - Seconds(7200),
                                                    .not_after = now() + valid_for,
                                                    .dns_names = names,
                                                    .server_auth = true},
                                                   leaf_key.public_key(), &certificate, key,
                                                   crypto::CertSignature::ecdsa_sha256));
        return {{leaf}, leaf_key};
    }
};

inline std::unique_ptr<Server> start(Handler handler, ServerOptions options = {}) {
    return MUST(Server::start(std::move(options), std::move(handler)));
}

}  // namespace vouchsafe::net::test
