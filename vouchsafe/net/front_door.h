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
// Who cannot be told of a proxy comes in by an entrance: another listener of the same door, of any
// network namespace or a Unix socket, whose connections are TLS at once, or plain HTTP for one
// handler.
//
// Whoever can connect to loopback on this machine can use the door: it is for one person's
// computer.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "vouchsafe/base/fd.h"
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
    std::string note;           // a sentence where the status does not say it
    std::string client;         // what the client calls itself (User-Agent), of requests
    std::string entrance = {};  // the name of the one it came by; "": the door's own listener
};

// Entrance is one more way in.
//
// Kind::https is TLS at once. The name that the client asks for (SNI) decides as the name in
// CONNECT does: it chooses the host and the certificate, and a request for another one is 421.
// Without a name, or with one that nobody serves, the handshake fails with unrecognized_name.
// Kind::http is plain HTTP, and `plain` answers all of it.
//
// It shares the door's threads. One entrance has so many connections and no more
// (FrontDoorOptions::max_connections_per_entrance), and half of the workers at most; all of them
// together have as many connections as the door's own listener, and leave a quarter of the workers
// to that. So a machine that asks for much, or whose handlers are slow, keeps itself waiting first,
// then other machines, and never who comes in by the door's own listener.
struct Entrance {
    enum class Kind { https, http };

    // A TCP socket that listens, of whatever network namespace, or a Unix one.
    UniqueFd listener;
    Kind kind = Kind::https;
    std::string name;  // for events and the log
    // What its requests say as their remote; "": the socket's peer, which a Unix socket has none
    // of.
    std::string address;
    Handler plain = nullptr;  // of Kind::http
};

struct FrontDoorOptions {
    uint16_t port = 0;     // 0: any free port
    HostTable hosts = {};  // from the start; set_host adds others
    // pages answers requests for http://localhost:PORT and http://127.0.0.1:PORT. Browsers reach
    // it, on behalf of any page they show: it must not act on a request's being local.
    Handler pages = nullptr;  // nullptr: 404
    // mint makes the certificate of a name that is served, and is not called for others. By any
    // thread.
    std::function<Result<TlsIdentity>(const std::string& name)> mint = nullptr;
    // pass_through tunnels CONNECT for port 443 of names that nobody serves here to the real host.
    bool pass_through = false;
    // Where tunnels of pass_through go, "host:443" to a numeric "address:port", instead of what the
    // DNS says.
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
    size_t max_connections_per_entrance = 64;
    std::chrono::milliseconds tunnel_idle_timeout{600'000};
};

// FrontDoor runs until it is stopped or destroyed. Thread-safe.
class FrontDoor {
  public:
    // start listens on 127.0.0.1 before it returns. Errors as for Server::start.
    static Result<std::unique_ptr<FrontDoor>> start(FrontDoorOptions options);
    ~FrontDoor();

    uint16_t port() const;

    // add_entrance serves it from now on and returns its number. Code::invalid if the listener is
    // no socket of these kinds that listens, a Unix one has no address, or Kind::http has no
    // handler; Code::unavailable after stop().
    Result<uint64_t> add_entrance(Entrance entrance);
    // remove_entrance closes an entrance and its connections, and returns when both is done and
    // `plain` does not run any more. Requests that hosts still answer for it go on, and their
    // answers nowhere: it does not wait for these, so that a host's handler can remove any
    // entrance, even the one by which its request came. Idempotent. Not from `plain`.
    void remove_entrance(uint64_t id);

    // set_host has `host` answer https://NAME/, a name or a pattern as of HostTable::add, from the
    // next request on. remove_host has nobody do: on connections that are open a request gets 421,
    // new ones are refused. A request that runs goes on with the handler that it has; that handler
    // is destroyed when nothing uses it any more, and must own what it uses.
    void set_host(const std::string& name, HostTable::Host host);
    void remove_host(const std::string& name);
    // hosts are the names and patterns that are served now, as HostTable::names.
    std::vector<std::string> hosts() const;

    // stop is Server::stop.
    void stop();

    struct Impl;  // private to net/

  private:
    explicit FrontDoor(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::net
