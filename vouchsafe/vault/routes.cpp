// Every URL of the vault (azure-api A.2). Rows without a function answer 501: the operation exists
// on the real service and is not built here.
#include "vouchsafe/vault/dispatch.h"

namespace vouchsafe::vault {

namespace {

// Encrypting, wrapping and verifying need no more than the public key, so keys/read suffices (A.5);
// with an oct key, the operation's own action is needed, which comes first.
const Operation kCreate{"keys/create", {"keys/create/action"}, true, create_key};
const Operation kGet{"keys/get", {"keys/read"}, false, get_key};
const Operation kUpdate{"keys/update", {"keys/update/action"}, true, update_key};
const Operation kList{"keys/list", {"keys/read"}, false, list_keys};
const Operation kVersions{"keys/versions", {"keys/read"}, false, list_key_versions};
const Operation kEncrypt{
    "keys/encrypt", {"keys/encrypt/action", "keys/read"}, false, encrypt_with_key};
const Operation kDecrypt{"keys/decrypt", {"keys/decrypt/action"}, true, decrypt_with_key};
const Operation kWrap{"keys/wrap", {"keys/wrap/action", "keys/read"}, false, wrap_with_key};
const Operation kUnwrap{"keys/unwrap", {"keys/unwrap/action"}, true, unwrap_with_key};
const Operation kSign{"keys/sign", {"keys/sign/action"}, true, sign_with_key};
const Operation kVerify{"keys/verify", {"keys/verify/action", "keys/read"}, false, verify_with_key};
const Operation kImport{"keys/import", {"keys/import/action"}, true, import_key};
const Operation kRotate{"keys/rotate", {"keys/rotate/action"}, true, rotate_key};
const Operation kGetRotation{
    "keys/rotationpolicy/get", {"keyrotationpolicies/read"}, false, get_rotation_policy};
const Operation kSetRotation{
    "keys/rotationpolicy/set", {"keyrotationpolicies/write"}, true, set_rotation_policy};
const Operation kAttest{"keys/attestation", {"keys/read"}, false, attest_key};
// Azure has this for managed HSMs alone, with a role of theirs; whoever may read keys may have some
// randomness too.
const Operation kRandom{"rng", {"rng/action", "keys/read"}, false, random_octets};
const Operation kRelease{"keys/release", {"keys/release/action"}, true, release_key};

Operation not_built(std::string_view name) {
    return {name, {}, false, nullptr};
}

}  // namespace

const std::vector<Route>& routes() {
    static const std::vector<Route> kRoutes = {
        {"POST", "/keys/{name}/create", kCreate},
        {"GET", "/keys", kList},
        {"GET", "/keys/{name}", kGet},
        {"GET", "/keys/{name}/{version}", kGet},
        {"GET", "/keys/{name}/versions", kVersions},
        {"PATCH", "/keys/{name}", kUpdate},
        {"PATCH", "/keys/{name}/{version}", kUpdate},
        {"POST", "/keys/{name}/encrypt", kEncrypt},
        {"POST", "/keys/{name}/{version}/encrypt", kEncrypt},
        {"POST", "/keys/{name}/decrypt", kDecrypt},
        {"POST", "/keys/{name}/{version}/decrypt", kDecrypt},
        {"POST", "/keys/{name}/wrapkey", kWrap},
        {"POST", "/keys/{name}/{version}/wrapkey", kWrap},
        {"POST", "/keys/{name}/unwrapkey", kUnwrap},
        {"POST", "/keys/{name}/{version}/unwrapkey", kUnwrap},
        {"POST", "/keys/{name}/release", kRelease},
        {"POST", "/keys/{name}/{version}/release", kRelease},

        {"PUT", "/keys/{name}", kImport},
        {"DELETE", "/keys/{name}", not_built("keys/delete")},
        {"GET", "/deletedkeys", not_built("deletedkeys/list")},
        {"GET", "/deletedkeys/{name}", not_built("deletedkeys/get")},
        {"DELETE", "/deletedkeys/{name}", not_built("deletedkeys/purge")},
        {"POST", "/deletedkeys/{name}/recover", not_built("deletedkeys/recover")},
        {"POST", "/keys/{name}/backup", not_built("keys/backup")},
        {"POST", "/keys/restore", not_built("keys/restore")},
        {"POST", "/keys/{name}/rotate", kRotate},
        {"GET", "/keys/{name}/rotationpolicy", kGetRotation},
        {"PUT", "/keys/{name}/rotationpolicy", kSetRotation},
        {"POST", "/keys/{name}/sign", kSign},
        {"POST", "/keys/{name}/{version}/sign", kSign},
        {"POST", "/keys/{name}/verify", kVerify},
        {"POST", "/keys/{name}/{version}/verify", kVerify},
        {"GET", "/keys/{name}/attestation", kAttest},
        {"GET", "/keys/{name}/{version}/attestation", kAttest},
        {"POST", "/rng", kRandom},
        {"GET", "/secrets", not_built("secrets/list")},
        {"PUT", "/secrets/{name}", not_built("secrets/set")},
        {"GET", "/secrets/{name}", not_built("secrets/get")},
        {"GET", "/secrets/{name}/{version}", not_built("secrets/get")},
        {"PATCH", "/secrets/{name}", not_built("secrets/update")},
        {"PATCH", "/secrets/{name}/{version}", not_built("secrets/update")},
        {"DELETE", "/secrets/{name}", not_built("secrets/delete")},
        {"POST", "/secrets/{name}/backup", not_built("secrets/backup")},
        {"POST", "/secrets/restore", not_built("secrets/restore")},
        {"GET", "/deletedsecrets", not_built("deletedsecrets/list")},
        {"GET", "/deletedsecrets/{name}", not_built("deletedsecrets/get")},
        {"DELETE", "/deletedsecrets/{name}", not_built("deletedsecrets/purge")},
        {"POST", "/deletedsecrets/{name}/recover", not_built("deletedsecrets/recover")},
    };
    return kRoutes;
}

}  // namespace vouchsafe::vault
