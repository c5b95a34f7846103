#include "vouchsafe/vault/operations.h"

#include "vouchsafe/access/access_policies.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/vault/key_seal.h"

namespace vouchsafe::vault {

namespace {

std::string seal_context(const Core& core, std::string_view vault, std::string_view key,
                         const KeyVersion& version) {
    return fmt::format("{} {} {} {}", core.config.allow_simulated ? "simulated" : "hardware",
                       version_record_key(vault, key, version.version), version.kty,
                       encode_hex(crypto::sha256(version.spki)));
}

}  // namespace

std::string Call::resource_id() const {
    return key.empty() ? vault->resource_id : key_scope(*vault, key);
}

audit::Entry make_entry(const Core& core, const Call& call) {
    audit::Entry entry;
    entry.time = core.clock.now();
    entry.actor = call.caller.object_id;
    entry.action = std::string(call.operation.name);
    entry.resource = call.key.empty() ? call.address.base
                                      : key_id(call.address.base, call.key, call.key_version);
    entry.request_id = call.request_id;
    entry.checks = call.checks.list();
    entry.details = call.details;
    entry.details["remote"] = call.request.remote;
    if (!call.caller.app_id.empty()) entry.details["app_id"] = call.caller.app_id;
    return entry;
}

Result<void> append_success(Core& core, store::Transaction& transaction, const Call& call) {
    TRY(core.log.append(transaction, make_entry(core, call)));
    return {};
}

Result<void> authorize_call(store::View& view, const Call& call, Checks& checks) {
    const Operation& operation = call.operation;
    if (call.vault->authorization == Authorization::roles) {
        return access::authorize(view, call.caller, access::Provider::key_vault, call.resource_id(),
                                 operation.actions, checks);
    }
    // The first action is the operation's own: access policies know no other way to it.
    const bool lists = operation.name.ends_with("/list") || operation.name.ends_with("/versions");
    const auto action = operation.actions.empty() ? std::string_view() : operation.actions.front();
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
    return seal_key(core.root, seal_context(core, vault, key, version), pkcs8);
}

Result<SecretBytes> open_private(Core& core, const Call& call, const Key& key) {
    const std::string& vault = call.vault->name;
    const std::string& name = key.record.name;
    std::optional<Bytes> sealed;
    TRY(core.store.read([&](store::View& view) -> Result<void> {
        sealed = TRY(view.get(kSecretTable, version_record_key(vault, name, key.version.version)));
        return {};
    }));
    if (!sealed) return fail(Code::io, "the private half of {} is missing", name);
    Result<SecretBytes> opened =
        open_key(core.root, seal_context(core, vault, name, key.version), *sealed);
    if (!opened) return fail(Code::io, "the private half of {} does not open", name);
    return opened;
}

}  // namespace vouchsafe::vault
