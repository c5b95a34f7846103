#include "app/serve_operate.h"

#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::app {

namespace {

constexpr std::string_view kProbeTable = "health";
constexpr std::string_view kProbeKey = "probe";

Result<void> read_probe(store::Store& store) {
    return store.read([](store::View& view) -> Result<void> {
        TRY(view.get(kProbeTable, kProbeKey));
        return {};
    });
}

// write_probe leaves no record, and yet is committed: a disk that is full or gone shows only then.
Result<void> write_probe(store::Store& store) {
    return store.run([](store::Transaction& tx) -> Result<void> {
        TRY(tx.put(kProbeTable, kProbeKey, {}));
        TRY(tx.erase(kProbeTable, kProbeKey));
        return {};
    });
}

}  // namespace

Result<void> set_address(net::ServerOptions& options, const std::string& text,
                         std::string_view option) {
    size_t colon = text.rfind(':');
    auto url = net::Url::parse("http://" + text);
    bool any_port = text.ends_with(":0");
    if (colon == std::string::npos || (!url && !any_port)) {
        return fail(Code::invalid, "{} takes ADDRESS:PORT, for example 127.0.0.1:8443", option);
    }
    options.address = text.substr(0, colon);
    options.port = any_port ? uint16_t{0} : url->port;
    return {};
}

Operators::Operators(std::string service, store::Store& store)
    : store_(store),
      tls_reloads_(metrics_.counter<1>("vouchsafe_tls_reloads_total",
                                       "Certificates of the listener read anew, done or failed.",
                                       {"outcome"})),
      operate_(std::move(service), metrics_,
               {{"store_readable", [&store] { return read_probe(store); }}}) {}

Operators::~Operators() {
    if (server_ != nullptr) server_->stop();
}

Result<std::unique_ptr<Operators>> Operators::start(const Context& context, std::string service,
                                                    const std::string& address,
                                                    store::Store& store) {
    std::unique_ptr<Operators> out(new Operators(service, store));
    out->metrics_
        .gauge<2>("vouchsafe_build_info", "Always 1; which service of which version.",
                  {"service", "version"})
        .set({service, context.version}, 1);
    out->metrics_
        .gauge<0>("process_start_time_seconds", "When the process started, in Unix time.", {})
        .set({}, static_cast<double>(to_unix(context.clock.now())));
    if (address.empty()) return out;

    net::ServerOptions options;
    TRY(set_address(options, address, "--operate"));
    options.name = "operate";
    options.max_body = 0;
    options.max_connections = 32;
    options.workers = 2;
    std::string host = options.address;
    out->server_ = TRY(net::Server::start(std::move(options), out->operate_.handler()));
    out->url_ = fmt::format("http://{}:{}", host, out->server_->port());
    return out;
}

std::string Operators::url() const {
    return url_;
}

net::Handler Operators::observe(net::Handler handler, net::RouteOf route_of) {
    return net::observed(std::move(handler), std::move(route_of), metrics_);
}

std::function<void(std::string_view, const attest::Verdict&)> Operators::count_attestations() {
    auto verdicts = metrics_.counter<3>(
        "vouchsafe_attestations_total",
        "Requests for a token; code: the check that refused, or the error that failed.",
        {"type", "verdict", "code"});
    auto duration = metrics_.histogram<1>("vouchsafe_attestation_duration_seconds",
                                          "Seconds from a request for a token to its answer.",
                                          {"type"}, kLatencyBounds);
    auto by_provider = metrics_.counter<2>("vouchsafe_provider_attestations_total",
                                           "Requests for a token, by attestation provider.",
                                           {"provider", "verdict"});
    return [verdicts, duration, by_provider](std::string_view provider,
                                             const attest::Verdict& verdict) mutable {
        by_provider.add({provider, audit::outcome_name(verdict.outcome)});
        verdicts.add({verdict.type, audit::outcome_name(verdict.outcome), verdict.code});
        duration.observe({verdict.type}, verdict.seconds);
    };
}

std::function<void(const vault::Verdict&)> Operators::count_operations() {
    auto verdicts = metrics_.counter<3>(
        "vouchsafe_vault_operations_total",
        "Operations on vaults; code: the check that refused, or the error that failed.",
        {"operation", "verdict", "code"});
    return [verdicts](const vault::Verdict& verdict) mutable {
        verdicts.add({verdict.operation, audit::outcome_name(verdict.outcome), verdict.code});
    };
}

std::function<void(net::LimitScope)> Operators::count_throttled() {
    auto throttled = metrics_.counter<1>(
        "vouchsafe_throttled_requests_total",
        "Requests over a limit, answered with 429; scope: whose limit it was.", {"scope"});
    return [throttled](net::LimitScope scope) mutable {
        throttled.add({net::limit_scope_name(scope)});
    };
}

void Operators::show_end_of(const crypto::Certificate& certificate) {
    if (!tls_end_) {
        tls_end_ = metrics_.gauge<0>(
            "vouchsafe_tls_certificate_end_seconds",
            "When the certificate of the service's listener ends, in Unix time.", {});
    }
    tls_end_->set({}, static_cast<double>(to_unix(certificate.not_after())));
}

void Operators::count_tls_reload(bool done) {
    tls_reloads_.add({done ? "done" : "failed"});
}

void Operators::accept(std::vector<net::HealthCheck> checks) {
    checks.insert(checks.begin(), {"store_writable", [this] { return write_probe(store_); }});
    operate_.accept(std::move(checks));
}

void Operators::stop_accepting() {
    operate_.stop_accepting();
}

}  // namespace vouchsafe::app
