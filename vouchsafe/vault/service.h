// The vault service: keys for the protocol of Azure Key Vault's data plane, above all secure key
// release. Keys are made here, stay sealed at rest, and leave only through `release`: to a machine
// whose attestation token a key's policy accepts, encrypted to a key that machine holds.
//
// Any number of vaults live in one service, told apart by the Host header. Callers are judged by
// their access token and the roles assigned to them. What was done or refused, and by which checks,
// goes into the audit log under the request id before an answer leaves; the network learns Azure's
// error code, the request id and the code of the check that said no.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/net/rate_limits.h"
#include "vouchsafe/net/server.h"
#include "vouchsafe/store/store.h"
#include "vouchsafe/vault/config.h"
#include "vouchsafe/vault/hsm/hsm.h"

namespace vouchsafe::vault {

// Verdict is how one operation on a vault ended, for who counts them; valid while it is told. Its
// texts are from tables of this program, not from requests.
struct Verdict {
    std::string_view operation;  // "keys/release"
    audit::Outcome outcome = audit::Outcome::failed;
    std::string_view code;  // of the check that refused, or of the error ("not_found"); "" if done
};

// What a service needs from outside. What is borrowed must outlive the service.
struct Dependencies {
    store::Store& store;  // keys, roles and the audit log
    const Clock& clock;
    access::FetchJson fetch;  // key sets of token issuers and attestation services
    // Signs release answers. Azure uses the service's TLS certificate: an RSA key, the chain from
    // the leaf to the root with the root in it, the leaf valid for the vaults' names.
    net::TlsIdentity release_signer;
    // Told each verdict before the answer leaves, by any thread.
    std::function<void(const Verdict&)> on_verdict = nullptr;
    // Keeps the root key; nullptr: in its file.
    std::shared_ptr<crypto::RootKeeper> root_keeper = nullptr;
    // Where fresh keys of the HSM kinds live; nullopt: sealed in the store like all others. Keys
    // stay where they were made, and those in this HSM cannot be used without it.
    std::optional<Hsm> key_hsm = std::nullopt;
    // Who besides the login of the settings says who calls.
    access::Vouching vouching = {};
    // How much is answered: of strangers by address, of callers, and of one vault. nullptr: all.
    std::shared_ptr<net::RateLimits> limits = nullptr;
};

inline constexpr int kMinRetentionDays = 7;
inline constexpr int kMaxRetentionDays = 90;

// The longest request body a server should take: that of a restore (backup.h).
inline constexpr size_t kMaxRequestBody = (4 << 20) + 1024;

enum class Sku { standard, premium };  // premium vaults have HSM kinds of keys

struct VaultSpec {
    std::string name;  // 3 to 24 of [0-9A-Za-z-], no two hyphens in a row
    Sku sku = Sku::premium;
    std::string tenant;  // id of the tenant whose tokens count, a GUID
    // Where the vault stands for role assignments; Azure's resource manager would say it.
    std::string subscription = "00000000-0000-0000-0000-000000000000";
    std::string resource_group = "vouchsafe";
    // How long deleted objects can be recovered: kMinRetentionDays to kMaxRetentionDays. It stays
    // as it was made (azure-api A.10).
    int retention_days = kMaxRetentionDays;
    // Whether nobody can purge a deleted object before that time.
    bool purge_protection = false;
};

// Authorization is what decides in a vault who may do what (azure-api B.2).
enum class Authorization { roles, access_policies };
std::string_view authorization_name(Authorization authorization);  // "roles", "access-policies"

struct VaultInfo {
    std::string name;
    Sku sku = Sku::premium;
    std::string tenant;
    std::string resource_id;  // "/subscriptions/.../providers/Microsoft.KeyVault/vaults/{name}"
    int retention_days = kMaxRetentionDays;
    bool purge_protection = false;
    Authorization authorization = Authorization::roles;
    std::vector<std::string> networks;  // that may reach it (access/network.h); empty: all
    // Nobody reaches it, its name is taken, and it can be recovered with all that is in it
    // (Administration::delete_vault).
    bool deleted = false;
    int64_t deleted_at = 0;  // seconds since 1970; 0: it is not, or nobody wrote it down
};

using access::RoleAssignment;

class Administration;  // administration.h

// Service is thread-safe.
class Service {
  public:
    // create opens or prepares the store and the root key. Code::invalid for a bad setting or a
    // release signer without a whole chain; Code::conflict if the store was made by a directory of
    // the other kind; Code::bad_evidence if it was sealed under another root key; Code::not_found
    // if it was sealed and root.key is missing: none is made then.
    static Result<std::unique_ptr<Service>> create(Config config, Dependencies deps);
    ~Service();

    // handler answers the routes of routes.cpp. It borrows the service.
    net::Handler handler();
    // route_of names a request's route, for metrics and logs (Router::route_of).
    std::string_view route_of(const net::Request& request) const;

    // replace_release_signer has releases from now on signed by this. Code::invalid as for create;
    // then nothing changes.
    Result<void> replace_release_signer(net::TlsIdentity signer);

    // replace_vouching has callers judged by this from the next request on.
    void replace_vouching(access::Vouching vouching);

    // trust_attestation has tokens of this attestation service release keys, as if it stood in
    // Config::attestation_origins; Code::invalid as there. distrust_attestation ends that, and
    // forgets its keys: a service that comes back under its name is another one. Both from the next
    // request on, and neither minds being repeated.
    Result<void> trust_attestation(const std::string& origin);
    void distrust_attestation(const std::string& origin);

    // For the operator; each act is audited as done by "operator".
    // create_vault fails with Code::conflict if the name is taken.
    Result<VaultInfo> create_vault(const VaultSpec& spec);
    Result<VaultInfo> find_vault(std::string_view name) const;  // Code::not_found
    Result<std::vector<VaultInfo>> vaults() const;              // by name
    // protect_from_purge turns purge protection on. Nothing turns it off. Code::not_found.
    Result<VaultInfo> protect_from_purge(std::string_view name);
    // purge_vault leaves nothing of a deleted vault: neither keys, in the HSM too, nor secrets,
    // access policies or roles on it and below; its name is free again. Releases that were counted
    // and rules that outlive backups stay counted. Code::not_found; Code::conflict for one that is
    // not deleted; Code::forbidden while purge protection is on and its retention has not passed.
    Result<void> purge_vault(std::string_view name, std::string_view actor = "operator");
    // purge_due purges the deleted objects of all vaults whose retention has passed, each in a
    // transaction of its own and audited as done by "retention"; call it from time to time. Returns
    // how many. What is due answers 404 before it is purged too. Opened keys that were kept for
    // long enough go as well, and root keys that were replaced.
    Result<size_t> purge_due();
    // assign_role takes a role's name ("Key Vault Crypto Officer") or id. Repeating an assignment
    // returns the one there is. Code::invalid for an unknown role or a malformed scope.
    Result<RoleAssignment> assign_role(std::string_view principal, std::string_view role,
                                       std::string_view scope);
    Result<void> remove_role(std::string_view principal, std::string_view assignment_id);
    Result<std::vector<RoleAssignment>> roles_of(std::string_view principal) const;

    // rotate_due_keys makes new versions of the keys whose rotation policy says it is time, of some
    // hundred at most, and returns how many. Call it every minute or so, in any number of replicas.
    // Each rotation is audited as done by "vault"; one that fails is logged and tried again a day
    // later. Fails if the store cannot be read.
    Result<size_t> rotate_due_keys();

    // write_checkpoint signs the audit log as it is, if it grew and the newest checkpoint is at
    // least `every` old (audit/checkpoint_book.h). Call it from time to time, in any number of
    // replicas.
    Result<std::optional<audit::StoredCheckpoint>> write_checkpoint(Seconds every);

    Administration& administration();  // what else an operator sets up
    audit::Log& audit();
    const Config& config() const;

  private:
    struct Impl;
    explicit Service(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// The resource ids of one key and one secret, for assign_role.
std::string key_scope(const VaultInfo& vault, std::string_view key_name);
std::string secret_scope(const VaultInfo& vault, std::string_view secret_name);

}  // namespace vouchsafe::vault
