#include "vouchsafe/access/roles.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::access {

namespace {

using Actions = std::string_view;

constexpr Actions kEverything[] = {"*"};
constexpr Actions kReader[] = {"*/read", "secrets/readMetadata/action"};
constexpr Actions kCryptoOfficer[] = {"keys/*", "keyrotationpolicies/*"};
constexpr Actions kCryptoUser[] = {
    "keys/read",           "keys/update/action",  "keys/backup/action",
    "keys/encrypt/action", "keys/decrypt/action", "keys/wrap/action",
    "keys/unwrap/action",  "keys/sign/action",    "keys/verify/action"};
constexpr Actions kEncryptionUser[] = {"keys/read", "keys/wrap/action", "keys/unwrap/action"};
constexpr Actions kReleaseUser[] = {"keys/release/action"};
constexpr Actions kSecretsOfficer[] = {"secrets/*"};
constexpr Actions kSecretsUser[] = {"secrets/getSecret/action", "secrets/readMetadata/action"};
constexpr Actions kCertificatesOfficer[] = {"certificatecas/*", "certificates/*",
                                            "certificatecontacts/write"};
constexpr Actions kCertificateUser[] = {"certificates/read", "secrets/getSecret/action",
                                        "secrets/readMetadata/action", "keys/read"};

constexpr Actions kAttestationContributor[] = {"attestation/read", "attestation/write",
                                               "attestation/delete"};
constexpr Actions kAttestationReader[] = {"attestation/read", "read"};
constexpr Actions kEveryRead[] = {"*/read", "read"};

// Rows without actions for vaults are control-plane roles: they manage the vault and open nothing
// in it. Policies of attestation services are under control-plane actions on Azure, so owners,
// contributors and readers of everything have them.
constexpr Role kRoles[] = {
    {"Key Vault Administrator", "00482a5a-887f-4fb3-b363-3b7fe8e74483", kEverything},
    {"Key Vault Reader", "21090545-7ca7-4776-b22c-e363652d74d2", kReader},
    {"Key Vault Crypto Officer", "14b46e9e-c2b7-41b4-b07b-48a6ebf60603", kCryptoOfficer},
    {"Key Vault Crypto User", "12338af0-0e69-4776-bea7-57ae8d297424", kCryptoUser},
    {"Key Vault Crypto Service Encryption User", "e147488a-f6f5-4113-8e2d-b22465e65bf6",
     kEncryptionUser},
    {"Key Vault Crypto Service Release User", "08bbd89e-9f13-488c-ac41-acfcb10c90ab", kReleaseUser},
    {"Key Vault Secrets Officer", "b86a8fe4-44ce-4948-aee5-eccb2c155cd7", kSecretsOfficer},
    {"Key Vault Secrets User", "4633458b-17de-408a-b874-0445c86b69e6", kSecretsUser},
    {"Key Vault Certificates Officer", "a4417e6f-fecd-4de8-b567-7b0420556985",
     kCertificatesOfficer},
    {"Key Vault Certificate User", "db79e9a7-68ee-4b58-9aeb-b90e7c24fcba", kCertificateUser},
    {"Key Vault Contributor", "f25e0fa2-a7c8-4377-a976-54943a77a395", {}},
    {"Key Vault Data Access Administrator", "8b54135c-b56d-4d72-a534-26097cfdc8d8", {}},
    {"Key Vault Purge Operator", "a68e7c17-0ab2-4c09-9a58-125dae29748c", {}},
    {"Attestation Contributor",
     "bbf86eb8-f7b4-4cce-96e4-18cddf81d86e",
     {},
     kAttestationContributor},
    {"Attestation Reader", "fd1bd22b-8476-40bc-a0bc-69b95687b9f3", {}, kAttestationReader},
    {"Owner", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635", {}, kEverything},
    {"Contributor", "b24988ac-6180-42a0-ab88-20f7382dd24c", {}, kEverything},
    {"Reader", "acdd72a7-3385-48ef-bd42-f606fba81ae7", {}, kEveryRead},
    {"User Access Administrator", "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9", {}, kEveryRead},
};

}  // namespace

std::span<const Role> built_in_roles() {
    return kRoles;
}

const Role* find_role(std::string_view name_or_id) {
    auto found = std::find_if(std::begin(kRoles), std::end(kRoles), [&](const Role& role) {
        return equal_ignore_case(role.name, name_or_id) || equal_ignore_case(role.id, name_or_id);
    });
    return found == std::end(kRoles) ? nullptr : found;
}

bool pattern_matches(std::string_view pattern, std::string_view action) {
    const size_t star = pattern.find('*');
    if (star == std::string_view::npos) return equal_ignore_case(pattern, action);
    if (action.size() < star) return false;
    if (!equal_ignore_case(pattern.substr(0, star), action.substr(0, star))) return false;
    pattern.remove_prefix(star + 1);
    action.remove_prefix(star);
    for (size_t skipped = 0; skipped <= action.size(); ++skipped) {
        if (pattern_matches(pattern, action.substr(skipped))) return true;
    }
    return false;
}

std::string_view provider_name(Provider provider) {
    return provider == Provider::key_vault ? "Microsoft.KeyVault/vaults"
                                           : "Microsoft.Attestation/attestationProviders";
}

bool role_allows(const Role& role, Provider provider, std::string_view action) {
    const auto& actions = provider == Provider::key_vault ? role.key_vault : role.attestation;
    return std::any_of(actions.begin(), actions.end(),
                       [&](std::string_view pattern) { return pattern_matches(pattern, action); });
}

bool scope_covers(std::string_view scope, std::string_view resource) {
    if (scope.ends_with('/')) scope.remove_suffix(1);
    if (resource.size() < scope.size()) return false;
    const bool begins =
        resource.starts_with(scope) || equal_ignore_case(scope, resource.substr(0, scope.size()));
    if (!begins) return false;
    return resource.size() == scope.size() || resource[scope.size()] == '/';
}

}  // namespace vouchsafe::access
