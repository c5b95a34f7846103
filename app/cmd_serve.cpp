// serve: one service of a data directory, for production or tests.
#include <algorithm>
#include <chrono>

#include "app/root_options.h"
#include "app/serve_access.h"
#include "app/serve_operate.h"
#include "app/serve_providers.h"
#include "app/serve_run.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/attest/provider_keys.h"
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
    ListenSettings listen;
    AccessSettings access;
    std::string operate;
    std::vector<std::string> attestation_origins;
    std::string login = "https://login.microsoftonline.com";
    std::string machine;
    std::string kds_url;
    std::string pcs_url;
    std::string config;
    std::string store;
    unsigned checkpoint_every = static_cast<unsigned>(audit::kCheckpointEvery.count());
    ProvidersAsked providers;
    RootOptions root;
    bool hsm_keys = false;
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

Result<access::Vouching> vouching_for(const Context& context, const ServeCommand& command) {
    if (!command.access.operator_certificates.empty() && command.listen.client_ca.empty()) {
        return fail(Code::invalid, "--operator-certificate needs --client-ca FILE");
    }
    return make_vouching(context, command.access);
}

void tell_checkpoint(const Result<std::optional<audit::StoredCheckpoint>>& written) {
    if (written) return;
    log_event(LogLevel::error, "signing a checkpoint of the audit log failed",
              {{"problem", written.error().message}});
}

// add_checkpoint_chores lets `write` sign a checkpoint now, every so often and at the end. It looks
// more often than it writes: another replica may have written meanwhile. Borrows `write`.
template <typename Writer>
void add_checkpoint_chores(Running& running, const ServeCommand& command, Writer& write) {
    const Seconds every{command.checkpoint_every};
    running.chores.push_back(
        {std::max(Seconds{1}, every / 4), [&write, every] { tell_checkpoint(write(every)); }});
    running.last = [&write] { tell_checkpoint(write(Seconds{0})); };
    tell_checkpoint(write(every));
}

Result<void> check_checkpoints(const ServeCommand& command) {
    if (command.checkpoint_every >= 1 && command.checkpoint_every <= 86400) return {};
    return fail(Code::invalid, "--checkpoint-every is 1 to 86400 seconds");
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

// longest_body is what the listener of all providers reads. A provider with a lower limit keeps it
// itself, for evidence alone: policies and reference values have limits of their own.
size_t longest_body(const std::vector<attest::Config>& configs) {
    size_t longest = net::ServerOptions().max_body;
    for (const attest::Config& config : configs) longest = std::max(longest, config.max_body);
    return longest;
}

Result<int> serve_attestation(const Context& context, const ServeCommand& command) {
    TRY(check_checkpoints(command));
    auto directory = TRY(open_directory(context, command));
    evidence::TrustAnchors anchors = directory.anchors();
    auto configs = TRY(attestation_configs(command, directory));
    auto hosts = TRY(attestation_hosts(configs));
    auto tls = TRY(tls_for(context, command.listen, directory, hosts));
    if (hosts.size() > 1) TRY(check_names(tls.chain.front(), hosts));
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
    auto fetch = TRY(fetch_keys(context));
    auto vouching = TRY(vouching_for(context, command));
    auto limits =
        std::make_shared<net::RateLimits>(command.access.rates, operators->count_throttled());
    std::vector<std::unique_ptr<attest::Service>> services;
    for (size_t i = 0; i < configs.size(); ++i) {
        attest::Dependencies deps{*store, audit, context.clock, anchors, fetch, collateral.get()};
        deps.vouching = vouching;
        deps.limits = limits;
        deps.on_verdict = [count, host = hosts[i]](const attest::Verdict& verdict) {
            count(host, verdict);
        };
        auto made = attest::Service::create(configs[i], std::move(deps));
        services.push_back(TRY(with_context(std::move(made), configs[i].issuer)));
    }
    auto providers = TRY(attest::Providers::create(std::move(services)));
    for (const auto& config : configs) TRY(own_scope(*store, directory, config));
    Running running{TRY(server_options(command.listen, "attestation", std::move(tls))),
                    observe(*operators, *providers), attestation_checks(*providers, hosts)};
    running.options.max_body = longest_body(configs);
    running.watched.push_back(
        watch_issuers(context, command.access, [&providers](const access::Vouching& fresh) {
            for (const auto& service : providers->services()) service->replace_vouching(fresh);
        }));
    running.on_new_tls = [hosts](const net::TlsIdentity& identity) -> Result<void> {
        return hosts.size() > 1 ? check_names(identity.chain.front(), hosts) : Result<void>{};
    };
    auto checkpoints =
        TRY(attest::open_checkpoints(directory.path() / "attestation", *store, context.clock));
    auto write = [&](Seconds every) { return checkpoints->write(every); };
    add_checkpoint_chores(running, command, write);
    return run_until_interrupted(context, command.listen, *operators, std::move(running));
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
    auto tls = TRY(
        tls_for(context, command.listen, directory, {TRY(net::Url::parse(command.login)).host}));
    Running running{TRY(server_options(command.listen, "identity", std::move(tls))),
                    observe(*operators, *service)};
    return run_until_interrupted(context, command.listen, *operators, std::move(running));
}

Result<int> serve_vault(const Context& context, const ServeCommand& command) {
    TRY(check_checkpoints(command));
    auto directory = TRY(open_directory(context, command));
    bool is_lab = directory.kind() == lab::DirectoryKind::lab;
    std::vector<std::string> names{std::string(lab::kVaultSuffix),
                                   fmt::format("*.{}", lab::kVaultSuffix)};
    auto tls = TRY(tls_for(context, command.listen, directory, names));
    vault::Config config;
    config.directory = directory.path() / "vault";
    config.login_authority = command.login;
    config.attestation_origins = command.attestation_origins;
    if (config.attestation_origins.empty() && !is_lab) {
        return fail(Code::invalid,
                    "say with --attestation-origin URL which attestation service to believe");
    }
    for (const std::string& origin : command.attestation_origins) {
        TRY(with_context(net::Url::parse(origin), "--attestation-origin"));
    }
    if (is_lab) config.attestation_origins.emplace_back(lab::kAttestationUrl);
    config.allow_simulated = is_lab;
    auto store = TRY(open_or_make(TRY(store_place(directory.path(), "vault", command.store))));
    auto signer =
        is_lab ? TRY(directory.root().issue_release_signer(names, context.clock.now())) : tls;
    auto operators = TRY(Operators::start(context, "vault", command.operate, *store));
    auto fetch = TRY(fetch_keys(context));
    vault::Dependencies deps{*store, context.clock, std::move(fetch), std::move(signer),
                             operators->count_operations()};
    deps.root_keeper = TRY(open_root_keeper(command.root, config.directory));
    if (command.hsm_keys) deps.key_hsm = TRY(open_hsm(command.root.hsm));
    deps.vouching = TRY(vouching_for(context, command));
    deps.limits =
        std::make_shared<net::RateLimits>(command.access.rates, operators->count_throttled());
    std::vector<net::HealthCheck> checks;
    if (deps.key_hsm) checks.push_back({"hsm", [hsm = *deps.key_hsm] { return hsm.check(); }});
    auto service = TRY(vault::Service::create(config, std::move(deps)));
    Running running{TRY(server_options(command.listen, "vault", std::move(tls))),
                    observe(*operators, *service), std::move(checks)};
    running.options.max_body = vault::kMaxRequestBody;
    running.chores.push_back(vault_chore(*service));
    running.watched.push_back(watch_issuers(
        context, command.access,
        [&service](access::Vouching fresh) { service->replace_vouching(std::move(fresh)); }));
    // A laboratory's releases are signed by its own root, whatever its listener shows.
    running.on_new_tls = [&service, is_lab](const net::TlsIdentity& identity) -> Result<void> {
        return is_lab ? Result<void>{} : service->replace_release_signer(identity);
    };
    auto write = [&](Seconds every) { return service->write_checkpoint(every); };
    add_checkpoint_chores(running, command, write);
    return run_until_interrupted(context, command.listen, *operators, std::move(running));
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
    Running running{TRY(server_options(command.listen, "imds", std::nullopt)), metadata.handler()};
    return run_until_interrupted(context, command.listen, *operators, std::move(running));
}

using Action = Result<int> (*)(const Context&, const ServeCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<ServeCommand>& command, Action action) {
    Command made = group.add(name, text);
    made.option("--dir", command->dir, "data directory; a new one becomes a production directory",
                "DIR")
        .required();
    add_listen_settings(made, command->listen);
    made.settings_file(command->config);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

void add_checkpoints(Command made, ServeCommand& command) {
    made.option("--checkpoint-every", command.checkpoint_every,
                "sign the audit log this often, if it grew", "SECONDS");
}

void add_operate(Command made, ServeCommand& command) {
    made.option(
        "--operate", command.operate,
        "also tell operators /healthz, /readyz and /metrics here: plain HTTP without login, "
        "so an address of loopback or of a management network (port 0: any free one)",
        "ADDR:PORT");
}

constexpr const char* kServeVaultExamples = R"(Examples:
  vouchsafe serve vault --dir /var/lib/vouchsafe --listen 0.0.0.0:443 \
      --tls-cert chain.pem --tls-key key.pem \
      --attestation-origin https://attest.example.org
  vouchsafe serve vault --config /etc/vouchsafe/vault.toml
  vouchsafe serve vault --dir ~/lab --listen 127.0.0.1:8443
In a settings file the first example reads
  dir = "/var/lib/vouchsafe"
  listen = "0.0.0.0:443"
  tls-cert = "chain.pem"
  tls-key = "key.pem"
  attestation-origin = "https://attest.example.org"
Clients reach a vault as NAME.vault.azure.net, and chain.pem, leaf first and with its
root, must name *.vault.azure.net. Vaults are made with 'vouchsafe admin vault create'.)";

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
    add_tls_settings(attestation, command->listen);
    add_client_settings(attestation, command->listen);
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
    add_checkpoints(attestation, *command);
    add_attest_settings(attestation, command->providers.settings);
    add_access_settings(attestation, command->access, "--provider-rate");
    Command vault = add_command(group, context, "vault", "keep keys, release them by policy",
                                command, serve_vault);
    vault.examples(kServeVaultExamples);
    add_tls_settings(vault, command->listen);
    add_client_settings(vault, command->listen);
    add_operate(vault, *command);
    add_store_option(vault, command->store);
    add_checkpoints(vault, *command);
    vault.option("--attestation-origin", command->attestation_origins,
                 "attestation service to believe (repeat)", "URL");
    vault.option("--login", command->login, "token issuer", "URL");
    add_root_options(vault, command->root);
    vault.flag("--hsm-keys", command->hsm_keys,
               "make keys of kinds RSA-HSM, EC-HSM and oct-HSM in the HSM, and use them there");
    add_access_settings(vault, command->access, "--vault-rate");
    Command identity =
        add_command(group, context, "identity", "issue access tokens", command, serve_identity);
    add_tls_settings(identity, command->listen);
    add_operate(identity, *command);
    identity.option("--login", command->login, "its own URL", "URL");
    Command imds = add_command(group, context, "imds",
                               "the metadata service of one machine of a lab", command, serve_imds);
    imds.option("--machine", command->machine, "name of the machine", "NAME").required();
}

}  // namespace vouchsafe::app
