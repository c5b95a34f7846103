// The rules for making and changing keys (azure-api A.3, A.8). Pure functions from what is and what
// is asked to what shall be; the AKV.SKR codes begin the message as on the real service.
#pragma once

#include "vouchsafe/vault/wire.h"

namespace vouchsafe::vault {

// KeySpec is what to generate.
struct KeySpec {
    crypto::KeyType type = crypto::KeyType::rsa;
    size_t bits = 0;                            // RSA
    crypto::Curve curve = crypto::Curve::p256;  // EC
};

// KeyPlan is a key version that may be made: everything but its key material, id and times.
struct KeyPlan {
    KeySpec spec;
    KeyRecord record;
    KeyVersion version;
};

// plan_create judges a create request. `existing` is the key of that name, if any: then a new
// version is made, which keeps exportable and release policy where the request does not say them.
// Code::invalid, Code::forbidden (HSM kinds in a standard vault), Code::unsupported (kinds of keys
// that are not built), Code::conflict (too many versions).
Result<KeyPlan> plan_create(const VaultInfo& vault, std::string_view name,
                            const std::optional<KeyRecord>& existing, const KeyBody& body,
                            const ApiVersion& version);

// check_sku fails with Code::forbidden for an HSM kind of key in a standard vault.
Result<void> check_sku(const VaultInfo& vault, std::string_view kty);

// plan_update judges an update request of one version. `versioned` tells whether the path named it.
Result<Key> plan_update(Key key, const KeyBody& body, bool versioned, Time now);

// change_policy applies a release policy that was sent to what the key has. Where the key's rules
// ask for two persons a change by one fails with VAULT-RULES-APPROVAL; the same policy is none.
enum class Approval { one_person, two_persons };
Result<void> change_policy(KeyRecord& record, const PolicyEnvelope& sent, Approval approval);

// check_enabled fails with VAULT-KEY-ENABLED.
Result<void> check_enabled(const KeyVersion& version, Checks& checks);

// check_use is check_enabled and further fails with VAULT-KEY-OPERATION ("wrapKey") or, for the
// operations that dates forbid (`dated`; A.4), VAULT-KEY-WINDOW.
Result<void> check_use(const KeyVersion& version, std::string_view operation, bool dated, Time now,
                       Checks& checks);

}  // namespace vouchsafe::vault
