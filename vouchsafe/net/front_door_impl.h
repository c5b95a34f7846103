// The inside of a front door. Private to front_door.cpp, front_door_connect.cpp and entrance.cpp.
#pragma once

#include "vouchsafe/net/answering.h"
#include "vouchsafe/net/front_door.h"
#include "vouchsafe/net/minted.h"
#include "vouchsafe/net/target.h"
#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

inline constexpr uint16_t kHttps = 443;
inline constexpr uint16_t kHttp = 80;

struct FrontDoor::Impl {
    explicit Impl(FrontDoorOptions wanted);

    // start makes what can fail, and listens.
    Result<void> start();

    // Judgement is what becomes of a CONNECT: it is served, or refused with `why` unless it may be
    // tunnelled.
    struct Judgement {
        Authority to;
        bool served = false;
        bool tunnel = false;
        int status = 0;
        std::string why;
    };
    Judgement judge(const std::string& authority, bool more_came) const;

    // table is a snapshot: what it holds lives as long as it.
    std::shared_ptr<const HostTable> table() const;
    void change_table(const std::function<void(HostTable&)>& change);

    // answer_plain answers what does not come through a tunnel.
    Response answer_plain(const Request& request) const;
    Response answer_absolute(const Request& request) const;
    Response answer_pages(const Request& request) const;
    // answer_inside answers what comes through TLS for `name`.
    Response answer_inside(const Request& request, const std::string& name) const;
    bool is_own(const std::string& host) const;

    // told is `handler`, with an event for each request. `name`: that of the TLS it comes through,
    // or "" for none.
    Handler told(Handler handler, std::string name, std::string entrance) const;
    void tell(const DoorEvent& event) const;

    Result<uint64_t> add_entrance(Entrance entrance);

    std::shared_ptr<const HostTable> hosts;  // under the mutex
    mutable std::mutex hosts_mutex;
    const FrontDoorOptions options;
    Minted minted;
    const Handler plain;
    const ServesName serves;
    TlsContext naming;    // of entrances; set by start()
    Listening listening;  // last: stops before what it uses goes away
};

// take_certificate has a worker find or make the context of a name. Null: it could not be made,
// which was logged, or the connection is over.
Awaitable<TlsContext> take_certificate(FrontDoor::Impl* door, ConnectionPtr connection,
                                       std::string name);

// answer_host takes requests from a connection with TLS for `name` until it is over.
Awaitable<void> answer_host(FrontDoor::Impl* door, ConnectionPtr connection, std::string name,
                            std::string entrance);

// serve_connect is the life of a connection after CONNECT was read from it.
Awaitable<void> serve_connect(FrontDoor::Impl* door, ConnectionPtr connection);

}  // namespace vouchsafe::net
