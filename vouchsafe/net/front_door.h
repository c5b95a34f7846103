// A forward proxy that is the services it proxies to: clients that are told of it by HTTPS_PROXY
// and HTTP_PROXY reach handlers of this process under the services' real host names. One listener,
// on loopback.
//
//     CONNECT name:443             TLS is ended here, with a certificate made for that name; the
//                                  requests inside go to the handler of that name
//     GET http://name/...          goes to the plain handler of that name
//     GET / (Host: localhost:PORT) goes to the door's own pages
//
// What no handler serves is refused with 403 and one line that says why. The name in CONNECT alone
// decides: SNI is not looked at, and a request inside for another host is 421.
//
// Whoever can connect to loopback on this machine can use the door: it is for one person's
// computer.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "vouchsafe/net/host_table.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

// DoorEvent is one thing that the door did, for people who watch: a request that was answered, or a
// connection that was refused, tunnelled or given up. It has no query, no
// body, and of the headers one.
struct DoorEvent {
    std::string host;    // without port; "" if none could be read
    std::string method;  // "" if none could be read
    std::string path;    // as sent; "" for CONNECT
    int status = 0;      // 0: no answer was sent
    double seconds = 0;
    std::string note;    // a sentence where the status does not say it
    std::string client;  // what the client calls itself (User-Agent), of requests
};

struct FrontDoorOptions {
    uint16_t port = 0;  // 0: any free port
    HostTable hosts = {};
    // pages answers requests for http://localhost:PORT and http://127.0.0.1:PORT. Browsers reach
    // it, on behalf of any page they show: it must not act on a request's being local.
    Handler pages = nullptr;  // nullptr: 404
    // mint makes the certificate of a name that `hosts` serves, and is not called for others. By
    // any thread.
    std::function<Result<TlsIdentity>(const std::string& name)> mint = nullptr;
    // pass_through tunnels CONNECT for port 443 of names that nobody serves here to the real host.
    bool pass_through = false;
    // Where tunnels go, "host:443" to a numeric "address:port", instead of what the DNS says.
    std::map<std::string, std::string> connect_to = {};
    // on_event is called by any thread, after the answer was made and before it is sent.
    std::function<void(const DoorEvent&)> on_event = nullptr;
    // Certificates kept, at most; one that was not used for longest is made again when needed.
    size_t max_certificates = 256;
    // As of a server.
    size_t max_header = ServerOptions().max_header;
    size_t max_connections = ServerOptions().max_connections;
    std::chrono::milliseconds idle_timeout = ServerOptions().idle_timeout;
    unsigned workers = 8;
    std::chrono::milliseconds tunnel_idle_timeout{600'000};  // of tunnels to real hosts
};

// FrontDoor runs until it is stopped or destroyed. Thread-safe.
class FrontDoor {
  public:
    // start listens on 127.0.0.1 before it returns. Errors as for Server::start.
    static Result<std::unique_ptr<FrontDoor>> start(FrontDoorOptions options);
    ~FrontDoor();

    uint16_t port() const;
    // stop is Server::stop.
    void stop();

    struct Impl;  // private to front_door.cpp

  private:
    explicit FrontDoor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::net
