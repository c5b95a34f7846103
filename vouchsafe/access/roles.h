// Azure's built-in roles as far as they concern vaults and attestation services, and how
// assignments are judged. Data and pure functions (azure-api B.1, B.2).
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace vouchsafe::access {

// Provider is a kind of service: actions belong to one.
enum class Provider { key_vault, attestation };
std::string_view provider_name(Provider provider);  // "Microsoft.KeyVault/vaults"

struct Role {
    std::string_view name;
    std::string_view id;  // GUID
    // Actions of a provider, without its name in front; '*' stands for any characters.
    std::span<const std::string_view> key_vault = {};
    std::span<const std::string_view> attestation = {};
};

std::span<const Role> built_in_roles();

// find_role takes a name or an id, without case; nullptr if there is none.
const Role* find_role(std::string_view name_or_id);

// role_allows tells whether any of the role's patterns fits the action, e.g. "keys/release/action".
bool role_allows(const Role& role, Provider provider, std::string_view action);

// pattern_matches compares without case; '*' matches any run of characters, '/' included.
bool pattern_matches(std::string_view pattern, std::string_view action);

// scope_covers tells whether an assignment at `scope` applies to `resource`: the same or above it,
// segment by segment, without case. "/" is above everything.
bool scope_covers(std::string_view scope, std::string_view resource);

}  // namespace vouchsafe::access
