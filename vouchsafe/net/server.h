// An HTTP/1.1 server over TCP, with or without TLS (1.2 and 1.3). I/O runs on coroutines that never
// leave this module; handlers are plain functions, so many at a time as the options say.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/net/message.h"
#include "vouchsafe/net/tls.h"

namespace vouchsafe::net {

using Handler = std::function<Response(const Request&)>;

struct ServerOptions {
    std::string name = "server";          // for the log and thread names
    std::string address = "127.0.0.1";    // numeric
    uint16_t port = 0;                    // 0: any free port
    std::optional<TlsIdentity> tls = {};  // absent: plain HTTP
    ClientAuthentication client = {};     // with TLS
    size_t max_body = 1 << 20;            // bytes; more is 413
    size_t max_header = 16 << 10;         // bytes of request line and headers; more is 431
    size_t max_connections = 512;         // more are closed at once
    // Of which one address may have so many; 0: all of them. IPv6 counts by its /64.
    size_t max_connections_per_address = 0;
    std::chrono::milliseconds idle_timeout{
        30'000};           // for a request to arrive whole, and between requests
    unsigned workers = 4;  // handlers at a time; further requests wait, read whole
};

// Server runs until it is stopped or destroyed. Thread-safe.
//
// What never reaches the handler: malformed requests (400), oversized ones (413, 431), methods that
// are not upper case (501), anything slower than the idle timeout (closed). A handler that throws
// becomes 500 without its text.
class Server {
  public:
    // start listens before it returns. It fails with Code::conflict if the port is taken,
    // Code::forbidden if it needs privileges, Code::invalid for an address this machine does not
    // have or a TLS identity whose key does not fit; the message names address and port.
    static Result<std::unique_ptr<Server>> start(ServerOptions options, Handler handler);
    ~Server();

    uint16_t port() const;
    // replace_tls has new connections served with this; those that are open go on as they began.
    // With another `client` than before, those that showed a certificate end: at once, or with the
    // answer that is due. nullopt: clients are asked as before. Errors as for start, and then
    // nothing changes; Code::invalid too for a server without TLS.
    Result<void> replace_tls(const TlsIdentity& identity,
                             std::optional<ClientAuthentication> client = std::nullopt);
    // stop refuses new connections, closes those that wait, lets running handlers end and answers
    // for them, and joins all threads. Idempotent. Not from a handler: it would wait for itself.
    void stop();

    struct Impl;  // private to server.cpp

  private:
    explicit Server(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::net
