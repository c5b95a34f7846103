#include "vouchsafe/vault/key_rules.h"

#include <algorithm>

#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/release_rules.h"

namespace vouchsafe::vault {

namespace {

constexpr uint32_t kMaxVersions = 10000;  // of one key
constexpr std::string_view kRsaOps[] = {"encrypt", "decrypt", "sign",
                                        "verify",  "wrapKey", "unwrapKey"};
constexpr std::string_view kEcOps[] = {"sign", "verify"};

constexpr std::string_view kOctOps[] = {"encrypt",   "decrypt", "wrapKey",
                                        "unwrapKey", "sign",    "verify"};
constexpr size_t kOctCipherOps = 4;  // of these; the others, for HMAC, are had by asking
constexpr size_t kMaxAesBits = 256;  // a longer oct key is for HMAC alone

std::span<const std::string_view> ops_of(KeyFamily family) {
    switch (family) {
        case KeyFamily::rsa:
            return kRsaOps;
        case KeyFamily::ec:
            return kEcOps;
        case KeyFamily::oct:
            break;
    }
    return kOctOps;
}

std::span<const std::string_view> default_ops(const KeySpec& spec) {
    const auto all = ops_of(spec.family);
    if (spec.family != KeyFamily::oct) return all;
    return spec.bits <= kMaxAesBits ? all.first(kOctCipherOps) : all.subspan(kOctCipherOps);
}

bool is_hsm(std::string_view kty) {
    return kty.ends_with("-HSM");
}

Result<KeySpec> rsa_spec(const KeyBody& body) {
    if (body.crv) return fail(Code::invalid, "crv does not belong to an RSA key");
    const int64_t bits = body.key_size.value_or(2048);
    if (bits != 2048 && bits != 3072 && bits != 4096) {
        return fail(Code::invalid, "key_size of an RSA key is 2048, 3072 or 4096, not {}", bits);
    }
    return KeySpec{KeyFamily::rsa, static_cast<size_t>(bits), {}};
}

Result<KeySpec> ec_spec(const KeyBody& body) {
    if (body.key_size) return fail(Code::invalid, "key_size does not belong to an EC key");
    const std::string crv = body.crv.value_or("P-256");
    if (crv == "P-256") return KeySpec{KeyFamily::ec, 0, crypto::Curve::p256};
    if (crv == "P-384") return KeySpec{KeyFamily::ec, 0, crypto::Curve::p384};
    if (crv == "P-521") return KeySpec{KeyFamily::ec, 0, crypto::Curve::p521};
    if (crv == "P-256K") return KeySpec{KeyFamily::ec, 0, crypto::Curve::p256k};
    return fail(Code::invalid, "crv is P-256, P-384, P-521 or P-256K");
}

Result<KeySpec> oct_spec(const KeyBody& body) {
    if (body.crv) return fail(Code::invalid, "crv does not belong to an oct key");
    const int64_t bits = body.key_size.value_or(256);
    if (bits != 128 && bits != 192 && bits != 256) {
        return fail(Code::invalid, "key_size of an oct key is 128, 192 or 256, not {}", bits);
    }
    return KeySpec{KeyFamily::oct, static_cast<size_t>(bits), {}};
}

Result<std::vector<std::string>> checked_ops(std::vector<std::string> ops, KeyFamily family) {
    const auto allowed = ops_of(family);
    for (const std::string& op : ops) {
        if (op == "import" || op == "export") {
            return fail(Code::unsupported, "key operation {} is not built", op);
        }
        if (std::find(allowed.begin(), allowed.end(), op) == allowed.end()) {
            return fail(Code::invalid, "key_ops of this kind of key are {}",
                        fmt::join(allowed, ", "));
        }
    }
    return ops;
}

Result<void> set_dates(KeyVersion& version, const AttributesBody& attributes) {
    if (attributes.enabled) version.enabled = *attributes.enabled;
    if (attributes.not_before) version.not_before = attributes.not_before;
    if (attributes.expires) version.expires = attributes.expires;
    if (version.not_before && version.expires && *version.not_before >= *version.expires) {
        return fail(Code::invalid, "attributes.nbf must be before attributes.exp");
    }
    return {};
}

tl::unexpected<Error> no_policy() {
    return fail(Code::invalid, "AKV.SKR.1004: An exportable key must have a release policy.");
}

// check_persons is for whoever changes a policy, so that no operation forgets it.
Result<void> check_persons(const KeyRecord& record, bool same, Approval approval) {
    const bool needed = TRY(ReleaseRules::of_record(record.rules)).two_person;
    if (same || !needed || approval == Approval::two_persons) return {};
    Checks checks;
    return checks.require(false, "VAULT-RULES-APPROVAL", "release_policy",
                          "a change that two persons made", "by one");
}

Result<void> check_policy_presence(const KeyRecord& record) {
    if (record.exportable && record.policy.empty()) return no_policy();
    if (!record.exportable && !record.policy.empty()) {
        return fail(Code::invalid,
                    "AKV.SKR.1005: A key that is not exportable must not have a release policy.");
    }
    return {};
}

Result<void> check_count(const KeyRecord& record) {
    if (record.versions < kMaxVersions) return {};
    return fail(Code::conflict, "a key has at most {} versions", kMaxVersions);
}

Result<KeyRecord> plan_record(const VaultInfo& vault, std::string_view name,
                              const std::optional<KeyRecord>& existing, const KeyBody& body,
                              const ApiVersion& version) {
    KeyRecord record = existing.value_or(KeyRecord{});
    if (!existing) record.name = std::string(name);
    TRY(check_count(record));
    const bool exportable = body.attributes.exportable.value_or(record.exportable);
    if (existing && exportable != existing->exportable) {
        return fail(Code::invalid,
                    "AKV.SKR.1003: A new version cannot change whether the key is exportable.");
    }
    record.exportable = exportable;
    if (exportable && (vault.sku != Sku::premium || !version.at_least_7(3))) {
        return fail(Code::invalid,
                    "AKV.SKR.1001: Exportable keys need a premium vault and api-version 7.3 or "
                    "later.");
    }
    if (body.release_policy) {
        TRY(change_policy(record, *body.release_policy, Approval::one_person));
    }
    TRY(check_policy_presence(record));
    if (exportable && !is_hsm(body.kty)) {
        return fail(Code::invalid,
                    "AKV.SKR.1006: An exportable key must be HSM-backed: kty RSA-HSM, EC-HSM or "
                    "oct-HSM.");
    }
    return record;
}

}  // namespace

Result<void> check_sku(const VaultInfo& vault, std::string_view kty) {
    if (!is_hsm(kty) || vault.sku == Sku::premium) return {};
    return fail(Code::forbidden,
                "Hardware key operations are not allowed on a standard vault: kty {} needs a "
                "premium one.",
                kty);
}

Result<KeySpec> requested_spec(const KeyBody& body) {
    if (body.kty == "RSA" || body.kty == "RSA-HSM") return rsa_spec(body);
    if (body.kty == "EC" || body.kty == "EC-HSM") return ec_spec(body);
    if (body.kty == "oct" || body.kty == "oct-HSM") return oct_spec(body);
    return fail(Code::invalid, "kty is RSA, EC or oct, or one of these with -HSM");
}

Result<KeySpec> spec_of(const KeyVersion& version) {
    if (version.family() == KeyFamily::oct) return KeySpec{KeyFamily::oct, version.bits, {}};
    const auto key = TRY(crypto::PublicKey::from_spki(version.spki, crypto::Curves::with_p256k));
    if (version.family() == KeyFamily::rsa) return KeySpec{KeyFamily::rsa, key.bits(), {}};
    const auto point = TRY(key.ec());
    return KeySpec{KeyFamily::ec, 0, point.curve};
}

Result<KeyPlan> plan_create(const VaultInfo& vault, std::string_view name,
                            const std::optional<KeyRecord>& existing, const KeyBody& body,
                            const KeySpec& spec, const ApiVersion& version) {
    TRY(check_sku(vault, body.kty));
    KeyPlan plan;
    plan.record = TRY(plan_record(vault, name, existing, body, version));
    plan.version.kty = body.kty;
    const auto usual = default_ops(spec);
    plan.version.key_ops = TRY(checked_ops(
        body.key_ops.value_or(std::vector<std::string>(usual.begin(), usual.end())), spec.family));
    plan.version.tags = body.tags.value_or(std::map<std::string, std::string>());
    TRY(set_dates(plan.version, body.attributes));
    return plan;
}

Result<KeyPlan> plan_rotation(const Key& key, Time now) {
    TRY(check_count(key.record));
    KeyPlan plan{key.record, {}};
    plan.version.kty = key.version.kty;
    plan.version.key_ops = key.version.key_ops;
    plan.version.tags = key.version.tags;
    const auto& rotation = key.record.rotation;
    if (rotation && rotation->expiry) {
        plan.version.expires = to_unix(rotation->expiry->after(now));
    }
    return plan;
}

Result<Key> plan_update(Key key, const KeyBody& body, bool versioned, Time now) {
    if (body.attributes.exportable && *body.attributes.exportable != key.record.exportable) {
        return fail(Code::invalid,
                    "AKV.SKR.1014: Whether a key is exportable cannot be changed after creation.");
    }
    if (body.release_policy) {
        if (versioned) {
            return fail(Code::invalid,
                        "AKV.SKR.1016: The release policy belongs to the key: update it without a "
                        "version in the path.");
        }
        TRY(change_policy(key.record, *body.release_policy, Approval::one_person));
        TRY(check_policy_presence(key.record));
    }
    if (body.key_ops) {
        key.version.key_ops = TRY(checked_ops(*body.key_ops, key.version.family()));
    }
    if (body.tags) key.version.tags = *body.tags;
    TRY(set_dates(key.version, body.attributes));
    key.version.updated = to_unix(now);
    return key;
}

Result<void> change_policy(KeyRecord& record, const PolicyEnvelope& sent, Approval approval) {
    if (sent.data.empty()) {  // the same as no policy (A.8)
        if (record.exportable) return no_policy();
        return {};
    }
    policy::ReleasePolicy parsed =
        TRY(with_context(policy::ReleasePolicy::parse(sent.data), "release_policy.data"));
    // Compared as canonical text: clients may write one policy in many ways.
    const bool same = parsed.canonical() == record.policy;
    if (record.policy_immutable && (!same || !sent.immutable)) {
        return fail(Code::invalid,
                    "AKV.SKR.1020: The release policy is marked immutable and cannot be modified.");
    }
    TRY(check_persons(record, same && sent.immutable == record.policy_immutable, approval));
    record.policy = parsed.canonical();
    record.policy_content_type = sent.content_type;
    record.policy_immutable = sent.immutable;
    return {};
}

Result<void> check_enabled(const KeyVersion& version, Checks& checks) {
    return checks.require(version.enabled, "VAULT-KEY-ENABLED", "attributes.enabled", "true",
                          version.enabled ? "true" : "false");
}

Result<void> check_use(const KeyVersion& version, std::string_view operation, bool dated, Time now,
                       Checks& checks) {
    TRY(check_enabled(version, checks));
    const auto& ops = version.key_ops;
    TRY(checks.require(std::find(ops.begin(), ops.end(), operation) != ops.end(),
                       "VAULT-KEY-OPERATION", "key_ops", std::string(operation),
                       fmt::format("{}", fmt::join(ops, ", "))));
    if (!dated) return {};
    const int64_t seconds = to_unix(now);
    const bool started = !version.not_before || *version.not_before <= seconds;
    const bool ended = version.expires && *version.expires <= seconds;
    return checks.require(
        started && !ended, "VAULT-KEY-WINDOW", "attributes.nbf, attributes.exp",
        fmt::format("from {} to {}",
                    version.not_before ? format_rfc3339(from_unix(*version.not_before)) : "ever",
                    version.expires ? format_rfc3339(from_unix(*version.expires)) : "ever"),
        format_rfc3339(now));
}

}  // namespace vouchsafe::vault
