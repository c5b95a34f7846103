// The directory of principals: applications, managed identities, users and groups, in the store.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/identity/client_secret.h"
#include "vouchsafe/identity/service.h"

namespace vouchsafe::identity {

// Account is a principal and what is stored with it.
struct Account {
    Principal principal;
    std::vector<HashedSecret> secrets;     // of an application, at most kMaxSecrets
    std::optional<HashedSecret> password;  // of a user; it does not expire
    Time renewable_from;  // of a user: sign-ins before this moment cannot be renewed

    Bytes encode() const;
    static Result<Account> parse(ByteView record);
};

inline constexpr size_t kMaxSecrets = 8;

// Directory borrows its store. Thread-safe.
class Directory {
  public:
    explicit Directory(store::Store& store) : store_(store) {}

    // add makes the ids, and overwrites those of `account`. Code::conflict if the name (the
    // resource id of a managed identity) is taken within its kind, Code::invalid if it is empty or
    // longer than 512 bytes.
    Result<Principal> add(Account account);
    // add_secret is Code::not_found for anything but an application, Code::conflict if it has
    // kMaxSecrets; expired ones are dropped first.
    Result<void> add_secret(std::string_view client_id, HashedSecret secret, Time now);
    // set_password is Code::not_found for anything but a user.
    Result<void> set_password(std::string_view id, HashedSecret password, Time now);
    // find takes a client id or an object id; GUIDs compare without case.
    Result<std::optional<Account>> find(std::string_view id) const;
    // find_named takes what is unique within a kind (see add), in any letter case.
    Result<std::optional<Account>> find_named(PrincipalKind kind, std::string_view name) const;
    Result<std::vector<Principal>> list() const;
    // remove also ends its memberships, and those of a group's members.
    Result<void> remove(std::string_view client_id);

    // add_member takes object ids: Code::not_found if the one is no group or the other is nobody or
    // a group, Code::conflict if `member` is in kMaxGroups already.
    Result<void> add_member(std::string_view group, std::string_view member);
    Result<void> remove_member(std::string_view group, std::string_view member);
    Result<std::vector<std::string>> groups_of(std::string_view member) const;

  private:
    store::Store& store_;
};

}  // namespace vouchsafe::identity
