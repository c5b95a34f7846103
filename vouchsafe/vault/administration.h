// What an operator sets up in the store of vaults: vaults, who may act in them, and from where. It
// needs no root key and no signer, so it works beside a running service and before the first one.
// Each act is audited as done by "operator", or who else it is (as), in the transaction that does
// it.
#pragma once

#include <vector>

#include "vouchsafe/access/access_policies.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::vault {

inline constexpr size_t kMaxNetworks = 1000;  // of a vault

// Administration borrows store, log and clock. Thread-safe.
class Administration {
  public:
    Administration(store::Store& store, audit::Log& log, const Clock& clock)
        : store_(store), log_(log), clock_(clock) {}

    // as returns the same for whose acts somebody else answers: the audit log has `actor`.
    Administration as(std::string actor) const {
        Administration out = *this;
        out.actor_ = std::move(actor);
        return out;
    }

    // These are Service's functions of the same names.
    Result<VaultInfo> create_vault(const VaultSpec& spec);
    Result<VaultInfo> find_vault(std::string_view name) const;
    Result<VaultInfo> protect_from_purge(std::string_view name);
    Result<std::vector<VaultInfo>> vaults() const;
    Result<RoleAssignment> assign_role(std::string_view principal, std::string_view role,
                                       std::string_view scope);
    Result<void> remove_role(std::string_view principal, std::string_view assignment_id);
    Result<std::vector<RoleAssignment>> roles_of(std::string_view principal) const;

    // set_authorization chooses what decides in a vault, roles or access policies; what the other
    // one says is kept and has no effect (azure-api B.2).
    Result<VaultInfo> set_authorization(std::string_view vault, Authorization authorization);
    // set_sku makes a vault premium or standard. The HSM kinds of keys that a premium vault has go
    // on working in a standard one; new ones cannot be made there.
    Result<VaultInfo> set_sku(std::string_view vault, Sku sku);
    // set_networks replaces the list of networks that may reach a vault; empty: all may.
    // Code::invalid for what is no network.
    Result<VaultInfo> set_networks(std::string_view vault, std::vector<std::string> networks);

    // delete_vault closes a vault to everybody, from the next request on; recover_vault opens it
    // again. What is in it, its roles and its policies are kept; what was deleted in it before goes
    // on to its purge, and keys that rotate go on rotating. Neither minds being repeated.
    // Code::not_found.
    Result<VaultInfo> delete_vault(std::string_view vault);
    Result<VaultInfo> recover_vault(std::string_view vault);

    Result<access::AccessPolicy> set_access_policy(std::string_view vault,
                                                   access::AccessPolicy policy);
    Result<void> remove_access_policy(std::string_view vault, std::string_view object_id,
                                      std::string_view application_id);
    Result<std::vector<access::AccessPolicy>> access_policies(std::string_view vault) const;

  private:
    Result<VaultInfo> set_deleted(std::string_view vault, bool deleted);
    Result<VaultInfo> change(std::string_view vault, std::string_view action,
                             const std::function<Result<Json>(VaultInfo&)>& edit);
    Result<void> record(store::Transaction& tx, std::string_view action, std::string_view resource,
                        Json details);

    store::Store& store_;
    audit::Log& log_;
    const Clock& clock_;
    std::string actor_ = "operator";
};

}  // namespace vouchsafe::vault
