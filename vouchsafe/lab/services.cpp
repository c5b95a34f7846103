#include "vouchsafe/lab/services.h"

#include <future>

#include "vouchsafe/attest/providers.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/identity/client_secret.h"
#include "vouchsafe/lab/running_lab.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kSharedFolder = "attestation";

Result<std::unique_ptr<store::Store>> open_store(const Path& folder) {
    TRY(make_private_dir(folder));
    return store::open_sqlite(folder / "store.db");
}

Result<identity::Principal> find_identity(const identity::Service& issuer,
                                          std::string_view resource) {
    for (identity::Principal& principal : TRY(issuer.principals())) {
        if (principal.resource_id == resource) return principal;
    }
    return fail(Code::not_found, "no managed identity for {}", resource);
}

// take_lock says of a directory that is in use whether a lab runs there, which can be ended.
Result<FileLock> take_lock(const Path& directory) {
    auto lock = FileLock::take(directory / "lock");
    if (lock || lock.error().code != Code::conflict) return lock;
    auto state = read_lab_state(directory);
    if (!state || !*state || !is_running((*state)->process)) return lock;
    return fail(Code::conflict,
                "the lab in {} runs (process {}), and this needs it ended: 'vouchsafe down'",
                directory.string(), (*state)->process.pid);
}

}  // namespace

Result<ToldMachine> describe_machine(const DataDirectory& directory, identity::Service& issuer,
                                     const MachineIdentity& machine) {
    const MachineSpec& spec = machine.spec;
    auto told_or = [](const std::string& told, std::string_view otherwise) {
        return told.empty() ? std::string(otherwise) : told;
    };
    std::string resource = told_or(
        spec.resource_id, directory.resource_id("Microsoft.Compute/virtualMachines", spec.name));
    auto identity = issuer.create_managed_identity(spec.name, resource);
    if (!identity && identity.error().code == Code::conflict) {
        identity = find_identity(issuer, resource);
    }
    if (!identity) return fail(identity.error());

    ToldMachine out;
    out.principal = identity->object_id;
    out.machine.vm_id = spec.vm_id;
    out.machine.name = spec.name;
    out.machine.location = told_or(spec.location, out.machine.location);
    out.machine.vm_size = told_or(spec.vm_size, out.machine.vm_size);
    out.machine.subscription_id = told_or(spec.subscription_id, directory.subscription_id());
    out.machine.resource_group = told_or(spec.resource_group, kind_name(directory.kind()));
    out.machine.resource_id = resource;
    out.machine.secure_boot = spec.secure_boot;
    out.machine.system_identity = identity->client_id;
    if (spec.kind == MachineKind::trusted_launch) {
        out.machine.security_type = "TrustedLaunch";
        return out;
    }
    out.machine.certificates =
        identity::HostCertificates{machine.vcek_pem, machine.chain_pem, machine.reported_tcb};
    return out;
}

std::string Listener::address() const {
    return fmt::format("127.0.0.1:{}", server->port());
}

Result<std::unique_ptr<Services>> Services::start(const DataDirectory& directory,
                                                  const Clock& clock) {
    if (directory.kind() != DirectoryKind::lab) {
        return fail(Code::invalid, "{} is no lab: its services run with 'vouchsafe serve'",
                    directory.path().string());
    }
    FileLock lock = TRY(take_lock(directory.path()));
    std::unique_ptr<Services> services(new Services(directory, clock, std::move(lock)));
    services->anchors_ = directory.anchors();
    // The first time both make keys, which takes each of them a moment.
    auto shared = std::async(std::launch::async, [&] { return services->make_shared_provider(); });
    auto issuer = services->start_identity();
    auto made = shared.get();
    TRY(std::move(issuer));
    TRY(services->start_attestation(TRY(std::move(made))));
    TRY(services->start_vault());
    TRY(services->start_cloud());
    return services;
}

Services::~Services() {
    for (Listener& listener : metadata_listeners_) listener.server->stop();
    for (Listener& listener : listeners_) listener.server->stop();
    for (auto& attestation : attestations_) attestation->listener.server->stop();
}

Result<Listener> Services::listen(std::string name, const std::vector<std::string>& tls_names,
                                  net::Handler handler, size_t max_body) {
    net::ServerOptions options;
    options.name = std::move(name);
    options.max_body = max_body;
    if (!tls_names.empty()) {
        options.tls = TRY(directory_.root().issue_tls(tls_names, clock_.now()));
    }
    Listener listener;
    listener.server = TRY(net::Server::start(std::move(options), std::move(handler)));
    return listener;
}

namespace {

// The file comes first: of a lab that was killed in between the user is made with what it says.
Result<void> make_lab_user(identity::Service& issuer, const Path& file) {
    if (issuer.find_user(kLabUser)) return {};
    const SecretBytes fresh = identity::new_client_secret();
    auto written = write_file(file, fresh.expose(), Overwrite::no, 0600);
    if (!written && written.error().code != Code::conflict) return written;
    Bytes kept = TRY(read_file(file, 256));
    const SecretBytes password = SecretBytes::copy_of(kept);
    wipe(kept);
    TRY(issuer.create_user(kLabUser, password));
    return {};
}

}  // namespace

Result<void> Services::start_identity() {
    identity::Config config;
    config.tenant_id = directory_.tenant_id();
    config.directory = directory_.path() / "identity";
    config.sign_in_as = kLabUser;
    identity_store_ = TRY(open_store(config.directory));
    identity_ = TRY(identity::Service::create(config, {*identity_store_, clock_}));
    TRY(make_lab_user(*identity_, directory_.path() / kLabUserFile));
    std::vector<std::string> names(std::begin(kLoginHosts), std::end(kLoginHosts));
    listeners_.push_back(TRY(listen("identity", names, identity_->handler())));
    for (const std::string& name : names) {
        connect_to_[name + ":443"] = listeners_.back().address();
    }
    return {};
}

Result<std::unique_ptr<Attestation>> Services::make_shared_provider() {
    return make_attestation(std::string(kSharedFolder), std::string(kAttestationUrl), clock_);
}

Result<void> Services::start_attestation(std::unique_ptr<Attestation> shared) {
    login_client_ = std::make_unique<net::Client>(client_options());
    const std::string issuer(kAttestationUrl);
    own_providers_ = std::make_unique<OwnProviders>(
        attestation_config(std::string(kSharedFolder), issuer),
        attest::Dependencies{*shared->store, *shared->audit, clock_, anchors_,
                             access::fetch_with(*login_client_), shared->collateral.get()});
    shared_host_ = TRY(net::Url::parse(issuer)).host;
    // Who comes by an address can mean the shared one alone.
    auto answer = [own = own_providers_->handler(), shared_one = shared->service->handler(),
                   shared_host = shared_host_](const net::Request& request) {
        const std::string host = attest::host_name(request.host);
        const bool is_own = host != shared_host && host.ends_with(kAttestationSuffix);
        return is_own ? own(request) : shared_one(request);
    };
    shared->listener = TRY(listen("attestation", {shared_host_}, std::move(answer)));
    connect_to_[shared_host_ + ":443"] = shared->listener.address();
    audits_.push_back(shared->audit.get());
    attestations_.push_back(std::move(shared));
    return {};
}

attest::Config Services::attestation_config(const std::string& folder,
                                            const std::string& issuer) const {
    attest::Config config;
    config.issuer = issuer;
    config.directory = directory_.path() / folder;
    config.compliant_id_keys = {encode_hex(simulated_id_key_digest())};
    config.trusted_launch = true;
    config.callers.tenant = directory_.tenant_id();
    config.resource_id = directory_.resource_id(kAttestationProviders, folder);
    return config;
}

Result<std::unique_ptr<Attestation>> Services::make_attestation(const std::string& folder,
                                                                const std::string& issuer,
                                                                const Clock& clock) {
    const attest::Config config = attestation_config(folder, issuer);
    auto out = std::make_unique<Attestation>();
    out->store = TRY(open_store(config.directory));
    out->audit = std::make_unique<audit::Log>(*out->store);
    out->collateral = TRY(attest::CollateralStore::create(
        {}, attest::CollateralPack(directory_.path() / "collateral"), anchors_, clock));
    // The first one is made before the issuer of tokens listens.
    auto fetch = [this](const std::string& url) { return access::fetch_with(*login_client_)(url); };
    out->service = TRY(attest::Service::create(
        config, {*out->store, *out->audit, clock, anchors_, fetch, out->collateral.get()}));
    return out;
}

namespace {

// wildcard is the name in a certificate that covers all providers of a host's region.
std::string wildcard(const std::string& host) {
    return "*" + host.substr(host.find('.'));
}

}  // namespace

Result<void> Services::show_provider(const std::string& issuer) {
    const std::string host = TRY(net::Url::parse(issuer)).host;
    Listener& listener = attestations_.front()->listener;
    if (!provider_regions_.contains(wildcard(host))) {
        provider_regions_.insert(wildcard(host));
        std::vector<std::string> names{shared_host_};
        names.insert(names.end(), provider_regions_.begin(), provider_regions_.end());
        TRY(listener.server->replace_tls(TRY(directory_.root().issue_tls(names, clock_.now()))));
    }
    TRY(vault_->trust_attestation(issuer));
    {
        std::lock_guard lock(names_mutex_);
        connect_to_[host + ":443"] = listener.address();
    }
    if (vms_) vms_->names_changed();
    return {};
}

void Services::hide_provider(const std::string& issuer) {
    vault_->distrust_attestation(issuer);
    {
        std::lock_guard lock(names_mutex_);
        connect_to_.erase(attest::host_name(issuer.substr(issuer.rfind('/') + 1)) + ":443");
    }
    if (vms_) vms_->names_changed();
}

Result<std::string> Services::add_attestation(const std::string& folder, const std::string& issuer,
                                              const Clock& clock) {
    auto out = TRY(make_attestation(folder, issuer, clock));
    std::string host = TRY(net::Url::parse(issuer)).host;
    out->listener = TRY(listen("attestation", {host}, out->service->handler()));
    audits_.push_back(out->audit.get());
    attestations_.push_back(std::move(out));
    return attestations_.back()->listener.address();
}

void Services::remove_attestation(std::string_view address) {
    std::erase_if(attestations_, [&](const std::unique_ptr<Attestation>& attestation) {
        if (attestation->listener.address() != address) return false;
        std::erase(audits_, attestation->audit.get());
        return true;
    });
}

Result<void> Services::start_vault() {
    std::vector<std::string> names{std::string(kVaultSuffix), fmt::format("*.{}", kVaultSuffix)};
    fetch_client_ = std::make_unique<net::Client>(client_options());

    vault::Config config;
    config.directory = directory_.path() / "vault";
    config.attestation_origins = {std::string(kAttestationUrl)};
    config.allow_simulated = true;
    vault_store_ = TRY(open_store(config.directory));
    net::TlsIdentity signer = TRY(directory_.root().issue_release_signer(names, clock_.now()));
    auto made = vault::Service::create(
        config, {*vault_store_, clock_,
                 own_providers_->fetching(access::fetch_with(*fetch_client_)), std::move(signer)});
    if (!made && made.error().code == Code::conflict) {
        return fail(Code::conflict,
                    "{}. A lab's own commands open a root key kept by \"file\" alone: 'vouchsafe "
                    "vault rewrap-root --to file' brings it there",
                    made.error().message);
    }
    vault_ = TRY(std::move(made));
    listeners_.push_back(TRY(listen("vault", names, vault_->handler(), vault::kMaxRequestBody)));
    audits_.push_back(&vault_->audit());
    vault_address_ = listeners_.back().address();
    return {};
}

namespace {

// kind_of_principal is cloud::Dependencies::principal_kind. Roles are given to object ids alone.
Result<std::string> kind_of_principal(const identity::Service& issuer, const std::string& id) {
    const auto found = issuer.find_principal(id);
    if (!found && found.error().code != Code::not_found) return fail(found.error());
    if (!found || !equal_ignore_case(found->object_id, id)) return std::string();
    switch (found->kind) {
        case identity::PrincipalKind::user:
            return std::string("User");
        case identity::PrincipalKind::group:
            return std::string("Group");
        case identity::PrincipalKind::app:
        case identity::PrincipalKind::managed_identity:
            return std::string("ServicePrincipal");
    }
    return std::string();
}

}  // namespace

Result<void> Services::start_cloud() {
    auto find = [this](std::string_view id) { return cloud_->find(id); };
    vms_ = std::make_unique<Vms>(Vms::World{directory_.path(), directory_.root(), clock_,
                                            *identity_, vault_->handler(), find});
    const std::string user = TRY(identity_->find_user(kLabUser)).object_id;
    CloudEffects::World world{*vault_, attestation(), *identity_, *own_providers_, *vms_};
    world.tenant = directory_.tenant_id();
    world.owners = {user};
    world.new_vault = [this](std::string_view name) { allow_vault(name); };
    world.show_provider = [this](const std::string& issuer) { return show_provider(issuer); };
    world.hide_provider = [this](const std::string& issuer) { hide_provider(issuer); };
    world.find_resource = find;
    cloud_effects_ = std::make_unique<CloudEffects>(std::move(world));
    cloud::Config config;
    config.callers.tenant = directory_.tenant_id();
    config.subscription_id = directory_.subscription_id();
    config.tenant_domain = kLabUser.substr(kLabUser.find('@') + 1);
    config.owners = {user};
    config.vault_suffix = kVaultSuffix;
    cloud_store_ = TRY(open_store(directory_.path() / "cloud"));
    cloud_ = TRY(cloud::Service::create(
        config, {*cloud_store_, clock_, access::fetch_with(*login_client_), cloud_effects_.get(),
                 [this](const std::string& id) { return kind_of_principal(*identity_, id); }}));
    TRY(cloud_->resume());
    const std::string host(kManagementHost);
    listeners_.push_back(TRY(listen("cloud", {host}, cloud_->handler(), config.max_body)));
    connect_to_[host + ":443"] = listeners_.back().address();
    for (const cloud::Resource& vault : TRY(cloud_->resources_of("Microsoft.KeyVault/vaults"))) {
        allow_vault(vault.name);
    }
    for (const cloud::Resource& provider : TRY(cloud_->resources_of(kAttestationProviders))) {
        auto taken = cloud_effects_->take_up(provider);
        if (taken) continue;
        // The others are needed all the same.
        log_event(LogLevel::error, "an attestation provider cannot be started",
                  {{"resource", provider.id}, {"error", taken.error().message}});
    }
    return {};
}

Result<void> Services::run_machines(MakeInside make_inside, Vms::Tell tell) {
    return cloud_->while_quiet([&]() -> Result<void> {
        return vms_->begin(TRY(cloud_->resources_of("Microsoft.Compute/virtualMachines")),
                           std::move(make_inside), std::move(tell));
    });
}

void Services::allow_vault(std::string_view vault_name) {
    {
        std::lock_guard lock(names_mutex_);
        connect_to_[fmt::format("{}.{}:443", to_lower(vault_name), kVaultSuffix)] = vault_address_;
    }
    if (vms_) vms_->names_changed();
}

Result<std::string> Services::add_metadata(const MachineIdentity& machine, std::string& principal) {
    ToldMachine told = TRY(describe_machine(directory_, *identity_, machine));
    principal = told.principal;
    metadata_.push_back(std::make_unique<identity::Metadata>(*identity_, told.machine));
    metadata_listeners_.push_back(TRY(listen("metadata", {}, metadata_.back()->handler())));
    return metadata_listeners_.back().address();
}

std::map<std::string, std::string> Services::connect_to() const {
    std::lock_guard lock(names_mutex_);
    return connect_to_;
}

net::ClientOptions Services::client_options() const {
    net::ClientOptions options;
    options.ca_pem = directory_.root().tls_ca_pem();
    options.connect_to = connect_to();
    return options;
}

Result<Path> Services::write_site(const Path& folder, const Machine* machine,
                                  const std::map<std::string, std::string>& more) const {
    auto addresses = more;
    addresses.merge(connect_to());
    Path ca_file = folder / "tls-ca.pem";
    Path site_file = folder / "site.json";
    TRY(write_file(ca_file, as_bytes(directory_.root().tls_ca_pem()), Overwrite::yes));
    std::string site =
        guest::Site::encode(ca_file, addresses, machine != nullptr ? machine->tcti() : "",
                            machine != nullptr ? machine->event_log_path() : Path());
    TRY(write_file(site_file, as_bytes(site), Overwrite::yes));
    return site_file;
}

std::vector<uint16_t> Services::ports(const std::string& metadata_address) const {
    std::vector<uint16_t> out;
    for (const auto& attestation : attestations_) {
        out.push_back(attestation->listener.server->port());
    }
    for (const Listener& listener : listeners_) out.push_back(listener.server->port());
    for (const Listener& listener : metadata_listeners_) {
        if (listener.address() == metadata_address) out.push_back(listener.server->port());
    }
    return out;
}

Result<Services::AuditMark> Services::audit_mark() {
    AuditMark mark;
    for (audit::Log* log : audits_) mark[log] = TRY(log->size());
    return mark;
}

Result<std::vector<audit::Entry>> Services::entries_since(const AuditMark& mark) {
    std::vector<audit::Entry> out;
    for (audit::Log* log : audits_) {
        auto from = mark.find(log);
        if (from == mark.end()) continue;
        for (auto& stored : TRY(log->entries(from->second, audit::kMaxPage))) {
            out.push_back(std::move(stored.entry));
        }
    }
    return out;
}

Result<std::vector<audit::StoredEntry>> Services::find(std::string_view request_id) {
    for (audit::Log* log : audits_) {
        auto entries = TRY(log->find(request_id));
        if (!entries.empty()) return entries;
    }
    return std::vector<audit::StoredEntry>{};
}

}  // namespace vouchsafe::lab
