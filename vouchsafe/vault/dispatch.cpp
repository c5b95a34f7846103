#include "vouchsafe/vault/dispatch.h"

#include <algorithm>

#include "vouchsafe/access/network.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/net/pending.h"
#include "vouchsafe/vault/object_kind.h"

namespace vouchsafe::vault {

namespace {

// load_for reads what the operation needs of its object. That it is not there is told by the
// operation, in its turn.
void load_for(store::View& view, Core& core, Call& call) {
    if (call.operation.needs == Needs::nothing) return;
    call.loaded = load_object(view, core.remembered, kind_of(call), call);
}

std::string path_parameter(const net::Request& request, const char* name) {
    auto found = request.params.find(name);
    return found == request.params.end() ? "" : found->second;
}

// read_names takes key and version from the path.
Result<void> read_names(Call& call) {
    const std::string key = path_parameter(call.request, "name");
    if (!key.empty() && !is_object_name(key)) {
        return fail(Code::invalid, "a name in {} has 1 to 127 characters of 0-9, a-z, A-Z and -",
                    call.operation.collection);
    }
    call.key = key;
    const std::string version = path_parameter(call.request, "version");
    if (!version.empty() && !is_version(version)) {
        return fail(Code::not_found, "This version was not found in {} of this key vault.",
                    call.operation.collection);
    }
    call.key_version = version;
    return {};
}

// forget_judgement makes it a call that nobody has looked at but for its address.
void forget_judgement(Call& call) {
    call.vault.reset();
    call.judged_vault.reset();
    call.version.reset();
    call.caller = {};
    call.key.clear();
    call.key_version.clear();
    call.checks = {};
    call.details = Json::object();
    call.throttled.reset();
    call.loaded.reset();
    call.basis = {};
}

// uses_secret: what it does is recorded by transact, which tells whether what was remembered of the
// store is still so. Others would have to ask the store anyway.
bool uses_secret(const Operation& operation) {
    return operation.audited && operation.needs == Needs::object_and_material;
}

bool is_refusal(const Error& error) {
    return error.reason() != nullptr || error.code == Code::forbidden;
}

// caller_name is whom a known caller is counted as: what one tenant's issuer calls him is no word
// on another tenant's.
std::string caller_name(const Call& call) {
    return call.vault->tenant + "/" + call.caller.object_id;
}

void add_headers(net::Response& response) {
    response.headers.set("Cache-Control", "no-cache");
    response.headers.set("Pragma", "no-cache");
    response.headers.set("Expires", "-1");
    response.headers.set("X-Content-Type-Options", "nosniff");
    response.headers.set("Strict-Transport-Security", "max-age=31536000;includeSubDomains");
}

// is_own_fault tells what says nothing about who asked.
bool is_own_fault(const Error& error) {
    return error.code == Code::io || error.code == Code::internal ||
           error.code == Code::unavailable;
}

}  // namespace

Dispatcher::Dispatcher(Core& core) : core_(core) {
    for (const std::vector<Route>* table : {&routes(), &secrets::routes()}) {
        for (const Route& route : *table) {
            router_.add(route.method, route.path, [this, &route](const net::Request& request) {
                return run(route.operation, request);
            });
        }
    }
}

net::Response Dispatcher::handle(const net::Request& request) {
    // Who shows nothing is counted by address before any work. Who shows a credential is judged by
    // it, however many strangers share the address, and counted so only if it makes nobody known.
    std::optional<net::Throttled> over;
    if (!access::shows_credential(request)) over = count_stranger(request);
    net::Response response;
    if (over) {
        response = net::throttled_response(*over, request);
        response.headers.set("x-ms-request-id", crypto::random_uuid());
    } else {
        response = answer(request);
    }
    return net::finished(std::move(response), add_headers);
}

std::optional<net::Throttled> Dispatcher::count_stranger(const net::Request& request) {
    if (!core_.limits) return std::nullopt;
    return core_.limits->take(net::LimitScope::address, request.remote);
}

net::Response Dispatcher::answer(const net::Request& request) {
    net::Response response = router_.handle(request);
    const bool no_route =
        response.status == 405 || (response.status == 404 && router_.route_of(request).empty());
    // Nothing there looks at a credential.
    if (no_route && access::shows_credential(request)) {
        if (auto over = count_stranger(request)) {
            net::Response throttled = net::throttled_response(*over, request);
            throttled.headers.set("x-ms-request-id", response.headers.get("x-ms-request-id"));
            return throttled;
        }
    }
    if (no_route && request.headers.find("Authorization") == nullptr) {
        Result<Address> address = Address::parse(request.host, core_.config.dns_suffixes);
        Result<KnownVault> vault =
            address ? read_vault_now(*address) : Result<KnownVault>(fail(address.error()));
        if (vault) response = challenge((*vault)->stored.info, std::move(response));
    }
    return response;
}

// challenge turns an answer into the one that makes clients get a token (azure-api A.12): a blank
// after the comma, no further segment in the authorization URL.
net::Response Dispatcher::challenge(const VaultInfo& vault, net::Response response) const {
    if (response.status != 401) {
        net::Response body = net::error_response(
            401, "Unauthorized", "AKV10000: Request is missing a Bearer or PoP token.");
        response.status = 401;
        response.body = std::move(body.body);
        response.headers.set("Content-Type", body.headers.get("Content-Type"));
    }
    response.headers.set(
        "WWW-Authenticate",
        fmt::format("Bearer authorization=\"{}/{}\", resource=\"{}\"",
                    core_.vouching.get().login_of(vault.tenant, core_.config.login_authority),
                    vault.tenant, core_.config.resource));
    return response;
}

Result<void> Dispatcher::count(Call& call, net::LimitScope scope, std::string_view name) {
    const std::pair<net::LimitScope, std::string> one(scope, name);
    if (!core_.limits || std::ranges::count(call.counted_for, one) > 0) return {};
    call.throttled = core_.limits->take(scope, name);
    if (!call.throttled) {
        call.counted_for.push_back(one);
        return {};
    }
    return fail(Code::unavailable, "over the limit of one {}", net::limit_scope_name(scope));
}

Result<Json> Dispatcher::judge_and_act(Call& call, From from) {
    call.address = TRY(Address::parse(call.request.host, core_.config.dns_suffixes));
    TRY(judge(call, from));
    TRY(count(call, net::LimitScope::service, call.vault->name));
    return call.operation.act(core_, call);
}

Result<Dispatcher::KnownVault> Dispatcher::read_vault_now(const Address& address) {
    std::optional<StoredVault> vault;
    TRY(core_.store.read([&](store::View& view) -> Result<void> {
        vault = TRY(read_stored_vault(view, address.vault));
        return {};
    }));
    if (!vault || vault->info.deleted) {
        return fail(Code::not_found, "there is no vault {} here", address.vault);
    }
    const Config& config = core_.config;
    access::CallerRules callers(
        {config.login_authority, config.issuer_base, vault->info.tenant, config.token_skew},
        {config.resource});
    auto known = std::make_shared<const Known>(std::move(*vault), std::move(callers));
    vaults_.keep(to_bytes(address.vault), known);
    return known;
}

Result<void> Dispatcher::judge(Call& call, From from) {
    for (bool again = false;; again = true) {
        KnownVault vault = again ? nullptr : vaults_.find(to_bytes(call.address.vault));
        if (!vault) vault = TRY(read_vault_now(call.address));
        call.vault = {vault, &vault->stored.info};
        call.judged_vault = {vault, &vault->stored};
        const Result<void> met = meet_caller(call, vault->callers);
        bool same = true;
        Result<void> judged;
        const auto look = [&](store::View& view) -> Result<void> {
            same = TRY(is_vault_as_stored(view, call.address.vault, vault->stored.record));
            if (!met || (!same && !again)) return {};
            judged = authorize_call(view, core_, call, call.checks);
            if (judged) load_for(view, core_, call);
            return {};
        };
        // Whoever is not known is not judged further, and may be anybody.
        const bool recalls = from == From::memory && met && !again;
        TRY(recalls ? core_.store.recall(look, call.basis) : core_.store.read(look));
        if (same || again) return met ? judged : met;
        forget_judgement(call);
    }
}

Result<void> Dispatcher::meet_caller(Call& call, const access::CallerRules& rules) {
    TRY(access::check_network(call.vault->networks, call.request.remote, call.checks));
    call.caller = TRY(access::verify_caller(call.request, rules, core_.key_sets, core_.clock.now(),
                                            call.checks, core_.vouching.get()));
    TRY(count(call, net::LimitScope::principal, caller_name(call)));
    TRY(read_names(call));
    call.version = TRY(ApiVersion::parse(call.request.query_value("api-version")));
    if (call.operation.locate != nullptr) TRY(call.operation.locate(core_, call));
    return {};
}

net::Response Dispatcher::run(const Operation& operation, const net::Request& request) {
    const auto attempt = std::make_shared<Attempt>(operation, request);
    std::optional<net::Response> answered;
    if (uses_secret(operation)) answered = try_run(attempt, From::memory);
    if (!answered) answered = try_run(attempt, From::store);
    return std::move(*answered);
}

// An empty transaction: nothing is written.
bool Dispatcher::is_outdated(const Call& call) {
    if (call.outdated || !call.basis.recalled) return call.outdated;
    bool holds = true;
    const auto asked = core_.store.run([&](store::Transaction& tx) -> Result<void> {
        holds = TRY(tx.still_holds(call.basis));
        return {};
    });
    return asked && !holds;
}

std::optional<net::Response> Dispatcher::try_run(const AttemptPtr& attempt, From from) {
    const net::Request& request = attempt->request;
    Call& call = attempt->call.emplace(Call{
        .request = request, .operation = attempt->operation, .counted_for = attempt->counted_for});
    call.request_id = request.params.at("request_id");
    store::Expected expected(uses_secret(attempt->operation) ? &core_.store : nullptr);
    Result<Json> done = judge_and_act(call, from);
    expected.end();
    if (!done || !call.recording) return conclude(call, done);
    if (attempt->may_pend) return pend(attempt);
    const Result<void> recorded = transact(core_, call, call.recording->work);
    return conclude(call,
                    recorded ? call.recording->answer() : Result<Json>(fail(recorded.error())));
}

net::Response Dispatcher::pend(const AttemptPtr& attempt) {
    auto begin = [this, attempt](net::Pending::Ready ready) {
        Call& call = *attempt->call;
        transact_later(core_, call, call.recording->work,
                       [attempt, ready = std::move(ready)](Result<void> recorded) {
                           attempt->recorded = std::move(recorded);
                           ready();
                       });
    };
    auto finish = [this, attempt]() -> std::optional<net::Response> {
        if (!attempt->recorded) return std::nullopt;
        return conclude(*attempt->call, attempt->call->recording->answer());
    };
    auto again = [this, attempt] {
        auto answered = conclude(*attempt->call, fail(attempt->recorded.error()));
        attempt->may_pend = false;
        if (!answered) answered = try_run(attempt, From::store);
        return std::move(*answered);
    };
    net::Response response;
    response.pending = std::make_shared<net::Pending>(attempt->request, begin, finish, again);
    return response;
}

std::optional<net::Response> Dispatcher::conclude(Call& call, const Result<Json>& done) {
    const Operation& operation = call.operation;
    const net::Request& request = call.request;
    if (!done && is_outdated(call)) return std::nullopt;
    const bool stranger = !done && call.caller.object_id.empty() && !is_own_fault(done.error());
    if (stranger && access::shows_credential(request)) call.throttled = count_stranger(request);
    tell_verdict(call, done ? nullptr : &done.error());
    if (done) return done->is_null() ? net::Response{204, {}, ""} : net::json_response(200, *done);

    // Not recorded one by one: what is over a limit did nothing and would fill the log.
    if (call.throttled) return net::throttled_response(*call.throttled, request);
    const Error& error = done.error();
    record_failure(call, error);
    // What others asked for is as unknown as what nobody asked for.
    const bool hidden = operation.locate != nullptr && error.code == Code::forbidden;
    net::Response response =
        hidden
            ? refusal_answer(no_explanation(), true, call.request_id, operation.collection)
            : refusal_answer(error, call.vault != nullptr, call.request_id, operation.collection);
    if (response.status == 401) response = challenge(*call.vault, std::move(response));
    return response;
}

void Dispatcher::tell_verdict(const Call& call, const Error* error) const {
    if (!core_.on_verdict) return;
    Verdict verdict{call.operation.name, audit::Outcome::allowed, ""};
    if (error != nullptr) {
        const Check* reason = error->reason();
        verdict.outcome = is_refusal(*error) ? audit::Outcome::refused : audit::Outcome::failed;
        verdict.code =
            reason != nullptr ? std::string_view(reason->code) : code_info(error->code).name;
        if (call.throttled) verdict.code = "throttled";
    }
    core_.on_verdict(verdict);
}

void Dispatcher::record_failure(const Call& call, const Error& error) {
    const bool refused = is_refusal(error);
    const LogLevel level = is_own_fault(error) ? LogLevel::error : LogLevel::info;
    log_event(level, "request refused",
              {{"request_id", call.request_id},
               {"operation", call.operation.name},
               {"reason", error.message}});
    if (!refused && !call.operation.audited) return;
    const bool known = !call.caller.object_id.empty();
    // A request without any token is how every client begins; it is no event.
    if (!known && call.request.headers.find("Authorization") == nullptr) return;
    const Time now = core_.clock.now();
    const std::optional<uint64_t> unrecorded =
        known ? known_callers_.pass(caller_name(call), now)
              : unknown_callers_.pass(call.vault ? call.vault->name : "", now);
    if (!unrecorded) return;

    audit::Entry entry = make_entry(core_, call);
    entry.outcome = refused ? audit::Outcome::refused : audit::Outcome::failed;
    entry.reason = error.message;
    if (!error.checks.empty()) entry.checks = error.checks;
    if (*unrecorded > 0) entry.details["unrecorded_before"] = *unrecorded;
    if (Result<uint64_t> recorded = core_.log.append(entry); !recorded) {
        log_event(LogLevel::error, "a refusal could not be recorded",
                  {{"request_id", call.request_id}, {"problem", recorded.error().message}});
    }
}

}  // namespace vouchsafe::vault
