// What `serve` gives its operators: what a service counts, and the listener of --operate, which
// tells it and whether the service lives and is ready.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/context.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/net/observed.h"
#include "vouchsafe/net/operate.h"
#include "vouchsafe/store/store.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::app {

// set_address reads "ADDRESS:PORT" into the options; port 0 is any free one. Code::invalid names
// `option`, the one of the command line.
Result<void> set_address(net::ServerOptions& options, const std::string& text,
                         std::string_view option);

// Operators is thread-safe once started.
class Operators {
  public:
    // start listens at `address`, unless that is empty: then everything is counted and logged, and
    // nobody can ask. Until accept() the answer is "starting". Borrows the store. Errors as
    // set_address and net::Server::start.
    static Result<std::unique_ptr<Operators>> start(const Context& context, std::string service,
                                                    const std::string& address,
                                                    store::Store& store);
    ~Operators();

    std::string url() const;  // of the listener; "" without one

    // observe counts, times and logs the requests of a handler. Once.
    net::Handler observe(net::Handler handler, net::RouteOf route_of);
    // The counters of verdicts: once, each for its service. A provider is the host name of one that
    // was configured.
    std::function<void(std::string_view provider, const attest::Verdict&)> count_attestations();
    std::function<void(const vault::Verdict&)> count_operations();
    std::function<void(net::LimitScope)> count_throttled();
    // show_end_of tells when the listener's certificate ends, count_tls_reload how it came to be.
    void show_end_of(const crypto::Certificate& certificate);
    void count_tls_reload(bool done);

    // accept: ready, as long as the store can be written and `checks` hold. The checks may be
    // called until stop_accepting() returns.
    void accept(std::vector<net::HealthCheck> checks);
    void stop_accepting();

  private:
    Operators(std::string service, store::Store& store);

    store::Store& store_;
    Metrics metrics_;
    std::optional<Gauge<0>> tls_end_;  // with TLS
    Counter<1> tls_reloads_;
    net::Operate operate_;
    std::string url_;
    std::unique_ptr<net::Server> server_;  // last: it asks the others
};

}  // namespace vouchsafe::app
