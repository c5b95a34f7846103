// Rotation by request, rotation policies, random bytes, and the attestation of keys.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/vault/body.h"
#include "vouchsafe/vault/keys/hsm_keys.h"
#include "vouchsafe/vault/keys/rotation.h"
#include "vouchsafe/vault/keys/versions.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMaxPolicyBody = 16 << 10;

Result<void> need_version(const Call& call, int minor, std::string_view what) {
    if (call.version->at_least_7(minor)) return {};
    return fail(Code::invalid, "{} needs api-version 7.{} or later", what, minor);
}

Json policy_answer(const Call& call, const KeyRecord& record) {
    Json out = encode_rotation_policy(record.rotation.value_or(default_rotation_policy()));
    out["id"] = key_id(call.address.base, record.name) + "/rotationpolicy";
    return out;
}

}  // namespace

Result<Json> rotate_key(Core& core, Call& call) {
    TRY(need_version(call, 3, "rotation"));
    const Key current = TRY(load_key(core, call));
    const KeyOrder order{call.vault->name, current.record.name, current.version.kty,
                         current.record.exportable};
    const KeyMaterial material = TRY(make_material(core, order, TRY(spec_of(current.version))));
    std::optional<Key> made;
    const auto stored = transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        const Key now = TRY(read_key(tx, call.vault->name, call.key, ""));
        // Made of another kind meanwhile: what was generated does not fit it.
        if (now.version.version != current.version.version) {
            return fail(Code::conflict, "the key got another version at the same time");
        }
        KeyPlan plan = TRY(plan_rotation(now, core.clock.now()));
        made = TRY(store_version(core, tx, call.vault->name, std::move(plan), material));
        note_key(call.details, *made);
        return append_success(core, tx, call);
    });
    if (!stored) abandon(core, material);
    TRY(stored);
    return encode_bundle(call.address.base, *made, *call.version, *call.vault);
}

Result<Json> get_rotation_policy(Core& core, Call& call) {
    TRY(need_version(call, 3, "rotation"));
    return policy_answer(call, TRY(load_key(core, call)).record);
}

Result<Json> set_rotation_policy(Core& core, Call& call) {
    TRY(need_version(call, 3, "rotation"));
    const Json body = TRY(parse_body(call.request.body, kMaxPolicyBody));
    RotationPolicy policy = TRY(parse_rotation_policy(body));
    policy.created = policy.updated = to_unix(core.clock.now());
    std::optional<KeyRecord> stored;
    TRY(transact(core, call, [&](store::Transaction& tx) -> Result<void> {
        Key key = TRY(read_key(tx, call.vault->name, call.key, ""));
        RotationPolicy next = policy;
        if (key.record.rotation) next.created = key.record.rotation->created;
        key.record.rotation = next;
        TRY(put_key_record(tx, call.vault->name, key.record));
        TRY(schedule_rotation(tx, call.vault->name, key));
        stored = key.record;
        call.details["rotation_policy"] = encode_rotation_policy(next);
        return append_success(core, tx, call);
    }));
    return policy_answer(call, *stored);
}

// attest_key has nothing to attest with: an HSM would sign that it made the key, and PKCS#11 has
// no way to ask for that.
Result<Json> attest_key(Core& core, Call& call) {
    TRY(need_version(call, 6, "key attestation"));
    const Key key = TRY(load_key(core, call));
    return fail(Code::invalid, "The key has no attestation: {}.",
                key.version.in_hsm ? "its HSM gives none over PKCS#11"
                                   : "it is not kept in a hardware security module");
}

Result<Json> random_octets(Core&, Call& call) {
    TRY(need_version(call, 3, "rng"));
    const SecretBytes out = crypto::random_secret(TRY(parse_random_body(call.request.body)));
    return Json{{"value", encode_base64url(out.expose())}};
}

}  // namespace vouchsafe::vault
