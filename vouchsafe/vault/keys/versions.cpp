#include "vouchsafe/vault/keys/versions.h"

#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/kept_rules.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/rotation.h"

namespace vouchsafe::vault {

Result<Key> store_version(Core& core, store::Transaction& tx, std::string_view vault, KeyPlan plan,
                          const KeyMaterial& material) {
    Key made{std::move(plan.record), std::move(plan.version)};
    made.version.version = crypto::random_hex(16);
    made.version.created = made.version.updated = to_unix(core.clock.now());
    made.version.spki = material.spki;
    if (material.spec.family == KeyFamily::oct) {
        made.version.bits = static_cast<uint32_t>(material.spec.bits);
    }
    made.version.in_hsm = material.hsm.has_value();
    TRY(adopt(core, tx, material));
    made.record.current = made.version.version;
    made.record.versions += 1;
    const std::string& name = made.record.name;
    const Bytes sealed = seal_private(core, vault, name, made.version, material.secret.expose());
    TRY(tx.insert(kSecretTable, version_record_key(vault, name, made.version.version), sealed));
    TRY(put_key_version(tx, vault, name, made.version));
    TRY(put_key_record(tx, vault, made.record));
    TRY(mark_version(tx, made.record, made.version.version));
    TRY(schedule_rotation(tx, vault, made));
    return made;
}

void note_key(Json& details, const Key& key) {
    details["version"] = key.version.version;
    details["kty"] = key.version.kty;
    if (key.version.in_hsm) details["in_hsm"] = true;
    details["enabled"] = key.version.enabled;
    details["exportable"] = key.record.exportable;
    details["release_policy"] = key.record.policy;
    details["release_policy_immutable"] = key.record.policy_immutable;
}

}  // namespace vouchsafe::vault
