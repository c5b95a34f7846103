// Every URL for keys (azure-api A.2); those for secrets are in secrets/routes.cpp.
#include "vouchsafe/vault/backup.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/dispatch.h"

namespace vouchsafe::vault {

namespace {

// Encrypting, wrapping and verifying need no more than the public key, so keys/read suffices (A.5);
// with an oct key, the operation's own action is needed, which comes first.
const Operation kCreate{"keys/create", {"keys/create/action"}, true, create_key};
const Operation kGet{"keys/get", {"keys/read"}, false, get_key, "keys", nullptr, Needs::object};
const Operation kUpdate{"keys/update", {"keys/update/action"}, true, update_key};
const Operation kList{"keys/list", {"keys/read"}, false, list_keys};
const Operation kVersions{"keys/versions", {"keys/read"}, false, list_key_versions};
const Operation kEncrypt{"keys/encrypt",
                         {"keys/encrypt/action", "keys/read"},
                         false,
                         encrypt_with_key,
                         "keys",
                         nullptr,
                         Needs::object_and_material};
const Operation kDecrypt{"keys/decrypt", {"keys/decrypt/action"},   true, decrypt_with_key, "keys",
                         nullptr,        Needs::object_and_material};
const Operation kWrap{"keys/wrap", {"keys/wrap/action", "keys/read"}, false, wrap_with_key, "keys",
                      nullptr,     Needs::object_and_material};
const Operation kUnwrap{"keys/unwrap", {"keys/unwrap/action"},    true, unwrap_with_key, "keys",
                        nullptr,       Needs::object_and_material};
const Operation kSign{"keys/sign", {"keys/sign/action"},      true, sign_with_key, "keys",
                      nullptr,     Needs::object_and_material};
const Operation kVerify{
    "keys/verify", {"keys/verify/action", "keys/read"}, false, verify_with_key, "keys",
    nullptr,       Needs::object_and_material};
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
const Operation kRelease{"keys/release", {"keys/release/action"},   true, release_key, "keys",
                         nullptr,        Needs::object_and_material};
const Operation kDelete{"keys/delete", {"keys/delete"}, true, delete_object};
const Operation kGetDeleted{"deletedkeys/get", {"keys/read"}, false, get_deleted_object};
const Operation kListDeleted{"deletedkeys/list", {"keys/read"}, false, list_deleted_objects};
const Operation kRecover{"deletedkeys/recover", {"keys/recover/action"}, true, recover_object};
const Operation kPurge{"deletedkeys/purge", {"keys/purge/action"}, true, purge_object};
const Operation kBackup{"keys/backup", {"keys/backup/action"}, true, backup_object};
const Operation kRestore{"keys/restore", {"keys/restore/action"}, true, restore_object};

// Ours: release rules. Whoever may read the key may read what it is released by.
const DataActions kManage = {"keys/update/action"};
const DataActions kRead = {"keys/read", "keys/update/action"};
const Operation kGetRules{"keys/releaserules/get", kRead, false, get_release_rules};
const Operation kPutRules{"keys/releaserules/set", kManage, true, put_release_rules};
const Operation kProposals{"keys/releaserules/proposals", kRead, false, list_rule_proposals};
const Operation kProposal{"keys/releaserules/proposal", kRead, false, get_rule_proposal};
const Operation kPropose{"keys/releaserules/propose", kManage, true, propose_rules};
const Operation kApprove{"keys/releaserules/approve", kManage, true, approve_rules};
const Operation kWithdraw{"keys/releaserules/withdraw", kManage, true, withdraw_rules};
const Operation kExplain{"keys/explain", kManage, false, get_explanation, "keys", locate_explained};
constexpr std::string_view kRulesPath = "/keys/{name}/x-vouchsafe-release-rules";
constexpr std::string_view kProposalsPath = "/keys/{name}/x-vouchsafe-release-rules/proposals";
constexpr std::string_view kProposalPath =
    "/keys/{name}/x-vouchsafe-release-rules/proposals/{proposal}";
constexpr std::string_view kApprovePath =
    "/keys/{name}/x-vouchsafe-release-rules/proposals/{proposal}/approve";

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

        {"GET", "/x-vouchsafe-explanations/{request}", kExplain},
        {"GET", kRulesPath, kGetRules},
        {"PUT", kRulesPath, kPutRules},
        {"GET", kProposalsPath, kProposals},
        {"POST", kProposalsPath, kPropose},
        {"GET", kProposalPath, kProposal},
        {"DELETE", kProposalPath, kWithdraw},
        {"POST", kApprovePath, kApprove},

        {"DELETE", "/keys/{name}", kDelete},
        {"GET", "/deletedkeys", kListDeleted},
        {"GET", "/deletedkeys/{name}", kGetDeleted},
        {"DELETE", "/deletedkeys/{name}", kPurge},
        {"POST", "/deletedkeys/{name}/recover", kRecover},
        {"POST", "/keys/{name}/backup", kBackup},
        {"POST", "/keys/restore", kRestore},
        {"PUT", "/keys/{name}", kImport},
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
    };
    return kRoutes;
}

}  // namespace vouchsafe::vault
