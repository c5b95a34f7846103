// serve: one service of a data directory, for production or tests.
#include <chrono>
#include <condition_variable>
#include <mutex>

#include "app/interrupt.h"
#include "app/serve_operate.h"
#include "app/serve_providers.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/attest/providers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/identity/metadata.h"
#include "vouchsafe/lab/services.h"

namespace vouchsafe::app {

namespace {

struct ServeCommand {
    std::string dir;
    std::string listen = "127.0.0.1:0";
    std::string operate;
    std::string tls_cert;
    std::string tls_key;
    std::vector<std::string> attestation_origins;
    std::string login = "https://login.microsoftonline.com";
    std::string machine;
    std::string kds_url;
    std::string pcs_url;
    std::string config;
    std::string store;
    unsigned max_connections = static_cast<unsigned>(net::ServerOptions().max_connections);
    ProvidersAsked providers;
};

// open_directory opens the data directory, or makes a production one.
Result<lab::DataDirectory> open_directory(const Context& context, const ServeCommand& command) {
    if (command.dir.empty()) {
        return fail(Code::invalid, "say with --dir DIR where keys and records are");
    }
    Path path = std::filesystem::absolute(command.dir);
    auto opened = lab::DataDirectory::open(path);
    if (opened || opened.error().code != Code::not_found) return opened;
    auto made =
        TRY(lab::DataDirectory::create(path, lab::DirectoryKind::production, context.clock.now()));
    write_err(fmt::format("made the production directory {}: it believes the vendors' roots only\n",
                          path.string()));
    return made;
}

Result<net::TlsIdentity> read_tls(const ServeCommand& command) {
    std::string chain = TRY(read_text_file(command.tls_cert));
    Bytes key = TRY(read_file(command.tls_key, 64 << 10));
    auto private_key = crypto::PrivateKey::from_pem(key);
    wipe(key);
    auto certificates =
        TRY(with_context(crypto::Certificate::parse_pem_bundle(chain), command.tls_cert));
    auto checked_key = TRY(with_context(std::move(private_key), command.tls_key));
    return net::TlsIdentity{std::move(certificates), std::move(checked_key)};
}

Result<net::TlsIdentity> tls_for(const Context& context, const ServeCommand& command,
                                 const lab::DataDirectory& directory,
                                 std::vector<std::string> names) {
    if (!command.tls_cert.empty() || !command.tls_key.empty()) return read_tls(command);
    if (directory.kind() != lab::DirectoryKind::lab) {
        return fail(Code::invalid, "a production service needs --tls-cert FILE and --tls-key FILE");
    }
    names.insert(names.end(), {"localhost", "127.0.0.1"});
    return directory.root().issue_tls(names, context.clock.now());
}

Result<net::ServerOptions> server_options(const ServeCommand& command, std::string name,
                                          std::optional<net::TlsIdentity> tls) {
    net::ServerOptions options;
    options.name = std::move(name);
    options.tls = std::move(tls);
    if (command.max_connections == 0) return fail(Code::invalid, "--max-connections is 1 at least");
    options.max_connections = command.max_connections;
    TRY(set_address(options, command.listen, "--listen"));
    return options;
}

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

// Chore is work that a service does beside its requests.
struct Chore {
    std::chrono::seconds every{0};
    std::function<void()> work = nullptr;  // nullptr: there is none
};

// run_until_interrupted serves, tells where, and stops in order at Ctrl-C or SIGTERM: it is no
// longer ready, then answers what it was asked, then ends. The service is ready as long as `checks`
// hold. It does the chore at the start and again as often as that says.
Result<int> run_until_interrupted(const Context& context, net::ServerOptions options,
                                  net::Handler handler, Operators& operators,
                                  std::vector<net::HealthCheck> checks, Chore chore = {}) {
    std::string name = options.name;
    std::string address = options.address;
    std::string scheme = options.tls ? "https" : "http";
    if (options.tls) operators.show_end_of(options.tls->chain.front());
    auto server = TRY(net::Server::start(std::move(options), std::move(handler)));
    std::mutex mutex;
    std::condition_variable changed;
    bool stop = false;
    on_interrupt([&] {
        std::lock_guard lock(mutex);
        stop = true;
        changed.notify_all();
    });
    std::string where = fmt::format("{}://{}:{}", scheme, address, server->port());
    operators.accept(std::move(checks));
    show_listening(context, name, where, operators.url());
    std::unique_lock lock(mutex);
    while (!stop && chore.work) {
        lock.unlock();
        chore.work();
        lock.lock();
        changed.wait_for(lock, chore.every, [&] { return stop; });
    }
    changed.wait(lock, [&] { return stop; });
    operators.stop_accepting();
    server->stop();
    return 0;
}

Result<std::unique_ptr<store::Store>> open_store(const Path& folder) {
    TRY(make_private_dir(folder));
    return store::open_sqlite(folder / "store.db");
}

// observe wraps a service's handler for its operators.
template <typename Service>
net::Handler observe(Operators& operators, Service& service) {
    return operators.observe(service.handler(), [&service](const net::Request& request) {
        return service.route_of(request);
    });
}

// attestation_hosts are the names that clients use, in the providers' order.
Result<std::vector<std::string>> attestation_hosts(const std::vector<attest::Config>& configs) {
    std::vector<std::string> out;
    for (const attest::Config& config : configs) {
        out.push_back(attest::host_name(TRY(net::Url::parse(config.issuer)).host));
    }
    return out;
}

// attestation_checks has two for each provider; of several, each says whose it is.
std::vector<net::HealthCheck> attestation_checks(const attest::Providers& providers,
                                                 const std::vector<std::string>& hosts) {
    std::vector<net::HealthCheck> out;
    for (size_t i = 0; i < hosts.size(); ++i) {
        attest::Service* service = providers.services()[i].get();
        std::string whose = hosts.size() == 1 ? "" : ":" + hosts[i];
        out.push_back({"signing_key" + whose, [service] { return service->check_signing_key(); }});
        out.push_back({"policies" + whose, [service] { return service->check_policies(); }});
    }
    return out;
}

Result<std::vector<attest::Config>> attestation_configs(const ServeCommand& command,
                                                        const lab::DataDirectory& directory) {
    attest::Config shared;
    shared.directory = directory.path() / "attestation";
    if (directory.kind() == lab::DirectoryKind::lab) {
        shared.compliant_id_keys = {encode_hex(lab::simulated_id_key_digest())};
    }
    shared.callers.login_authority = command.login;
    shared.callers.tenant = directory.tenant_id();
    return provider_configs(command.providers, directory, shared);
}

Result<int> serve_attestation(const Context& context, const ServeCommand& command) {
    auto directory = TRY(open_directory(context, command));
    evidence::TrustAnchors anchors = directory.anchors();
    auto configs = TRY(attestation_configs(command, directory));
    auto hosts = TRY(attestation_hosts(configs));
    auto tls = TRY(tls_for(context, command, directory, hosts));
    if (hosts.size() > 1) TRY(check_names(tls.chain.front(), hosts));
    net::Client client(TRY(context.site()).client);
    auto store =
        TRY(open_or_make(TRY(store_place(directory.path(), "attestation", command.store))));
    for (const auto& config : configs) TRY(check_scope_owner(*store, directory, config));
    audit::Log audit(*store);
    attest::CollateralConfig sources{command.kds_url, command.pcs_url};
    auto collateral = TRY(attest::CollateralStore::create(
        sources, attest::CollateralPack(directory.path() / "collateral"), anchors, context.clock,
        attest::fetch_over(TRY(context.site()).client, sources)));
    auto operators = TRY(Operators::start(context, "attestation", command.operate, *store));
    auto count = operators->count_attestations();
    std::vector<std::unique_ptr<attest::Service>> services;
    for (size_t i = 0; i < configs.size(); ++i) {
        attest::Dependencies deps{
            *store, audit, context.clock, anchors, access::fetch_with(client), collateral.get()};
        deps.on_verdict = [count, host = hosts[i]](const attest::Verdict& verdict) {
            count(host, verdict);
        };
        auto made = attest::Service::create(configs[i], std::move(deps));
        services.push_back(TRY(with_context(std::move(made), configs[i].issuer)));
    }
    auto providers = TRY(attest::Providers::create(std::move(services)));
    for (const auto& config : configs) TRY(own_scope(*store, directory, config));
    auto options = TRY(server_options(command, "attestation", std::move(tls)));
    return run_until_interrupted(context, std::move(options), observe(*operators, *providers),
                                 *operators, attestation_checks(*providers, hosts));
}

Result<int> serve_identity(const Context& context, const ServeCommand& command) {
    auto directory = TRY(open_directory(context, command));
    identity::Config config;
    config.tenant_id = directory.tenant_id();
    config.directory = directory.path() / "identity";
    config.authority = command.login;
    auto store = TRY(open_store(config.directory));
    auto operators = TRY(Operators::start(context, "identity", command.operate, *store));
    auto service = TRY(identity::Service::create(config, {*store, context.clock}));
    auto tls =
        TRY(tls_for(context, command, directory, {TRY(net::Url::parse(command.login)).host}));
    auto options = TRY(server_options(command, "identity", std::move(tls)));
    return run_until_interrupted(context, std::move(options), observe(*operators, *service),
                                 *operators, {});
}

void tell_swept(std::string_view what, const Result<size_t>& count) {
    if (!count) {
        log_event(LogLevel::error, fmt::format("{} failed", what),
                  {{"problem", count.error().message}});
    } else if (*count > 0) {
        log_event(LogLevel::info, std::string(what), {{"count", *count}});
    }
}

// vault_chore rotates the keys that are due, and purges what was deleted longer ago than its vault
// keeps it.
Chore vault_chore(vault::Service& service) {
    const auto sweep = [&service] {
        tell_swept("rotation of keys by policy", service.rotate_due_keys());
        tell_swept("purge of deleted objects", service.purge_due());
    };
    return {std::chrono::minutes(1), sweep};
}

Result<int> serve_vault(const Context& context, const ServeCommand& command) {
    auto directory = TRY(open_directory(context, command));
    bool is_lab = directory.kind() == lab::DirectoryKind::lab;
    std::vector<std::string> names{std::string(lab::kVaultSuffix),
                                   fmt::format("*.{}", lab::kVaultSuffix)};
    auto tls = TRY(tls_for(context, command, directory, names));
    vault::Config config;
    config.directory = directory.path() / "vault";
    config.login_authority = command.login;
    config.attestation_origins = command.attestation_origins;
    if (config.attestation_origins.empty() && !is_lab) {
        return fail(Code::invalid,
                    "say with --attestation-origin URL which attestation service to believe");
    }
    if (is_lab) config.attestation_origins.emplace_back(lab::kAttestationUrl);
    config.allow_simulated = is_lab;
    auto store = TRY(open_or_make(TRY(store_place(directory.path(), "vault", command.store))));
    net::Client client(TRY(context.site()).client);
    auto signer =
        is_lab ? TRY(directory.root().issue_release_signer(names, context.clock.now())) : tls;
    auto operators = TRY(Operators::start(context, "vault", command.operate, *store));
    auto service =
        TRY(vault::Service::create(config, {*store, context.clock, access::fetch_with(client),
                                            std::move(signer), operators->count_operations()}));
    auto options = TRY(server_options(command, "vault", std::move(tls)));
    options.max_body = vault::kMaxRequestBody;
    return run_until_interrupted(context, std::move(options), observe(*operators, *service),
                                 *operators, {}, vault_chore(*service));
}

Result<int> serve_imds(const Context& context, const ServeCommand& command) {
    auto directory = TRY(open_directory(context, command));
    if (directory.kind() != lab::DirectoryKind::lab) {
        return fail(Code::invalid, "a metadata service belongs to a machine of a lab");
    }
    identity::Config config;
    config.tenant_id = directory.tenant_id();
    config.directory = directory.path() / "identity";
    auto store = TRY(open_store(config.directory));
    auto issuer = TRY(identity::Service::create(config, {*store, context.clock}));
    auto machine = TRY(lab::Machine::open(directory.path() / "machines" / command.machine));
    auto told = TRY(lab::describe_machine(directory, *issuer, machine.identity()));
    identity::Metadata metadata(*issuer, told.machine);
    auto operators = TRY(Operators::start(context, "imds", command.operate, *store));
    auto options = TRY(server_options(command, "imds", std::nullopt));
    return run_until_interrupted(context, std::move(options), metadata.handler(), *operators, {});
}

using Action = Result<int> (*)(const Context&, const ServeCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<ServeCommand>& command, Action action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory; a new one becomes a production directory",
                "DIR")
        .required();
    made.option("--listen", command->listen, "port 0: any free one", "ADDR:PORT");
    made.option("--max-connections", command->max_connections,
                "so many at once; one more is closed", "N");
    made.settings_file(command->config);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

void add_operate(Command made, ServeCommand& command) {
    made.option(
        "--operate", command.operate,
        "also tell operators /healthz, /readyz and /metrics here: plain HTTP without login, "
        "so an address of loopback or of a management network (port 0: any free one)",
        "ADDR:PORT");
}

void add_tls(Command made, ServeCommand& command) {
    made.option("--tls-cert", command.tls_cert, "PEM chain, leaf first (a lab makes its own)",
                "FILE");
    made.option("--tls-key", command.tls_key, "PEM private key", "FILE");
}

constexpr const char* kServeExamples = R"(Examples:
  vouchsafe serve attestation --dir /var/lib/vouchsafe --listen 0.0.0.0:443 \
      --issuer https://attest.example.org --tls-cert chain.pem --tls-key key.pem
  vouchsafe serve attestation --config /etc/vouchsafe/attestation.toml
  vouchsafe serve vault --dir ~/lab --listen 127.0.0.1:8443
  vouchsafe serve attestation --dir /var/lib/vouchsafe --provider contoso.toml \
      --provider fabrikam.toml --tls-cert chain.pem --tls-key key.pem
In a settings file the first example reads
  dir = "/var/lib/vouchsafe"
  listen = "0.0.0.0:443"
  issuer = "https://attest.example.org"
  tls-cert = "chain.pem"
  tls-key = "key.pem"
and what is given here as well goes before it.
A lab directory (made by demo or vm create) believes its own simulated root; a production directory
believes the vendors' roots, and its vault refuses tokens about simulated machines.)";

}  // namespace

void add_serve(Command app, Context& context) {
    Command group = app.add("serve", "run one service: attestation, vault, identity or imds");
    group.examples(kServeExamples);
    auto command = std::make_shared<ServeCommand>();
    Command attestation =
        add_command(group, context, "attestation", "appraise evidence and mint tokens", command,
                    serve_attestation);
    add_tls(attestation, *command);
    add_operate(attestation, *command);
    add_store_option(attestation, command->store);
    attestation.option("--issuer", command->providers.issuer,
                       "its name in tokens (default: the tutorials' provider)", "URL");
    attestation.option(
        "--provider", command->providers.files,
        "one more provider, told apart by host name: a settings file with its issuer "
        "and any of the settings below that are to differ (repeat)",
        "FILE");
    attestation.option("--login", command->login, "issuer of the tokens of who sets policies",
                       "URL");
    attestation.option("--kds-url", command->kds_url,
                       "fetch AMD's revocation lists here, e.g. https://kdsintf.amd.com", "URL");
    attestation.option("--pcs-url", command->pcs_url,
                       "fetch Intel's collateral here: PCS or a PCCS", "URL");
    add_attest_settings(attestation, command->providers.settings);
    Command vault = add_command(group, context, "vault", "keep keys, release them by policy",
                                command, serve_vault);
    add_tls(vault, *command);
    add_operate(vault, *command);
    add_store_option(vault, command->store);
    vault.option("--attestation-origin", command->attestation_origins,
                 "attestation service to believe (repeat)", "URL");
    vault.option("--login", command->login, "token issuer", "URL");
    Command identity =
        add_command(group, context, "identity", "issue access tokens", command, serve_identity);
    add_tls(identity, *command);
    add_operate(identity, *command);
    identity.option("--login", command->login, "its own URL", "URL");
    Command imds = add_command(group, context, "imds",
                               "the metadata service of one machine of a lab", command, serve_imds);
    imds.option("--machine", command->machine, "name of the machine", "NAME").required();
}

}  // namespace vouchsafe::app
