#include "vouchsafe/base/encoding.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/keys/algorithms.h"
#include "vouchsafe/vault/object_kind.h"
#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

namespace {

Json answer(const Call& call, const Key& key, const CryptoResult& result) {
    if (result.holds) return {{"value", *result.holds}};
    Json out = Json::object();
    out["kid"] = key_id(call.address.base, key.record.name, key.version.version);
    out["value"] = encode_base64url(result.value.expose());
    if (result.iv) out["iv"] = encode_base64url(*result.iv);
    if (result.tag) out["tag"] = encode_base64url(*result.tag);
    if (result.aad) out["aad"] = encode_base64url(*result.aad);
    return out;
}

// check_secret_use: for RSA and EC keys, who may read the key may also do what its public half
// allows anybody to do. With an oct key that would be the use of a secret, so it takes the
// operation's own action, which is the first in its list.
Result<void> check_secret_use(Core& core, Call& call) {
    const bool by_roles = call.vault->authorization == Authorization::roles;
    if (!by_roles || call.operation.actions.names().size() == 1) return {};  // judged already
    const DataActions own = {call.operation.actions.names().front()};
    return core.store.read([&](store::View& view) {
        return access::authorize(view, call.caller, own, call.resource_id(), core.assignments,
                                 call.checks);
    });
}

Result<void> check_key(const Core& core, Call& call, const Key& key, KeyUse use) {
    const bool makes = use == KeyUse::encrypt || use == KeyUse::wrap || use == KeyUse::sign;
    return check_use(key.version, key_op_name(use), makes, core.clock.now(), call.checks);
}

// record_of makes the use known, unless the key was deleted or changed so that it is none any more:
// then its result stays here.
store::Store::Work record_of(Core& core, Call& call, std::shared_ptr<const LoadedObject> judged,
                             KeyUse use) {
    return [&core, &call, judged = std::move(judged), use](store::Transaction& tx) -> Result<void> {
        const std::string& version = judged->version;
        const bool same =
            call.unchanged || TRY(read_as_stored(tx, kKeys, call, version)) == judged->stored;
        if (!same) {
            const Key now = TRY(read_key(tx, call.vault->name, call.key, version));
            TRY(check_key(core, call, now, use));
        }
        return append_success(core, tx, call);
    };
}

// use_of is every cryptographic operation. What took the secret is recorded before its result
// leaves.
Result<Json> use_of(Core& core, Call& call, KeyUse use) {
    const CryptoBody body = TRY(parse_crypto_body(call.request.body));
    const auto loaded = std::make_shared<const LoadedObject>(TRY(take_loaded(call)));
    const auto known = TRY(core.remembered.key(loaded->stored));
    const Key& key = *known;
    TRY(check_key(core, call, key, use));
    if (!needs_secret(key.version.family(), use)) {
        return answer(call, key, TRY(use_key(use, key.version, nullptr, body)));
    }
    TRY(check_secret_use(core, call));
    const auto opened = TRY(open_key_for_use(core, call, key, *loaded));
    const auto result =
        std::make_shared<const CryptoResult>(TRY(use_key(use, key.version, opened.get(), body)));
    call.details["alg"] = body.alg;
    call.details["version"] = key.version.version;
    call.recording = {record_of(core, call, loaded, use),
                      [&call, known, result] { return answer(call, *known, *result); }};
    return Json(nullptr);
}

}  // namespace

Result<Json> encrypt_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::encrypt);
}

Result<Json> decrypt_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::decrypt);
}

Result<Json> wrap_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::wrap);
}

Result<Json> unwrap_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::unwrap);
}

Result<Json> sign_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::sign);
}

Result<Json> verify_with_key(Core& core, Call& call) {
    return use_of(core, call, KeyUse::verify);
}

}  // namespace vouchsafe::vault
