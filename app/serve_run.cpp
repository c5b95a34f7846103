#include "app/serve_run.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <mutex>

#include "app/interrupt.h"
#include "app/show.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::app {

namespace {

using Instant = std::chrono::steady_clock::time_point;

constexpr std::chrono::seconds kLookAtFiles{5};
constexpr size_t kMaxRevocations = 4 << 20;

Result<net::TlsIdentity> read_tls(const ListenSettings& settings) {
    std::string chain = TRY(as_named(read_text_file(settings.tls_cert)));
    Bytes key = TRY(as_named(read_file(settings.tls_key, 64 << 10)));
    auto private_key = crypto::PrivateKey::from_pem(key);
    wipe(key);
    auto certificates =
        TRY(with_context(crypto::Certificate::parse_pem_bundle(chain), settings.tls_cert));
    auto checked_key = TRY(with_context(std::move(private_key), settings.tls_key));
    return net::TlsIdentity{std::move(certificates), std::move(checked_key)};
}

// Stamp tells one state of a file from another without reading it.
using Stamp = std::array<int64_t, 5>;
Stamp stamp_of(const std::string& file) {
    struct stat found {};
    if (::stat(file.c_str(), &found) != 0) return {};
    return {static_cast<int64_t>(found.st_dev), static_cast<int64_t>(found.st_ino), found.st_size,
            found.st_mtim.tv_sec, found.st_mtim.tv_nsec};
}

Result<net::ClientAuthentication> read_clients(const ListenSettings& settings) {
    net::ClientAuthentication out;
    out.required = settings.client_certificates == "required";
    if (settings.client_ca.empty() && (out.required || !settings.client_crls.empty())) {
        return fail(Code::invalid, "{} needs --client-ca FILE",
                    out.required ? "--client-certificates required" : "--client-crl");
    }
    if (settings.client_ca.empty()) return out;
    const std::string pem = TRY(as_named(read_text_file(settings.client_ca)));
    out.authorities =
        TRY(with_context(crypto::Certificate::parse_pem_bundle(pem), settings.client_ca));
    for (const std::string& file : settings.client_crls) {
        const Bytes list = TRY(as_named(read_file(file, kMaxRevocations)));
        out.revocations.push_back(TRY(with_context(crypto::Crl::parse_any(list), file)));
    }
    return out;
}

// Watcher takes files up anew. For one thread.
class Watcher {
  public:
    explicit Watcher(Watched watched) : watched_(std::move(watched)), seen_(stamps()) {}

    // look takes up what changed since it was last looked at, or, if `asked`, what is there.
    void look(bool asked) {
        auto now = stamps();
        if (now == seen_ && !asked) return;
        seen_ = std::move(now);  // what is written while it is read changes them again
        watched_.take_up();
    }

  private:
    std::vector<Stamp> stamps() const {
        std::vector<Stamp> out;
        for (const std::string& file : watched_.files) out.push_back(stamp_of(file));
        return out;
    }

    const Watched watched_;
    std::vector<Stamp> seen_;
};

// TlsFiles takes up a listener's certificate, and whose certificates of clients count, anew. For
// one thread.
class TlsFiles {
  public:
    // `made` is the listener's own certificate where that is no file.
    TlsFiles(const Context& context, const ListenSettings& settings, Operators& operators,
             net::Server& server, std::function<Result<void>(const net::TlsIdentity&)> on_new_tls,
             std::optional<net::TlsIdentity> made)
        : context_(context),
          settings_(settings),
          operators_(operators),
          server_(server),
          on_new_tls_(std::move(on_new_tls)),
          made_(std::move(made)) {}

    std::vector<std::string> names() const {
        std::vector<std::string> out = settings_.client_crls;
        for (const std::string& file :
             {settings_.tls_cert, settings_.tls_key, settings_.client_ca}) {
            if (!file.empty()) out.push_back(file);
        }
        return out;
    }

    void take_up() const {
        Result<crypto::Certificate> taken = try_to_take_up();
        operators_.count_tls_reload(taken.has_value());
        if (!taken) {
            log_event(LogLevel::error,
                      "a new TLS certificate, or what is new of clients' certificates, is no good; "
                      "all of the old stays",
                      {{"certificate", settings_.tls_cert},
                       {"key", settings_.tls_key},
                       {"client_ca", settings_.client_ca},
                       {"problem", taken.error().message}});
            return;
        }
        operators_.show_end_of(*taken);
        log_event(LogLevel::info, "new connections get the TLS certificate that was read now",
                  {{"certificate", settings_.tls_cert},
                   {"subject", taken->subject()},
                   {"serial", taken->serial_hex()},
                   {"ends", format_rfc3339(taken->not_after())}});
    }

  private:
    Result<crypto::Certificate> try_to_take_up() const {
        net::ClientAuthentication clients = TRY(read_clients(settings_));
        const bool is_file = !settings_.tls_cert.empty();
        net::TlsIdentity identity = is_file ? TRY(read_tls(settings_)) : made_.value();
        crypto::Certificate leaf = identity.chain.front();
        if (!(TRY(leaf.public_key()) == identity.key.public_key())) {
            return fail(Code::invalid, "the key does not belong to the certificate");
        }
        if (!leaf.valid_at(context_.clock.now())) {
            return fail(Code::invalid, "the certificate is valid from {} to {}",
                        format_rfc3339(leaf.not_before()), format_rfc3339(leaf.not_after()));
        }
        if (is_file && on_new_tls_) TRY(on_new_tls_(identity));
        TRY(server_.replace_tls(identity, std::move(clients)));
        return leaf;
    }

    const Context& context_;
    const ListenSettings& settings_;
    Operators& operators_;
    net::Server& server_;
    const std::function<Result<void>(const net::TlsIdentity&)> on_new_tls_;
    const std::optional<net::TlsIdentity> made_;
};

void show_listening(const Context& context, const std::string& name, const std::string& where,
                    const std::string& operate) {
    if (context.json) {
        Json told = {{"service", name}, {"listening", where}};
        if (!operate.empty()) told["operate"] = operate;
        write_out(dump_json(told) + "\n");
        return;
    }
    std::string operators = operate.empty() ? "" : fmt::format(", for operators on {}", operate);
    write_out(fmt::format("{} listens on {}{}; Ctrl-C stops it\n", name, where, operators));
}

// Signals is what the thread that takes signals tells the one that runs the service.
struct Signals {
    std::mutex mutex;
    std::condition_variable changed;
    bool stop = false;
    bool reload = false;

    void set(bool Signals::*what) {
        std::lock_guard lock(mutex);
        this->*what = true;
        changed.notify_all();
    }
};

// do_chores returns when the next one is due.
Instant do_chores(const std::vector<Chore>& chores, std::vector<Instant>& due) {
    const Instant now = std::chrono::steady_clock::now();
    Instant next = now + std::chrono::hours{1};
    for (size_t i = 0; i < chores.size(); ++i) {
        if (due[i] <= now) {
            chores[i].work();
            due[i] = now + chores[i].every;
        }
        next = std::min(next, due[i]);
    }
    return next;
}

void tell_swept(std::string_view what, const Result<size_t>& count) {
    if (!count) {
        log_event(LogLevel::error, fmt::format("{} failed", what),
                  {{"problem", count.error().message}});
    } else if (*count > 0) {
        log_event(LogLevel::info, std::string(what), {{"count", *count}});
    }
}

}  // namespace

void add_listen_settings(Command command, ListenSettings& settings) {
    command.option("--listen", settings.listen, "port 0: any free one", "ADDR:PORT");
    command.option("--max-connections", settings.max_connections,
                   "so many at once; one more is closed", "N");
    command.option(
        "--max-connections-per-address", settings.max_connections_per_address,
        "of which one address may have so many; 0: all, as behind a proxy (default: three "
        "quarters)",
        "N");
}

void add_tls_settings(Command command, ListenSettings& settings) {
    command.option("--tls-cert", settings.tls_cert,
                   "PEM chain, leaf first (a lab makes its own); read again when the file changes",
                   "FILE");
    command.option("--tls-key", settings.tls_key, "PEM private key", "FILE");
}

void add_client_settings(Command command, ListenSettings& settings) {
    command.option("--client-ca", settings.client_ca,
                   "ask clients for certificates of these authorities, PEM; read again when the "
                   "file changes",
                   "FILE");
    command.option("--client-crl", settings.client_crls,
                   "a revocation list of one of these authorities, PEM or DER; with one, all of "
                   "them need one (repeat)",
                   "FILE");
    command
        .option("--client-certificates", settings.client_certificates,
                "whether a client may come without one", "")
        .one_of({"optional", "required"});
}

Result<net::TlsIdentity> tls_for(const Context& context, const ListenSettings& settings,
                                 const lab::DataDirectory& directory,
                                 std::vector<std::string> names) {
    if (!settings.tls_cert.empty() || !settings.tls_key.empty()) return read_tls(settings);
    if (directory.kind() != lab::DirectoryKind::lab) {
        return fail(Code::invalid, "a production service needs --tls-cert FILE and --tls-key FILE");
    }
    names.insert(names.end(), {"localhost", "127.0.0.1"});
    return directory.root().issue_tls(names, context.clock.now());
}

// Handlers at a time. Most of them wait for a commit of the store that they share, and the more
// share it the less each costs: with 4 a secret's reading took a sixth more of the processor.
constexpr unsigned kWorkers = 16;

Result<net::ServerOptions> server_options(const ListenSettings& settings, std::string name,
                                          std::optional<net::TlsIdentity> tls) {
    net::ServerOptions options;
    options.workers = kWorkers;
    options.name = std::move(name);
    options.tls = std::move(tls);
    if (settings.max_connections == 0) {
        return fail(Code::invalid, "--max-connections is 1 at least");
    }
    options.max_connections = settings.max_connections;
    const unsigned most = std::max(1U, settings.max_connections - settings.max_connections / 4);
    options.max_connections_per_address = settings.max_connections_per_address.value_or(most);
    options.client = TRY(read_clients(settings));
    TRY(set_address(options, settings.listen, "--listen"));
    return options;
}

Chore vault_chore(vault::Service& service) {
    const auto sweep = [&service] {
        tell_swept("rotation of keys by policy", service.rotate_due_keys());
        tell_swept("purge of deleted objects", service.purge_due());
    };
    return {std::chrono::minutes(1), sweep};
}

Result<int> run_until_interrupted(const Context& context, const ListenSettings& settings,
                                  Operators& operators, Running running) {
    const std::string name = running.options.name;
    const std::string address = running.options.address;
    const std::string scheme = running.options.tls ? "https" : "http";
    if (running.options.tls) operators.show_end_of(running.options.tls->chain.front());
    auto made = running.options.tls;
    auto server = TRY(net::Server::start(std::move(running.options), std::move(running.handler)));
    const TlsFiles tls(context, settings, operators, *server, std::move(running.on_new_tls),
                       std::move(made));
    running.watched.push_back({tls.names(), [&tls] { tls.take_up(); }});
    std::erase_if(running.watched, [](const Watched& one) { return one.files.empty(); });
    std::vector<Watcher> watchers(running.watched.begin(), running.watched.end());
    const auto look = [&watchers](bool asked) {
        for (Watcher& one : watchers) one.look(asked);
    };
    const bool has_files = !watchers.empty();
    if (has_files) running.chores.push_back({kLookAtFiles, [&look] { look(false); }});

    Signals signals;
    on_interrupt([&] { signals.set(&Signals::stop); });
    if (has_files) on_hangup([&] { signals.set(&Signals::reload); });
    operators.accept(std::move(running.checks));
    show_listening(context, name, fmt::format("{}://{}:{}", scheme, address, server->port()),
                   operators.url());
    std::vector<Instant> due(running.chores.size());
    std::unique_lock lock(signals.mutex);
    while (!signals.stop) {
        const bool asked = std::exchange(signals.reload, false);
        lock.unlock();
        if (asked) look(true);
        const Instant next = do_chores(running.chores, due);
        lock.lock();
        signals.changed.wait_until(lock, next, [&] { return signals.stop || signals.reload; });
    }
    lock.unlock();
    on_hangup(nullptr);
    operators.stop_accepting();
    server->stop();
    running.last();
    return 0;
}

}  // namespace vouchsafe::app
