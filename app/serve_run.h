// How `serve` runs a service: its listener, the certificate that it takes up without a restart, the
// work beside its requests, and its end.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "app/context.h"
#include "app/serve_operate.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::app {

// ListenSettings are those of every service; the TLS ones not of a metadata service.
struct ListenSettings {
    std::string listen = "127.0.0.1:0";
    std::string tls_cert;
    std::string tls_key;
    std::string client_ca;
    std::vector<std::string> client_crls;
    std::string client_certificates = "optional";
    unsigned max_connections = static_cast<unsigned>(net::ServerOptions().max_connections);
    // Default: three quarters of them, so that one address never has all.
    std::optional<unsigned> max_connections_per_address;
};

void add_listen_settings(Command command, ListenSettings& settings);
void add_tls_settings(Command command, ListenSettings& settings);
// add_client_settings: certificates of clients, for services whose operators call them.
void add_client_settings(Command command, ListenSettings& settings);

// tls_for reads the certificate and key that were given; a laboratory without makes its own, for
// `names`. Code::invalid for what cannot be used.
Result<net::TlsIdentity> tls_for(const Context& context, const ListenSettings& settings,
                                 const lab::DataDirectory& directory,
                                 std::vector<std::string> names);

Result<net::ServerOptions> server_options(const ListenSettings& settings, std::string name,
                                          std::optional<net::TlsIdentity> tls);

// Chore is work that a service does beside its requests: at the start, and again as often as that.
struct Chore {
    std::chrono::seconds every{0};
    std::function<void()> work = nullptr;
};

// vault_chore rotates the keys that are due, and purges what was deleted longer ago than its vault
// keeps it. What fails is logged. Borrows the service.
Chore vault_chore(vault::Service& service);

// Watched is files that are taken up anew by `take_up`, which logs what is no good and then changes
// nothing: when one of them changes, and at SIGHUP.
struct Watched {
    std::vector<std::string> files;
    std::function<void()> take_up;
};

// Running is what a service runs with.
struct Running {
    net::ServerOptions options;
    net::Handler handler;
    std::vector<net::HealthCheck> checks = {};  // it is ready as long as these hold
    std::vector<Chore> chores = {};
    std::function<void()> last = [] {};  // done once everything was answered
    // Told of a new certificate before the listener has it; if that fails, the old one stays.
    std::function<Result<void>(const net::TlsIdentity&)> on_new_tls = nullptr;
    std::vector<Watched> watched = {};  // besides the listener's own files
};

// run_until_interrupted serves, tells where, and stops in order at Ctrl-C or SIGTERM: it is no
// longer ready, then answers what it was asked, then ends. What is watched, certificate, key and
// what is asked of clients among it, is read again when it changes and at SIGHUP; what is no good
// is logged, and the old stays.
Result<int> run_until_interrupted(const Context& context, const ListenSettings& settings,
                                  Operators& operators, Running running);

}  // namespace vouchsafe::app
