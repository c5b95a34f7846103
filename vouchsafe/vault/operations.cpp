#include "vouchsafe/vault/operations.h"

#include <algorithm>

#include "vouchsafe/access/access_policies.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/vault/key_seal.h"
#include "vouchsafe/vault/keys/hsm_keys.h"

namespace vouchsafe::vault {

namespace {

std::string seal_context(const Core& core, std::string_view vault, std::string_view key,
                         const KeyVersion& version) {
    return key_seal_context(core.config, version_record_key(vault, key, version.version), version);
}

// SealedKey is what lies in the store, and what it is bound to. It borrows what was loaded.
struct SealedKey {
    std::string name;  // of the record
    std::string context;
    ByteView bytes;
};

Result<SealedKey> sealed_of(Core& core, const Call& call, const Key& key,
                            const LoadedObject& loaded) {
    const std::string& vault = call.vault->name;
    const std::string& name = key.record.name;
    SealedKey out{version_record_key(vault, name, key.version.version),
                  seal_context(core, vault, name, key.version),
                  {}};
    if (!loaded.material) {
        core.opened_keys.forget(out.name);
        return fail(Code::io, "the private half of {} is missing", name);
    }
    out.bytes = *loaded.material;
    return out;
}

OpenedKeys::Digest digest_of(const SealedKey& sealed) {
    crypto::Hasher hasher(crypto::HashAlg::sha256);
    hasher.update(crypto::sha256(as_bytes(sealed.context)));
    hasher.update(sealed.bytes);
    OpenedKeys::Digest out;
    std::ranges::copy(hasher.finish(), out.begin());
    return out;
}

Result<SecretBytes> open_sealed(const Core& core, const SealedKey& sealed, const Key& key) {
    Result<SecretBytes> opened = open_key(*core.root, sealed.context, sealed.bytes);
    if (!opened) return fail(Code::io, "the private half of {} does not open", key.record.name);
    return opened;
}

}  // namespace

std::string Call::resource_id() const {
    if (key.empty()) return vault->resource_id;
    return operation.collection == "keys" ? key_scope(*vault, key) : secret_scope(*vault, key);
}

std::string key_seal_context(const Config& config, std::string_view place,
                             const KeyVersion& version) {
    return fmt::format("{} {} {} {}{}", config.allow_simulated ? "simulated" : "hardware", place,
                       version.kty, encode_hex(crypto::sha256(version.spki)),
                       version.in_hsm ? " in an HSM" : "");
}

audit::Entry make_entry(const Core& core, const Call& call) {
    audit::Entry entry;
    entry.time = core.clock.now();
    entry.actor = call.caller.object_id;
    entry.action = std::string(call.operation.name);
    entry.resource = call.key.empty() ? call.address.base
                                      : object_id(call.address.base, call.operation.collection,
                                                  call.key, call.key_version);
    entry.request_id = call.request_id;
    entry.checks = call.checks.list();
    entry.details = call.details;
    entry.details["remote"] = call.request.remote;
    if (!call.caller.app_id.empty()) entry.details["app_id"] = call.caller.app_id;
    access::add_vouching(call.caller, entry.details);
    return entry;
}

Result<void> append_success(Core& core, store::Transaction& transaction, const Call& call) {
    TRY(core.log.append(transaction, make_entry(core, call)));
    return {};
}

namespace {

Checks first_of(const Checks& checks, size_t count) {
    const std::vector<Check>& list = checks.list();
    Checks out;
    out.repeat({list.begin(), list.begin() + static_cast<ptrdiff_t>(count)});
    return out;
}

// check_vault_open: the vault may have been deleted since the call began.
Result<void> check_vault_open(store::View& view, const Call& call) {
    const bool same = call.judged_vault &&
                      TRY(is_vault_as_stored(view, call.vault->name, call.judged_vault->record));
    if (same) return {};
    const auto vault = TRY(read_vault(view, call.vault->name));
    if (vault && !vault->deleted) return {};
    return fail(Code::not_found, "there is no vault {} here", call.vault->name);
}

// Transacting is what transact does in a transaction, each time that the store runs it.
class Transacting {
  public:
    Transacting(Call& call, store::Store::Work work)
        : call_(call),
          work_(std::move(work)),
          made_(call.checks.list().size()),
          details_(call.details) {}

    Result<void> operator()(store::Transaction& tx) {
        if (std::exchange(again_, true)) {
            call_.checks = first_of(call_.checks, made_);
            call_.details = details_;
        }
        call_.unchanged = TRY(tx.still_holds(call_.basis));
        if (call_.unchanged) return work_(tx);
        call_.outdated = call_.basis.recalled;
        if (call_.outdated) return fail(Code::conflict, "what the call was judged by was changed");
        TRY(check_vault_open(tx, call_));
        return work_(tx);
    }

  private:
    Call& call_;
    store::Store::Work work_;
    size_t made_;
    Json details_;
    bool again_ = false;
};

}  // namespace

Result<void> transact(Core& core, Call& call,
                      const std::function<Result<void>(store::Transaction&)>& work) {
    Transacting transacting(call, work);
    return core.store.run(std::ref(transacting));
}

void transact_later(Core& core, Call& call, store::Store::Work work, store::Store::Then then) {
    core.store.run_later(Transacting(call, std::move(work)), std::move(then));
}

Result<void> authorize_call(store::View& view, Core& core, const Call& call, Checks& checks) {
    const Operation& operation = call.operation;
    if (call.vault->authorization == Authorization::roles) {
        return access::authorize(view, call.caller, operation.actions, call.resource_id(),
                                 core.assignments, checks);
    }
    // The first action is the operation's own: access policies know no other way to it.
    const bool lists = operation.name.ends_with("/list") || operation.name.ends_with("/versions");
    const auto& actions = operation.actions.names();
    const auto action = actions.empty() ? std::string_view() : actions.front();
    return access::authorize_by_policies(view, call.vault->name, call.caller,
                                         access::permission_of(action, lists), checks);
}

Result<Key> load_key(Core& core, const Call& call) {
    std::optional<Key> key;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        key = TRY(read_key(view, call.vault->name, call.key, call.key_version));
        return {};
    }));
    return std::move(*key);
}

Bytes seal_private(const Core& core, std::string_view vault, std::string_view key,
                   const KeyVersion& version, ByteView pkcs8) {
    return seal_key(*core.root, seal_context(core, vault, key, version), pkcs8);
}

Result<LoadedObject> take_loaded(Call& call) {
    if (!call.loaded) return fail(Code::internal, "the operation does not say what it needs");
    return std::move(*call.loaded);
}

Result<SecretBytes> open_private(Core& core, const Call& call, const Key& key,
                                 const LoadedObject& loaded) {
    return open_sealed(core, TRY(sealed_of(core, call, key, loaded)), key);
}

Result<SecretBytes> open_sealed_private(const Core& core, std::string_view vault,
                                        std::string_view key, const KeyVersion& version,
                                        ByteView sealed) {
    Result<SecretBytes> opened =
        open_key(*core.root, seal_context(core, vault, key, version), sealed);
    if (!opened) return fail(Code::io, "the private half of {} does not open", key);
    return opened;
}

Result<std::shared_ptr<const OpenedKey>> open_key_for_use(Core& core, const Call& call,
                                                          const Key& key,
                                                          const LoadedObject& loaded) {
    const SealedKey sealed = TRY(sealed_of(core, call, key, loaded));
    const OpenedKeys::Digest digest = digest_of(sealed);
    const Time now = core.clock.now();
    if (auto kept = core.opened_keys.find(sealed.name, digest, now)) return kept;
    SecretBytes secret = TRY(open_sealed(core, sealed, key));
    std::shared_ptr<const OpenedKey> opened;
    if (key.version.in_hsm) {
        opened = std::make_shared<const OpenedKey>(TRY(open_hsm_key(core, secret.expose())));
    } else if (key.version.family() == KeyFamily::oct) {
        opened = std::make_shared<const OpenedKey>(std::move(secret));
    } else {
        auto parsed = crypto::PrivateKey::trust_pkcs8(secret.expose());
        if (!parsed) return fail(Code::io, "the private half of {} is damaged", key.record.name);
        opened = std::make_shared<const OpenedKey>(std::move(*parsed));
    }
    core.opened_keys.keep(sealed.name, digest, opened, now);
    return opened;
}

}  // namespace vouchsafe::vault
