#include "vouchsafe/net/front_door.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/front_door_impl.h"

namespace vouchsafe::net {

namespace {

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

namespace {

using Door = FrontDoor::Impl;

Awaitable<void> serve_door(Door* door, ConnectionPtr connection) {
    using Progress = RequestParser::Progress;
    WireLimits limits{door->options.max_header, ServerOptions().max_body, true};
    for (;;) {
        auto waiting = wait_for_request(&door->listening, connection);
        bool begun = co_await std::move(waiting);
        if (!begun) co_return;
        RequestParser parser(limits);
        auto reading = read_request(&door->listening, connection, &parser);
        std::optional<Progress> progress = co_await std::move(reading);
        if (!progress) co_return;
        if (*progress == Progress::refused) {
            door->tell({"", "", "", parser.refusal().status, 0, "the request is not valid", ""});
        }
        if (*progress == Progress::done && parser.is_connect()) {
            connection->request = parser.take();
            auto connecting = serve_connect(door, connection);
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
    : hosts(std::make_shared<const HostTable>(std::exchange(wanted.hosts, {}))),
      options(std::move(wanted)),
      minted(options.mint, options.max_certificates),
      plain(told([this](const Request& request) { return answer_plain(request); }, "", "")),
      serves([this](const std::string& name) { return table()->find(name) != nullptr; }),
      listening(server_options(options), [this](ConnectionPtr connection) {
          return serve_door(this, std::move(connection));
      }) {}

Result<void> FrontDoor::Impl::start() {
    naming = TRY(make_naming_context(&serves));
    return listening.start();
}

std::shared_ptr<const HostTable> FrontDoor::Impl::table() const {
    std::lock_guard lock(hosts_mutex);
    return hosts;
}

void FrontDoor::Impl::change_table(const std::function<void(HostTable&)>& change) {
    std::shared_ptr<const HostTable> before;  // destroyed after the lock was given back
    std::lock_guard lock(hosts_mutex);
    auto changed = std::make_shared<HostTable>(*hosts);
    change(*changed);
    before = std::exchange(hosts, std::move(changed));
}

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
    out.served = table()->find(name) != nullptr;
    if (out.served) return out;
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
    std::shared_ptr<const HostTable> now = table();
    const HostTable::Host* host = url->port == kHttp ? now->find_plain(url->host) : nullptr;
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

Response FrontDoor::Impl::answer_inside(const Request& request, const std::string& name) const {
    Result<Authority> asked = parse_authority(request.host);
    if (!asked || asked->host != name || asked->port.value_or(kHttps) != kHttps) {
        return refuse(421, "this connection is for " + name);
    }
    std::shared_ptr<const HostTable> now = table();
    const HostTable::Host* host = now->find(name);
    if (host == nullptr) return refuse(421, name + " is not served here any more");
    if (request.body.size() > host->max_body) return refuse(413, "the request body is too long");
    return call_handler(host->handler, request);
}

Handler FrontDoor::Impl::told(Handler handler, std::string name, std::string entrance) const {
    return [this, handler = std::move(handler), name = std::move(name),
            entrance = std::move(entrance)](const Request& request) {
        Stopwatch stopwatch;
        Response response = handler(request);
        std::string host = name;
        if (host.empty()) {
            Result<Authority> asked = parse_authority(request.host);
            if (asked) host = asked->host;
        }
        tell({host, request.method, path_of(request.target), response.status, stopwatch.seconds(),
              "", request.headers.get("User-Agent"), entrance});
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
    TRY(impl->start());
    return std::unique_ptr<FrontDoor>(new FrontDoor(std::move(impl)));
}

uint16_t FrontDoor::port() const {
    return impl_->listening.port;
}

Result<uint64_t> FrontDoor::add_entrance(Entrance entrance) {
    return impl_->add_entrance(std::move(entrance));
}

void FrontDoor::remove_entrance(uint64_t id) {
    impl_->listening.remove(id);
}

void FrontDoor::set_host(const std::string& name, HostTable::Host host) {
    impl_->change_table([&](HostTable& table) { table.add(to_lower(name), std::move(host)); });
}

void FrontDoor::remove_host(const std::string& name) {
    impl_->change_table([&](HostTable& table) { table.remove(to_lower(name)); });
}

std::vector<std::string> FrontDoor::hosts() const {
    return impl_->table()->names();
}

void FrontDoor::stop() {
    impl_->listening.stop();
}

}  // namespace vouchsafe::net
