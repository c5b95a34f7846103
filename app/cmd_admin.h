// The commands of `admin` that have files of their own.
#pragma once

#include "app/context.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/services.h"
#include "vouchsafe/vault/administration.h"

namespace vouchsafe::app {

// VaultAdmin is the part of a data directory that says which vaults there are and who may use them.
struct VaultAdmin {
    std::unique_ptr<lab::DataDirectory> directory;
    std::string place;  // of the records, for people
    std::unique_ptr<store::Store> store;
    std::unique_ptr<audit::Log> log;
    std::unique_ptr<vault::Administration> vaults;

    // open takes "" for the user's lab, and for `store_url` what --store was given, "" for nothing.
    static Result<VaultAdmin> open(const Context& context, const std::string& dir,
                                   const std::string& store_url);
};

// add_retention adds --retention-days and --purge-protection of a vault that is made.
void add_retention(Command made, int& days, bool& purge_protection);

// LabAdmin is a lab's services, taken for one command: Code::conflict while they run elsewhere.
struct LabAdmin {
    std::unique_ptr<lab::DataDirectory> directory;
    std::unique_ptr<lab::Services> services;

    // open takes "" for the user's lab. Code::invalid for a production directory.
    static Result<LabAdmin> open(const Context& context, const std::string& dir);
};

// object_id_of finds a principal of a lab by its name or one of its ids; another GUID is taken for
// somebody else's. Code::not_found.
Result<std::string> object_id_of(const identity::Service& issuer, const std::string& name);

// add_admin_roles adds assign-role, remove-role and roles, which work on any data directory.
void add_admin_roles(Command group, Context& context);

// add_admin_users adds create-user, create-group, add-member, remove-member and principals.
void add_admin_users(Command group, Context& context);

// add_admin_vault adds vault and access-policy, which work on any data directory.
void add_admin_vault(Command group, Context& context);

// add_admin_keys adds rotate-key and signing-keys: they work on any data directory, beside a
// running attestation service.
void add_admin_keys(Command group, Context& context);
// add_admin_principal adds principal, which needs no directory.
void add_admin_principal(Command group, Context& context);
// add_admin_backup adds backup and restore.
void add_admin_backup(Command group, Context& context);

}  // namespace vouchsafe::app
