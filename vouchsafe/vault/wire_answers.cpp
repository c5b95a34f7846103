#include "vouchsafe/base/encoding.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

std::string object_id(std::string_view base, std::string_view collection, std::string_view name,
                      std::string_view version) {
    std::string id(base);
    for (const std::string_view part : {collection, name, version}) {
        if (!part.empty()) id.append("/").append(part);
    }
    return id;
}

std::string key_id(std::string_view base, std::string_view name, std::string_view version) {
    return object_id(base, "keys", name, version);
}

void add_recovery(Json& attributes, const VaultInfo& vault) {
    std::string level = vault.retention_days == kMaxRetentionDays ? "" : "Customized";
    level += vault.purge_protection ? "Recoverable" : "Recoverable+Purgeable";
    attributes["recoveryLevel"] = std::move(level);
    attributes["recoverableDays"] = vault.retention_days;
}

Result<Json> public_jwk(const KeyVersion& version) {
    if (version.family() == KeyFamily::oct) return Json::object();
    const auto key = crypto::PublicKey::from_spki(version.spki, crypto::Curves::with_p256k);
    if (!key) return fail(Code::io, "the public half of a key is damaged");
    return jose::encode_jwk(*key);
}

Json encode_key(std::string_view base, const Key& key, Json public_jwk) {
    Json jwk = std::move(public_jwk);
    jwk["kid"] = key_id(base, key.record.name, key.version.version);
    jwk["kty"] = key.version.kty;
    jwk["key_ops"] = key.version.key_ops;
    return jwk;
}

Json encode_attributes(const Key& key, const ApiVersion& version, const VaultInfo& vault) {
    Json out = Json::object();
    out["enabled"] = key.version.enabled;
    out["created"] = key.version.created;
    out["updated"] = key.version.updated;
    out["exportable"] = key.record.exportable;
    add_recovery(out, vault);
    if (key.version.not_before) out["nbf"] = *key.version.not_before;
    if (key.version.expires) out["exp"] = *key.version.expires;
    // "0" means software (A.4), which is the truth for HSM kinds too that are not in an HSM.
    // Azure's other numbers are levels of FIPS 140, which are not ours to tell.
    if (version.at_least_7(5)) out["hsmPlatform"] = key.version.in_hsm ? "pkcs11" : "0";
    return out;
}

Json encode_policy(const KeyRecord& record) {
    return {{"contentType", record.policy_content_type},
            {"data", encode_base64url(as_bytes(record.policy))},
            {"immutable", record.policy_immutable}};
}

Json encode_bundle(std::string_view base, const Key& key, Json public_jwk,
                   const ApiVersion& version, const VaultInfo& vault) {
    Json out = Json::object();
    out["key"] = encode_key(base, key, std::move(public_jwk));
    out["attributes"] = encode_attributes(key, version, vault);
    if (!key.version.tags.empty()) out["tags"] = key.version.tags;
    if (!key.record.policy.empty()) out["release_policy"] = encode_policy(key.record);
    return out;
}

Result<Json> encode_bundle(std::string_view base, const Key& key, const ApiVersion& version,
                           const VaultInfo& vault) {
    return encode_bundle(base, key, TRY(public_jwk(key.version)), version, vault);
}

Json encode_item(std::string_view base, const Key& key, bool versioned, const ApiVersion& version,
                 const VaultInfo& vault) {
    Json out = {{"kid", key_id(base, key.record.name,
                               versioned ? std::string_view(key.version.version) : "")},
                {"attributes", encode_attributes(key, version, vault)}};
    if (!key.version.tags.empty()) out["tags"] = key.version.tags;
    return out;
}

}  // namespace vouchsafe::vault
