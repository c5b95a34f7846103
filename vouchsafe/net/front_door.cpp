#include "vouchsafe/net/front_door.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/listening.h"
#include "vouchsafe/net/minted.h"
#include "vouchsafe/net/target.h"
#include "vouchsafe/net/tunnel.h"

namespace vouchsafe::net {

namespace {

constexpr uint16_t kHttps = 443;
constexpr uint16_t kHttp = 80;
constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";

ServerOptions server_options(const FrontDoorOptions& options) {
    ServerOptions out;
    out.name = "front door";
    out.port = options.port;
    out.max_header = options.max_header;
    out.max_connections = options.max_connections;
    out.idle_timeout = options.idle_timeout;
    out.workers = options.workers;
    return out;
}

// path_of is the path of a target in either form, without its query.
std::string path_of(std::string_view target) {
    std::string_view path = target.substr(0, target.find('?'));
    size_t scheme = path.find("://");
    if (path.starts_with('/') || scheme == std::string_view::npos) return std::string(path);
    size_t slash = path.find('/', scheme + 3);
    return slash == std::string_view::npos ? "/" : std::string(path.substr(slash));
}

Response refuse(int status, const std::string& why) {
    return text_response(status, why + "\n");
}

bool is_address_literal(std::string_view host) {
    // A name whose last label begins with a digit is an IPv4 address, or parse_authority refused
    // it.
    size_t label = host.rfind('.') + 1;
    return host.starts_with('[') || (host[label] >= '0' && host[label] <= '9');
}

}  // namespace

struct FrontDoor::Impl {
    explicit Impl(FrontDoorOptions wanted);

    // Judgement is what becomes of a CONNECT: it is served, tunnelled, or refused with `why`.
    struct Judgement {
        Authority to;
        const HostTable::Host* host = nullptr;
        bool tunnel = false;
        int status = 0;
        std::string why;
    };
    Judgement judge(const std::string& authority, bool more_came) const;

    // answer_plain answers what does not come through a tunnel.
    Response answer_plain(const Request& request) const;
    Response answer_absolute(const Request& request) const;
    Response answer_pages(const Request& request) const;
    // answer_inside answers what comes through the tunnel to `name`.
    static Response answer_inside(const Request& request, const std::string& name,
                                  const Handler& handler);
    bool is_own(const std::string& host) const;

    // told is `handler`, with an event for each request. `name`: the tunnel's, or "" for none.
    Handler told(Handler handler, std::string name) const;
    void tell(const DoorEvent& event) const;

    const FrontDoorOptions options;
    Minted minted;
    const Handler plain;
    Listening listening;  // last: stops before what it uses goes away
};

namespace {

using Door = FrontDoor::Impl;

// refuse_connect answers a CONNECT that comes to nothing, and ends the connection. The reason also
// is the reason phrase: many clients show nothing else.
Awaitable<void> refuse_connect(Door* door, ConnectionPtr connection, int status, std::string why) {
    DoorEvent event{connection->request.host, "CONNECT", "", status, 0, why, ""};
    event.host = event.host.substr(0, event.host.rfind(':'));
    door->tell(event);
    connection->response = refuse(status, why);
    ResponseForm form;
    form.keep_alive = false;
    form.reason = std::move(why);
    auto sending = send_response(&door->listening, connection, form);
    co_await std::move(sending);
}

// establish tells the client that its tunnel is there. False: the connection is over.
Awaitable<bool> establish(Door* door, ConnectionPtr connection) {
    connection->request = {};
    connection->output = kEstablished;
    set_deadline(connection, door->options.idle_timeout);
    auto writing = write_output(connection);
    bool written = co_await std::move(writing);
    connection->output = {};
    co_return written;
}

Awaitable<void> serve_host(Door* door, ConnectionPtr connection, const HostTable::Host* host,
                           std::string name) {
    Result<TlsContext> context = fail(Code::internal, "not made");
    auto minting = run_on_worker(&door->listening, connection,
                                 [door, &context, &name] { context = door->minted.take(name); });
    co_await std::move(minting);
    if (!context) {
        log_event(LogLevel::error, "no certificate could be made",
                  {{"host", name}, {"reason", context.error().message}});
        auto refusing =
            refuse_connect(door, connection, 502, "no certificate could be made for this host");
        co_await std::move(refusing);
        co_return;
    }
    auto establishing = establish(door, connection);
    bool established = co_await std::move(establishing);
    if (!established) co_return;
    connection->use_tls(std::move(*context));
    set_deadline(connection, std::min<Milliseconds>(kHandshakeTimeout, door->options.idle_timeout));
    auto shaking = handshake(connection);
    bool ok = co_await std::move(shaking);
    if (!ok) {
        door->tell({name, "CONNECT", "", 0, 0,
                    "no TLS came about: does the client trust the door's authority?", ""});
        co_return;
    }
    Handler handler = door->told(
        [name, host](const Request& request) {
            return Door::answer_inside(request, name, host->handler);
        },
        name);
    WireLimits limits{door->options.max_header, host->max_body};
    auto answering = answer_all(&door->listening, connection, limits, &handler);
    co_await std::move(answering);
}

Awaitable<void> pass_through(Door* door, ConnectionPtr connection, std::string name) {
    std::string host = name;
    std::string port = std::to_string(kHttps);
    auto known = door->options.connect_to.find(fmt::format("{}:{}", name, port));
    if (known != door->options.connect_to.end()) {
        size_t colon = known->second.rfind(':');
        host = known->second.substr(0, colon);
        port = known->second.substr(colon + 1);
    }
    auto connecting = connect_upstream(connection, host, port);
    bool connected = co_await std::move(connecting);
    if (!connected) {
        auto refusing = refuse_connect(door, connection, 502, name + " cannot be reached");
        co_await std::move(refusing);
        co_return;
    }
    auto establishing = establish(door, connection);
    bool established = co_await std::move(establishing);
    if (!established) co_return;
    door->tell({name, "CONNECT", "", 200, 0, "passed through to the real host", ""});
    auto running = run_tunnel(connection, door->options.tunnel_idle_timeout);
    co_await std::move(running);
}

Awaitable<void> connect(Door* door, ConnectionPtr connection) {
    Door::Judgement judged = door->judge(connection->request.host, !connection->input.empty());
    if (judged.host != nullptr) {
        auto serving = serve_host(door, connection, judged.host, judged.to.host);
        co_await std::move(serving);
    } else if (judged.tunnel) {
        auto passing = pass_through(door, connection, judged.to.host);
        co_await std::move(passing);
    } else {
        auto refusing = refuse_connect(door, connection, judged.status, judged.why);
        co_await std::move(refusing);
    }
}

Awaitable<void> serve_door(Door* door, ConnectionPtr connection) {
    using Progress = RequestParser::Progress;
    WireLimits limits{door->options.max_header, ServerOptions().max_body, true};
    for (;;) {
        RequestParser parser(limits);
        auto reading = read_request(&door->listening, connection, &parser);
        std::optional<Progress> progress = co_await std::move(reading);
        if (!progress) co_return;
        if (*progress == Progress::refused) {
            door->tell({"", "", "", parser.refusal().status, 0, "the request is not valid", ""});
        }
        if (*progress == Progress::done && parser.is_connect()) {
            connection->request = parser.take();
            auto connecting = connect(door, connection);
            co_await std::move(connecting);
            co_return;
        }
        auto answering = answer(&door->listening, connection, &parser, *progress, &door->plain);
        bool again = co_await std::move(answering);
        if (!again) co_return;
    }
}

}  // namespace

FrontDoor::Impl::Impl(FrontDoorOptions wanted)
    : options(std::move(wanted)),
      minted(options.mint, options.max_certificates),
      plain(told([this](const Request& request) { return answer_plain(request); }, "")),
      listening(server_options(options), [this](ConnectionPtr connection) {
          return serve_door(this, std::move(connection));
      }) {}

FrontDoor::Impl::Judgement FrontDoor::Impl::judge(const std::string& authority,
                                                  bool more_came) const {
    Judgement out;
    out.to = MUST(parse_authority(authority));  // the parser's own
    const std::string& name = out.to.host;
    // Bytes before the answer would be the tunnel's to one reader and a request to another.
    if (more_came) {
        out.status = 400;
        out.why = "nothing may follow CONNECT before its answer";
        return out;
    }
    out.status = 403;
    if (out.to.port != kHttps) {
        out.why = fmt::format("only port 443 can be connected to, not {}", *out.to.port);
        return out;
    }
    out.host = options.hosts.find(name);
    if (out.host != nullptr) return out;
    out.why = fmt::format("{} is not served here, and pass-through is off", name);
    if (!options.pass_through) return out;
    out.tunnel = !is_address_literal(name) && name.find('.') != std::string::npos;
    out.why = fmt::format("{} is no full host name, and only those are passed through", name);
    return out;
}

bool FrontDoor::Impl::is_own(const std::string& host) const {
    return host == fmt::format("localhost:{}", listening.port) ||
           host == fmt::format("127.0.0.1:{}", listening.port);
}

Response FrontDoor::Impl::answer_pages(const Request& request) const {
    if (options.pages) return call_handler(options.pages, request);
    return refuse(404, "there is nothing at this path");
}

Response FrontDoor::Impl::answer_absolute(const Request& request) const {
    Result<Url> url = Url::parse(request.target);
    if (!url) return refuse(400, "the URL is not valid");
    if (url->scheme != "http") return refuse(400, "https goes through CONNECT");
    const HostTable::Host* host =
        url->port == kHttp ? options.hosts.find_plain(url->host) : nullptr;
    if (host == nullptr) {
        return refuse(403, fmt::format("{} is not served here over plain http", url->origin()));
    }
    if (request.body.size() > host->max_body) return refuse(413, "the request body is too long");
    return call_handler(host->handler, request);
}

Response FrontDoor::Impl::answer_plain(const Request& request) const {
    if (is_own(to_lower(request.host))) return answer_pages(request);
    if (request.target.starts_with('/')) {
        return refuse(421, "this is a proxy: its own pages are at http://localhost:" +
                               std::to_string(listening.port));
    }
    return answer_absolute(request);
}

Response FrontDoor::Impl::answer_inside(const Request& request, const std::string& name,
                                        const Handler& handler) {
    Result<Authority> asked = parse_authority(request.host);
    if (!asked || asked->host != name || asked->port.value_or(kHttps) != kHttps) {
        return refuse(421, "this connection is for " + name);
    }
    return call_handler(handler, request);
}

Handler FrontDoor::Impl::told(Handler handler, std::string name) const {
    return [this, handler = std::move(handler), name = std::move(name)](const Request& request) {
        Stopwatch stopwatch;
        Response response = handler(request);
        std::string host = name;
        if (host.empty()) {
            Result<Authority> asked = parse_authority(request.host);
            if (asked) host = asked->host;
        }
        tell({host, request.method, path_of(request.target), response.status, stopwatch.seconds(),
              "", request.headers.get("User-Agent")});
        return response;
    };
}

void FrontDoor::Impl::tell(const DoorEvent& event) const {
    if (options.on_event) options.on_event(event);
}

FrontDoor::FrontDoor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

FrontDoor::~FrontDoor() = default;

Result<std::unique_ptr<FrontDoor>> FrontDoor::start(FrontDoorOptions options) {
    auto impl = std::make_unique<Impl>(std::move(options));
    TRY(impl->listening.start());
    return std::unique_ptr<FrontDoor>(new FrontDoor(std::move(impl)));
}

uint16_t FrontDoor::port() const {
    return impl_->listening.port;
}

void FrontDoor::stop() {
    impl_->listening.stop();
}

}  // namespace vouchsafe::net
