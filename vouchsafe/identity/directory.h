// The directory of principals: applications and managed identities, in the store.
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
    std::vector<HashedSecret> secrets;  // of an application, at most kMaxSecrets

    Bytes encode() const;
    static Result<Account> parse(ByteView record);
};

inline constexpr size_t kMaxSecrets = 8;

// Directory borrows its store. Thread-safe.
class Directory {
  public:
    explicit Directory(store::Store& store) : store_(store) {}

    // add makes the ids. Code::conflict if `principal.name` (of an application) or
    // `principal.resource_id` (of a managed identity) is taken, Code::invalid if it is empty or
    // longer than 512 bytes.
    Result<Principal> add(Principal principal, std::vector<HashedSecret> secrets);
    // add_secret is Code::not_found for anything but an application, Code::conflict if it has
    // kMaxSecrets; expired ones are dropped first.
    Result<void> add_secret(std::string_view client_id, HashedSecret secret, Time now);
    // find takes a client id or an object id; GUIDs compare without case.
    Result<std::optional<Account>> find(std::string_view id) const;
    Result<std::vector<Principal>> list() const;
    Result<void> remove(std::string_view client_id);

  private:
    store::Store& store_;
};

}  // namespace vouchsafe::identity
