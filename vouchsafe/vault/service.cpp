#include "vouchsafe/vault/service.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/vault/administration.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/dispatch.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/rotation.h"
#include "vouchsafe/vault/root_guard.h"
#include "vouchsafe/vault/secrets/secret_records.h"

namespace vouchsafe::vault {

namespace {

constexpr std::string_view kTierKey = "tier";

std::string_view tier_name(const Config& config) {
    return config.allow_simulated ? "simulated" : "hardware";
}

Result<std::string> checked_base(std::string_view name, std::string url) {
    if (url.ends_with('/')) url.pop_back();
    const net::Url parsed = TRY(with_context(net::Url::parse(url), name));
    if (parsed.scheme != "https") return fail(Code::invalid, "{} must be an https URL", name);
    return url;
}

Result<std::string> checked_origin(std::string origin) {
    const std::string base = TRY(checked_base("attestation_origins", std::move(origin)));
    return TRY(net::Url::parse(base)).origin();
}

Result<Config> checked(Config config) {
    if (config.directory.empty()) return fail(Code::invalid, "directory is not set");
    if (config.dns_suffixes.empty()) return fail(Code::invalid, "dns_suffixes is empty");
    config.resource = TRY(checked_base("resource", config.resource));
    config.login_authority = TRY(checked_base("login_authority", config.login_authority));
    config.issuer_base = TRY(checked_base("issuer_base", config.issuer_base));
    for (std::string& origin : config.attestation_origins) {
        origin = TRY(checked_origin(std::move(origin)));
    }
    return config;
}

// check_signer: consumers verify release answers up the chain to a root they trust, so the chain
// must be whole; they accept RS256 alone (azure-api A.7).
Result<void> check_signer(const net::TlsIdentity& signer) {
    const auto& chain = signer.chain;
    if (chain.size() < 2) {
        return fail(Code::invalid,
                    "the vault signs releases with its TLS certificate, so it needs the whole "
                    "chain: leaf, ..., root");
    }
    if (signer.key.type() != crypto::KeyType::rsa ||
        !(TRY(chain.front().public_key()) == signer.key.public_key())) {
        return fail(Code::invalid,
                    "the vault signs releases with its TLS certificate, so the key must be RSA and "
                    "the certificate's");
    }
    for (size_t i = 0; i < chain.size(); ++i) {
        const crypto::Certificate& issuer = chain[std::min(i + 1, chain.size() - 1)];
        TRY(with_context(chain[i].verify_signed_by(issuer), "the release signer's chain"));
    }
    return {};
}

// has_sealed tells whether the store holds anything that only its root key opens.
Result<bool> has_sealed(store::View& view) {
    for (std::string_view name : {kRootKey, kBackupKey, kCheckpointKey}) {
        if (TRY(view.get(kMetaTable, name))) return true;
    }
    for (std::string_view table : {kSecretTable, secrets::kValues}) {
        if (!TRY(view.scan(table, "", "", 1)).empty()) return true;
    }
    return false;
}

// open_root makes the first root key only where nothing waits for another one.
Result<std::unique_ptr<crypto::RootRing>> open_root(store::Store& store, const Config& config,
                                                    std::shared_ptr<crypto::RootKeeper> keeper) {
    const Path file = config.directory / kRootKeyFile;
    bool sealed = false;
    TRY(store.read([&](store::View& view) -> Result<void> {
        sealed = TRY(has_sealed(view));
        return {};
    }));
    std::error_code ignored;
    if (sealed && !std::filesystem::exists(file, ignored)) {
        return fail(Code::not_found,
                    "{} is missing, and what the store holds is sealed under the root key in it: "
                    "restore that file from its copy; without it only an empty store can be "
                    "started with",
                    file.string());
    }
    return crypto::RootRing::load_or_create(file, std::move(keeper));
}

// settle writes what a store remembers of its data directory, or compares it.
Result<void> settle(store::Store& store, const Config& config, const crypto::RootRing& root) {
    return store.run([&](store::Transaction& tx) -> Result<void> {
        auto tier = TRY(tx.get(kMetaTable, kTierKey));
        auto sealed = TRY(tx.get(kMetaTable, kRootKey));
        if (!tier && !sealed && !TRY(has_sealed(tx))) {
            TRY(tx.insert(kMetaTable, kTierKey, as_bytes(tier_name(config))));
            return tx.insert(kMetaTable, kRootKey,
                             root.seal(kRootContext, as_bytes(tier_name(config))));
        }
        if (!tier || !sealed) return fail(Code::io, "the vault's store is damaged");
        auto opened = root.open(kRootContext, *sealed);
        if (!opened) {
            return fail(Code::bad_evidence,
                        "the vault's store was sealed under another root key than {}",
                        (config.directory / kRootKeyFile).string());
        }
        if (opened->expose_text() != tier_name(config) || as_text(*tier) != tier_name(config)) {
            return fail(Code::conflict,
                        "the vault's store is of a {} directory and cannot be opened as {}",
                        opened->expose_text(), tier_name(config));
        }
        return {};
    });
}

}  // namespace

namespace {

audit::KeySeal sealed_under(const crypto::RootRing& root) {
    return {
        [&root](std::string_view context, ByteView plaintext) {
            return root.seal(context, plaintext);
        },
        [&root](std::string_view context, ByteView sealed) { return root.open(context, sealed); }};
}

}  // namespace

struct Service::Impl {
    // Core holds a mutex and is built in place.
    Impl(Config config, Dependencies deps, std::unique_ptr<crypto::RootRing> root)
        : guard(deps.store, *root),
          core{.config = config,
               .store = guard,
               .clock = deps.clock,
               .trusted = TrustedOrigins(config.attestation_origins),
               .release_signer = ReleaseSigner(std::move(deps.release_signer)),
               .on_verdict = std::move(deps.on_verdict),
               .root = std::move(root),
               .hsm = std::move(deps.key_hsm),
               .log = audit::Log(deps.store),
               .key_sets = access::KeySets(std::move(deps.fetch), deps.clock, config.keys),
               .vouching = access::CurrentVouching(std::move(deps.vouching)),
               .limits = std::move(deps.limits)} {}

    RootGuard guard;
    Core core;
    Dispatcher dispatcher{core};
    Administration administration{core.store, core.log, core.clock};
    audit::CheckpointWriter checkpoints{
        core.store, core.clock, "vault",
        audit::CheckpointKeyPlace{std::string(kMetaTable), std::string(kCheckpointKey),
                                  std::string(kCheckpointKeyContext)},
        sealed_under(*core.root)};
};

Service::Service(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Service::~Service() = default;

Result<std::unique_ptr<Service>> Service::create(Config config, Dependencies deps) {
    config = TRY(checked(std::move(config)));
    TRY(check_signer(deps.release_signer));
    TRY(make_private_dir(config.directory));
    if (deps.root_keeper == nullptr) deps.root_keeper = crypto::keep_in_file();
    auto root = TRY(open_root(deps.store, config, deps.root_keeper));
    TRY(settle(deps.store, config, *root));
    return std::unique_ptr<Service>(
        new Service(std::make_unique<Impl>(std::move(config), std::move(deps), std::move(root))));
}

net::Handler Service::handler() {
    return [impl = impl_.get()](const net::Request& request) {
        return impl->dispatcher.handle(request);
    };
}

std::string_view Service::route_of(const net::Request& request) const {
    return impl_->dispatcher.route_of(request);
}

Result<void> Service::replace_release_signer(net::TlsIdentity signer) {
    TRY(check_signer(signer));
    impl_->core.release_signer.set(std::move(signer));
    return {};
}

void Service::replace_vouching(access::Vouching vouching) {
    impl_->core.vouching.set(std::move(vouching));
}

Result<void> Service::trust_attestation(const std::string& origin) {
    impl_->core.trusted.add(TRY(checked_origin(origin)));
    return {};
}

void Service::distrust_attestation(const std::string& origin) {
    const auto checked = checked_origin(origin);
    if (!checked) return;
    impl_->core.trusted.remove(*checked);
    impl_->core.key_sets.forget(*checked);
}

Result<void> Service::purge_vault(std::string_view name, std::string_view actor) {
    return vault::purge_vault(impl_->core, name, actor);
}
Result<VaultInfo> Service::create_vault(const VaultSpec& spec) {
    return impl_->administration.create_vault(spec);
}
Result<VaultInfo> Service::find_vault(std::string_view name) const {
    return impl_->administration.find_vault(name);
}
Result<std::vector<VaultInfo>> Service::vaults() const {
    return impl_->administration.vaults();
}
Result<VaultInfo> Service::protect_from_purge(std::string_view name) {
    return impl_->administration.protect_from_purge(name);
}
Result<size_t> Service::purge_due() {
    impl_->core.opened_keys.drop_old(impl_->core.clock.now());
    if (const auto read = impl_->core.root->refresh(); !read) {
        log_event(LogLevel::error, "the root key was replaced, and this service cannot read it",
                  {{"problem", read.error().message}});
    }
    const auto purged = purge_due_objects(impl_->core);
    TRY(sweep_hsm(impl_->core));
    return purged;
}
Result<RoleAssignment> Service::assign_role(std::string_view principal, std::string_view role,
                                            std::string_view scope) {
    return impl_->administration.assign_role(principal, role, scope);
}
Result<void> Service::remove_role(std::string_view principal, std::string_view assignment_id) {
    return impl_->administration.remove_role(principal, assignment_id);
}
Result<std::vector<RoleAssignment>> Service::roles_of(std::string_view principal) const {
    return impl_->administration.roles_of(principal);
}

Result<size_t> Service::rotate_due_keys() {
    return vault::rotate_due_keys(impl_->core);
}

Result<std::optional<audit::StoredCheckpoint>> Service::write_checkpoint(Seconds every) {
    return impl_->checkpoints.write(every);
}

Administration& Service::administration() {
    return impl_->administration;
}
audit::Log& Service::audit() {
    return impl_->core.log;
}
const Config& Service::config() const {
    return impl_->core.config;
}

std::string key_scope(const VaultInfo& vault, std::string_view key_name) {
    return fmt::format("{}/keys/{}", vault.resource_id, key_name);
}
std::string secret_scope(const VaultInfo& vault, std::string_view secret_name) {
    return fmt::format("{}/secrets/{}", vault.resource_id, secret_name);
}

}  // namespace vouchsafe::vault
