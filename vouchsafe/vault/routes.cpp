// Every URL for keys (azure-api A.2); those for secrets are in secrets/routes.cpp. Rows without a
// function answer 501: the operation exists on the real service and is not built here.
#include "vouchsafe/vault/backup.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/dispatch.h"

namespace vouchsafe::vault {

namespace {

// Encrypting and wrapping need no more than the public key, so keys/read suffices (A.5).
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
const Operation kRelease{"keys/release", {"keys/release/action"}, true, release_key};
const Operation kDelete{"keys/delete", {"keys/delete"}, true, delete_object};
const Operation kGetDeleted{"deletedkeys/get", {"keys/read"}, false, get_deleted_object};
const Operation kListDeleted{"deletedkeys/list", {"keys/read"}, false, list_deleted_objects};
const Operation kRecover{"deletedkeys/recover", {"keys/recover/action"}, true, recover_object};
const Operation kPurge{"deletedkeys/purge", {"keys/purge/action"}, true, purge_object};
const Operation kBackup{"keys/backup", {"keys/backup/action"}, true, backup_object};
const Operation kRestore{"keys/restore", {"keys/restore/action"}, true, restore_object};

// Ours: release rules. Whoever may read the key may read what it is released by.
const std::vector<std::string_view> kManage = {"keys/update/action"};
const std::vector<std::string_view> kRead = {"keys/read", "keys/update/action"};
const Operation kGetRules{"keys/releaserules/get", kRead, false, get_release_rules};
const Operation kPutRules{"keys/releaserules/set", kManage, true, put_release_rules};
const Operation kProposals{"keys/releaserules/proposals", kRead, false, list_rule_proposals};
const Operation kProposal{"keys/releaserules/proposal", kRead, false, get_rule_proposal};
const Operation kPropose{"keys/releaserules/propose", kManage, true, propose_rules};
const Operation kApprove{"keys/releaserules/approve", kManage, true, approve_rules};
const Operation kWithdraw{"keys/releaserules/withdraw", kManage, true, withdraw_rules};
const Operation kExplain{"keys/explain",  kManage, false,
                         get_explanation, "keys",  locate_explained};
constexpr std::string_view kRulesPath = "/keys/{name}/x-vouchsafe-release-rules";
constexpr std::string_view kProposalsPath = "/keys/{name}/x-vouchsafe-release-rules/proposals";
constexpr std::string_view kProposalPath =
    "/keys/{name}/x-vouchsafe-release-rules/proposals/{proposal}";
constexpr std::string_view kApprovePath =
    "/keys/{name}/x-vouchsafe-release-rules/proposals/{proposal}/approve";

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

        {"GET", "/x-vouchsafe-explanations/{request}", kExplain},
        {"GET", kRulesPath, kGetRules},
        {"PUT", kRulesPath, kPutRules},
        {"GET", kProposalsPath, kProposals},
        {"POST", kProposalsPath, kPropose},
        {"GET", kProposalPath, kProposal},
        {"DELETE", kProposalPath, kWithdraw},
        {"POST", kApprovePath, kApprove},

        {"PUT", "/keys/{name}", not_built("keys/import")},
        {"DELETE", "/keys/{name}", kDelete},
        {"GET", "/deletedkeys", kListDeleted},
        {"GET", "/deletedkeys/{name}", kGetDeleted},
        {"DELETE", "/deletedkeys/{name}", kPurge},
        {"POST", "/deletedkeys/{name}/recover", kRecover},
        {"POST", "/keys/{name}/backup", kBackup},
        {"POST", "/keys/restore", kRestore},
        {"POST", "/keys/{name}/rotate", not_built("keys/rotate")},
        {"GET", "/keys/{name}/rotationpolicy", not_built("keys/rotationpolicy")},
        {"PUT", "/keys/{name}/rotationpolicy", not_built("keys/rotationpolicy")},
        {"POST", "/keys/{name}/{version}/sign", not_built("keys/sign")},
        {"POST", "/keys/{name}/{version}/verify", not_built("keys/verify")},
        {"GET", "/keys/{name}/attestation", not_built("keys/attestation")},
        {"GET", "/keys/{name}/{version}/attestation", not_built("keys/attestation")},
        {"POST", "/rng", not_built("rng")},
    };
    return kRoutes;
}

}  // namespace vouchsafe::vault
