#include "vouchsafe/cloud/service.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

namespace {

Result<void> check_config(const Config& config) {
    if (!is_guid(config.callers.tenant)) {
        return fail(Code::invalid, "the tenant '{}' must be a GUID", config.callers.tenant);
    }
    if (!is_guid(config.subscription_id)) {
        return fail(Code::invalid, "the subscription '{}' must be a GUID", config.subscription_id);
    }
    if (config.audiences.empty()) return fail(Code::invalid, "an audience must be given");
    for (const std::string& owner : config.owners) {
        if (!is_guid(owner)) return fail(Code::invalid, "the owner '{}' must be a GUID", owner);
    }
    return {};
}

net::Response problem_response(const Problem& problem) {
    return net::json_response(problem.status, {{"error", problem.to_json()}});
}

}  // namespace

net::Response respond(const Answer& answer) {
    if (answer.body.is_null()) return {answer.status};
    return net::json_response(answer.status, answer.body);
}

net::Response list_response(Json values) {
    return net::json_response(200, {{"value", std::move(values)}});
}

Outcome<Json> parse_body(const net::Request& request) {
    Result<Json> body = parse_json_object(request.body);
    if (body) return std::move(*body);
    return refuse(400, "InvalidRequestContent",
                  "The request content was invalid and could not be deserialized: '{}'.",
                  body.error().message);
}

std::string filter_value(const net::Request& request, std::string_view name) {
    const std::string* filter = request.query_value("$filter");
    if (filter == nullptr) return "";
    const std::string lower = to_lower(*filter);
    const std::string wanted = to_lower(name) + " eq '";
    size_t at = lower.find(wanted);
    if (at == std::string::npos || (at > 0 && lower[at - 1] != ' ' && lower[at - 1] != '(')) {
        return "";
    }
    std::string out;
    for (at += wanted.size(); at < filter->size(); ++at) {
        if ((*filter)[at] == '\'') {
            if (at + 1 == filter->size() || (*filter)[at + 1] != '\'') return out;
            ++at;
        }
        out += (*filter)[at];
    }
    return "";
}

bool filter_has(const net::Request& request, std::string_view word) {
    const std::string* filter = request.query_value("$filter");
    return filter != nullptr && to_lower(*filter).find(to_lower(word)) != std::string::npos;
}

Service::Impl::Impl(Config settings, Dependencies dependencies)
    : config(std::move(settings)), deps(dependencies), key_sets(deps.fetch, deps.clock) {
    add_routes(*this);
}

Outcome<Call> Service::Impl::admit(const net::Request& request) {
    Checks checks;
    auto caller = access::verify_caller(request, config.callers, config.audiences, key_sets,
                                        deps.clock.now(), checks);
    if (!caller && caller.error().code == Code::unauthenticated) {
        const bool shown = request.headers.find("Authorization") != nullptr;
        return refuse(401, shown ? "InvalidAuthenticationToken" : "AuthenticationFailed", "{}",
                      shown ? "The access token is invalid."
                            : "Authentication failed. The 'Authorization' header is missing.");
    }
    access::Caller known = TRY(std::move(caller));
    Call call{request, std::move(known), "", false};
    for (const std::string& owner : config.owners) {
        call.owner = call.owner || equal_ignore_case(owner, call.caller.object_id);
    }
    const std::string* version = request.query_value("api-version");
    if (version == nullptr || version->empty()) {
        return refuse(400, "MissingApiVersionParameter",
                      "The api-version query parameter (?api-version=) is required for all "
                      "requests.");
    }
    call.api_version = *version;
    return call;
}

net::Response Service::Impl::answer(const net::Request& request, Operation operation) {
    Outcome<net::Response> done = [&]() -> Outcome<net::Response> {
        Call call = TRY(admit(request));
        if (request.body.size() > config.max_body) {
            return refuse(413, "RequestContentTooLarge", "The request has more than {} bytes.",
                          config.max_body);
        }
        return (this->*operation)(call);
    }();
    if (done) return std::move(*done);
    net::Response response = problem_response(done.error());
    if (response.status == 401) {
        response.headers.set(
            "WWW-Authenticate",
            fmt::format("Bearer authorization_uri=\"{}/{}\", error=\"invalid_token\", "
                        "error_description=\"{}\"",
                        config.callers.login_authority, config.callers.tenant,
                        "The access token is missing or invalid."));
    }
    return response;
}

Result<std::optional<Resource>> Service::Impl::read(std::string_view id) const {
    std::optional<Resource> out;
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        out = TRY(read_resource(view, id));
        return {};
    }));
    return out;
}

Result<std::vector<Resource>> Service::Impl::all_below(std::string_view prefix) const {
    std::vector<Resource> out;
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        out.clear();
        return scan_resources(view, prefix,
                              [&](Resource resource) { out.push_back(std::move(resource)); });
    }));
    return out;
}

Outcome<void> Service::Impl::check_subscription(const ResourceId& id) const {
    if (id.subscription.empty() || equal_ignore_case(id.subscription, config.subscription_id)) {
        return {};
    }
    return refuse(404, "SubscriptionNotFound", "The subscription '{}' could not be found.",
                  id.subscription);
}

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::create(Config config, Dependencies deps) {
    TRY(check_config(config));
    auto impl = std::make_unique<Impl>(std::move(config), deps);
    return std::unique_ptr<Service>(new Service(std::move(impl)));
}

net::Handler Service::handler() {
    return
        [impl = impl_.get()](const net::Request& request) { return impl->router.handle(request); };
}

size_t Service::max_body() const {
    return impl_->config.max_body;
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->router.route_of(request);
}

Outcome<std::unique_lock<std::mutex>> Service::Impl::begin_writing() {
    std::unique_lock lock(writing);
    if (unwritten.empty()) return lock;
    TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
        for (const Ending& one : unwritten) TRY(one(tx));
        return {};
    }));
    unwritten.clear();
    return lock;
}

Result<void> Service::Impl::end_writing(Ending ending) {
    Result<void> done = deps.store.run(ending);
    if (done) return done;
    unwritten.push_back(std::move(ending));
    return done;
}

void Service::Impl::forget_pending(const std::string& id) {
    [[maybe_unused]] auto later =
        end_writing([id](store::Transaction& tx) -> Result<void> { return erase_pending(tx, id); });
}

Outcome<void> Service::Impl::finish(Pending& pending, const Resource* before) {
    switch (pending.what) {
        case Pending::What::put:
            return save(pending.resource, before);
        case Pending::What::remove:
            return erase_tree(pending.resource);
        case Pending::What::recover:
            return restore_deleted(pending.resource);
        case Pending::What::purge:
            return purge_deleted(pending.resource);
    }
    return refuse(500, "InternalServerError", "there is no such operation");
}

Result<size_t> Service::resume() {
    std::lock_guard lock(impl_->writing);
    std::vector<Pending> pending;
    TRY(impl_->deps.store.read([&](store::View& view) -> Result<void> {
        pending = TRY(read_all_pending(view));
        return {};
    }));
    for (Pending& one : pending) {
        std::optional<Resource> before = TRY(impl_->read(one.resource.id));
        Outcome<void> done = impl_->finish(one, before ? &*before : nullptr);
        if (done) continue;
        log_event(LogLevel::error, "an operation that a crash interrupted could not be ended",
                  {{"resource", one.resource.id}, {"error", done.error().message}});
        TRY(impl_->deps.store.run([&](store::Transaction& tx) -> Result<void> {
            return erase_pending(tx, one.resource.id);
        }));
    }
    return pending.size();
}

Result<void> Service::while_quiet(const std::function<Result<void>()>& work) {
    std::lock_guard lock(impl_->writing);
    return work();
}

Result<Json> Service::find(std::string_view id) const {
    Outcome<ResourceId> parsed = ResourceId::parse(id);
    if (!parsed) return fail(Code::invalid, "{}", parsed.error().message);
    Outcome<Json> item = impl_->get_item(*parsed);
    if (!item) return fail(Code::not_found, "{}", item.error().message);
    return std::move(*item);
}

Result<Json> Service::put(std::string_view id, const Json& body) {
    const net::Request none;
    const Call call{none, {}, "2021-04-01", true};
    Outcome<ResourceId> parsed = ResourceId::parse(id);
    if (!parsed) return fail(Code::invalid, "{}", parsed.error().message);
    auto lock = impl_->begin_writing();
    if (!lock) return fail(Code::unavailable, "{}", lock.error().message);
    Outcome<Answer> done = impl_->put(call, *parsed, body);
    if (!done) {
        const int status = done.error().status;
        const Code code = status == 404   ? Code::not_found
                          : status == 409 ? Code::conflict
                          : status < 500  ? Code::invalid
                                          : Code::internal;
        return fail(code, "{}", done.error().message);
    }
    return std::move(done->body);
}

Result<std::vector<Resource>> Service::resources_of(std::string_view type) const {
    std::vector<Resource> out;
    for (Resource& resource : TRY(impl_->all_below("/"))) {
        if (resource.is_a(type)) out.push_back(std::move(resource));
    }
    return out;
}

}  // namespace vouchsafe::cloud
