// Every URL for secrets (azure-api A.2).
#include "vouchsafe/vault/backup.h"
#include "vouchsafe/vault/deletion.h"
#include "vouchsafe/vault/dispatch.h"
#include "vouchsafe/vault/secrets/secret_operations.h"

namespace vouchsafe::vault::secrets {

namespace {

constexpr std::string_view kCollection = "secrets";
constexpr std::string_view kMetadata = "secrets/readMetadata/action";

const Operation kSet{"secrets/set", {"secrets/setSecret/action"}, true, set_secret, kCollection};
const Operation kGet{"secrets/get", {"secrets/getSecret/action"}, true, get_secret, kCollection,
                     nullptr,       Needs::object_and_material};
const Operation kUpdate{
    "secrets/update", {"secrets/update/action"}, true, update_secret, kCollection};
const Operation kList{"secrets/list", {kMetadata}, false, list_secrets, kCollection};
const Operation kListVersions{
    "secrets/versions", {kMetadata}, false, list_secret_versions, kCollection};
const Operation kDelete{"secrets/delete", {"secrets/delete"}, true, delete_object, kCollection};
const Operation kBackup{
    "secrets/backup", {"secrets/backup/action"}, true, backup_object, kCollection};
const Operation kRestore{
    "secrets/restore", {"secrets/restore/action"}, true, restore_object, kCollection};
const Operation kGetDeleted{
    "deletedsecrets/get", {kMetadata}, false, get_deleted_object, kCollection};
const Operation kListDeleted{
    "deletedsecrets/list", {kMetadata}, false, list_deleted_objects, kCollection};
const Operation kRecover{
    "deletedsecrets/recover", {"secrets/recover/action"}, true, recover_object, kCollection};
const Operation kPurge{
    "deletedsecrets/purge", {"secrets/purge/action"}, true, purge_object, kCollection};

}  // namespace

const std::vector<Route>& routes() {
    static const std::vector<Route> kRoutes = {
        {"GET", "/secrets", kList},
        {"PUT", "/secrets/{name}", kSet},
        {"GET", "/secrets/{name}", kGet},
        {"GET", "/secrets/{name}/{version}", kGet},
        {"GET", "/secrets/{name}/versions", kListVersions},
        {"PATCH", "/secrets/{name}", kUpdate},
        {"PATCH", "/secrets/{name}/{version}", kUpdate},
        {"DELETE", "/secrets/{name}", kDelete},
        {"POST", "/secrets/{name}/backup", kBackup},
        {"POST", "/secrets/restore", kRestore},
        {"GET", "/deletedsecrets", kListDeleted},
        {"GET", "/deletedsecrets/{name}", kGetDeleted},
        {"DELETE", "/deletedsecrets/{name}", kPurge},
        {"POST", "/deletedsecrets/{name}/recover", kRecover},
    };
    return kRoutes;
}

}  // namespace vouchsafe::vault::secrets
