#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/dispatch.h"

namespace vouchsafe::vault {

namespace {

// Sentences of the real service by check, where its wording is known (azure-api A.11).
struct Wording {
    std::string_view check;
    std::string_view inner_code;  // of `innererror`; "" if the real service has none we know
    std::string_view sentence;
};
constexpr Wording kWordings[] = {
    {"CALLER-TOKEN", "", "AKV10000: Request is missing a Bearer or PoP token."},
    {"TOKEN-AUDIENCE", "", "AKV10022: Invalid audience."},
    {"TOKEN-ISSUER", "", "AKV10032: Invalid issuer."},
    {"TOKEN-KID", "", "AKV10046: Unable to resolve the key used for signature validation."},
    {"CALLER-ROLE", "ForbiddenByRbac", "Caller is not authorized to perform action on resource."},
    {"CALLER-ACCESS-POLICY", "AccessDenied",
     "The user, group or application does not have the needed permission on this key vault."},
    {"CALLER-NETWORK", "ForbiddenByFirewall",
     "Client address is not authorized and caller is not a trusted service."},
    {"VAULT-KEY-ENABLED", "KeyDisabled", "Operation is not allowed on a disabled key."},
    {"VAULT-SECRET-ENABLED", "SecretDisabled",
     "Operation get is not allowed on a disabled secret."},
    {"VAULT-NAME-FREE", "ObjectIsDeletedButRecoverable",
     "An object of this name is deleted but recoverable, and its name cannot be reused."},
    {"VAULT-PURGE-PROTECTION", "", "Purge is not allowed on this vault."},
};

std::string_view azure_code(Code code, bool vault_known, std::string_view collection) {
    if (code == Code::not_found) {
        if (!vault_known) return "VaultNotFound";
        return collection == "keys" ? "KeyNotFound" : "SecretNotFound";
    }
    return code_info(code).azure_code;
}

bool is_token_check(std::string_view check) {
    return check.starts_with("TOKEN-") || check.starts_with("POLICY-") ||
           check == "VAULT-AUTHORITY-ALLOWED" || check == "VAULT-TRUST-TIER" ||
           check == "VAULT-TEE-KEY";
}

std::string_view sentence_of(const Error& error, const Wording* wording) {
    const std::string_view check = error.reason()->code;
    if (error.code != Code::unauthenticated && is_token_check(check)) {
        return "Target environment attestation statement cannot be verified.";
    }
    return wording != nullptr ? wording->sentence : "The request was refused.";
}

// What is away, a database that restarts or an issuer of tokens, is mostly back after seconds.
constexpr const char* kRetryAfter = "1";

// own_fault tells whether the message speaks of our insides rather than of the request.
bool own_fault(Code code) {
    return code == Code::io || code == Code::internal || code == Code::unavailable;
}

}  // namespace

net::Response refusal_answer(const Error& error, bool vault_known, std::string_view request_id,
                             std::string_view collection) {
    const Check* reason = error.reason();
    if (reason == nullptr) {
        net::Response response = net::error_response(
            code_info(error.code).http_status, azure_code(error.code, vault_known, collection),
            own_fault(error.code)
                ? fmt::format("The service failed. Its log has more under request id {}.",
                              request_id)
                : error.message);
        if (error.code == Code::unavailable) response.headers.set("Retry-After", kRetryAfter);
        return response;
    }
    const Wording* wording = nullptr;
    for (const Wording& row : kWordings) {
        if (row.check == reason->code) wording = &row;
    }
    const CheckInfo* info = find_check_info(reason->code);
    const bool azure_inner = wording != nullptr && !wording->inner_code.empty();
    net::Response response = net::error_response(
        code_info(error.code).http_status, azure_code(error.code, vault_known, collection),
        fmt::format("{} Check {} failed: {} Request id: {}.", sentence_of(error, wording),
                    reason->code, info == nullptr ? "" : info->what, request_id),
        azure_inner ? wording->inner_code : std::string_view(reason->code));
    response.headers.set("x-vouchsafe-check", reason->code);
    return response;
}

}  // namespace vouchsafe::vault
