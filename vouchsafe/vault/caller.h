// Who calls: access tokens (azure-api B.3) and what the caller's roles allow (B.2).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "vouchsafe/net/message.h"
#include "vouchsafe/vault/key_sets.h"
#include "vouchsafe/vault/records.h"

namespace vouchsafe::vault {

// Caller is made by verify_caller alone.
struct Caller {
    std::string object_id;
    std::string app_id;               // for the log; may be ""
    std::vector<std::string> groups;  // object ids
};

// verify_caller checks the bearer token of a request to `vault`: VAULT-CALLER-TOKEN, the checks of
// jose::verify_jwt, VAULT-CALLER-TENANT, VAULT-CALLER-OID. Every refusal is Code::unauthenticated;
// Code::unavailable if the issuer's keys cannot be had.
Result<Caller> verify_caller(const net::Request& request, const VaultInfo& vault,
                             const Config& config, KeySets& key_sets, Time now, Checks& checks);

// authorize checks VAULT-ROLE: one of the assignments of the caller or its groups covers `resource`
// and allows one of `actions` ("keys/release/action").
Result<void> authorize(store::View& view, const Caller& caller, std::string_view resource,
                       std::span<const std::string_view> actions, Checks& checks);

}  // namespace vouchsafe::vault
