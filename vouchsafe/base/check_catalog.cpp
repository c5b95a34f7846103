#include <algorithm>

#include "vouchsafe/base/result.h"

namespace vouchsafe {

namespace {

// The catalogue: one row per check, grouped by what is checked. Codes are stable: never rename one,
// never reuse one. Sources: AMD 56860 = SEV-SNP Firmware ABI; TPM2 = TCG TPM 2.0 Library; PFP = TCG
// PC Client Platform Firmware Profile; GP = Azure guest protocol as described in docs/api.
constexpr CheckInfo kCatalog[] = {
    // --- SEV-SNP report (evidence/snp_*)
    {"SNP-SIZE", Code::bad_evidence, "The report has exactly 1184 bytes.", "AMD 56860, table 23",
     "Collect the report again; the bytes were cut or padded on the way."},
    // --- tokens (jose/)
    {"TOKEN-FORMAT", Code::invalid,
     "The token is a compact JWS of three unpadded base64url parts, with a header object, a claims "
     "object, and whole numbers as times.",
     "RFC 7515, 3.1, 4.1, 7.1; RFC 7519, 4.1, 7.2",
     "Get the token again and pass it on unchanged: cut, re-encoded or hand-edited ones fail "
     "here."},
    {"TOKEN-ALG", Code::bad_evidence, "The signature algorithm is one of those accepted here.",
     "RFC 7515, 4.1.1; RFC 8725, 3.1",
     "Use a token that the issuer signed. \"none\" and HMAC are never accepted; drafts of "
     "attestation policies give unsigned tokens."},
    {"TOKEN-KID", Code::bad_evidence,
     "The issuer publishes the key the token names, with at least 2048 bits if it is RSA.",
     "RFC 7515, 4.1.4; RFC 7518, 3.3",
     "Check that the token is of this issuer. If the issuer changed its keys, fetch them again."},
    {"TOKEN-SIGNATURE", Code::bad_evidence, "The signature over the token holds.", "RFC 7515, 5.2",
     "The token was changed or is not of this issuer. Get a new one from it."},
    {"TOKEN-ISSUER", Code::unauthenticated, "The token comes from an accepted issuer.",
     "RFC 7519, 4.1.1; RFC 8725, 3.8",
     "Get the token from an issuer in the list, or have the list changed by who owns it."},
    {"TOKEN-AUDIENCE", Code::unauthenticated, "The token was made for this service.",
     "RFC 7519, 4.1.3; RFC 8725, 3.9", "Ask for a token whose resource or scope is this service."},
    {"TOKEN-NOT-BEFORE", Code::expired,
     "The token is valid already, give or take the allowed clock skew.", "RFC 7519, 4.1.5",
     "Compare the clocks of this machine and the issuer."},
    {"TOKEN-EXPIRED", Code::expired,
     "The token is still valid, give or take the allowed clock skew.", "RFC 7519, 4.1.4",
     "Get a new token (for attestation: attest again), and check the clock."},
    // --- attest requests (attest/)
    {"ATTEST-REQUEST", Code::invalid,
     "The request body has the members that its route needs, of the right types, each once and "
     "within its limit.",
     "Azure guest protocol, attestation request; Microsoft Azure Attestation REST API",
     "Compare the request with docs/formats; the audit log names the member."},
    {"ATTEST-DRAFT-POLICY", Code::unsupported, "The request brings no draft policy.",
     "Microsoft Azure Attestation REST API, draftPolicyForAttestation",
     "Leave draftPolicyForAttestation out: only the built-in policy is applied."},
    {"ATTEST-INIT-DATA", Code::bad_evidence,
     "The report's HOST_DATA is the SHA-256 of the init-time data.",
     "Microsoft Azure Attestation REST API, initTimeData; AMD 56860, HOST_DATA",
     "Send the init-time data that the machine was launched with, byte for byte."},
    // --- release policies (policy/)
    {"POLICY-AUTHORITY", Code::forbidden,
     "The release policy names the token's issuer as authority.",
     "Azure Key Vault secure key release policy grammar, authority",
     "Attest with one of the authorities in the policy, or have the key's owner add this one."},
    {"POLICY-CLAIM-MISMATCH", Code::forbidden,
     "The token's claim compares with the policy's value as the policy demands.",
     "Azure Key Vault secure key release policy grammar, claim conditions",
     "Run on a machine that has the demanded property, or have the key's owner change the policy."},
    {"POLICY-CLAIM-MISSING", Code::forbidden, "The token has the claim that the policy compares.",
     "Azure Key Vault secure key release policy grammar, claim conditions",
     "Check the claim's path in the policy against the token; claims of a confidential VM stand "
     "under x-ms-isolation-tee."},
    // --- answer of a key release, as its receiver checks it (guest/release_answer)
    {"RELEASE-FORMAT", Code::bad_evidence,
     "The answer is a JWS with certificates, and its payload has request and response.",
     "Azure Key Vault, key release response", "Report this to whoever runs the vault."},
    {"RELEASE-SIGNATURE", Code::bad_evidence,
     "The answer is signed with RS256 by its first certificate.", "RFC 7515, 5.2",
     "The answer was changed on its way, or comes from no vault. Check the vault's address."},
    {"RELEASE-CHAIN", Code::bad_evidence,
     "The signer's certificates are valid now and end in a trusted root.", "RFC 5280, 6.1",
     "Give the vault's root with --ca-file, or check this machine's clock."},
    {"RELEASE-NAME", Code::bad_evidence, "The signer's certificate carries the vault's host name.",
     "RFC 6125, 6.4", "Check the key's identifier; the answer comes from another vault."},
    {"RELEASE-KEY-ID", Code::bad_evidence, "The answer is for the key that was asked for.",
     "Azure Key Vault, key release response", "Report this to whoever runs the vault."},
    {"RELEASE-NONCE", Code::bad_evidence, "The answer repeats the nonce of this request.",
     "Azure Key Vault, key release request",
     "An old answer was replayed. Try again; if it stays, the way to the vault is not safe."},
    {"RELEASE-KEY-PAIR", Code::bad_evidence,
     "The released private key belongs to the public key in the answer.", "FIPS 186-5",
     "Report this to whoever runs the vault."},
    // --- audit log (audit/)
    {"AUDIT-TREE", Code::bad_evidence,
     "The log's entries hash to the root that is stored beside them.", "RFC 6962, 2.1",
     "The database was changed behind the program. Compare with a backup and with heads kept "
     "elsewhere."},
    {"AUDIT-HEAD", Code::bad_evidence,
     "The log begins with the entries it had when the kept tree head was noted.", "RFC 6962, 2.1.2",
     "Entries were changed or removed since. Compare with a backup; treat releases since then as "
     "unknown."},
    // --- vault (vault/)
    {"VAULT-CALLER-TOKEN", Code::unauthenticated,
     "The request carries one bearer token in its Authorization header.",
     "Azure Key Vault, authentication; RFC 6750, 2.1",
     "Get an access token for the resource in the challenge and send it as \"Bearer ...\"."},
    {"VAULT-CALLER-TENANT", Code::unauthenticated,
     "The access token is of the tenant that the vault belongs to.",
     "Azure Key Vault, authentication: tid", "Log in to the vault's tenant."},
    {"VAULT-CALLER-OID", Code::unauthenticated, "The access token names its caller's object id.",
     "Microsoft identity platform, access token claims: oid",
     "Use a token of a user, an application or a managed identity."},
    {"VAULT-ROLE", Code::forbidden,
     "One of the caller's roles on the object, or on something above it, allows the action.",
     "Azure RBAC, role definitions and scope inheritance",
     "Have the vault's operator assign one of the expected roles to the caller's object id."},
    {"VAULT-KEY-ENABLED", Code::forbidden, "The key version is enabled.",
     "Azure Key Vault, key attributes: enabled", "Enable the key version, or use another."},
    {"VAULT-KEY-WINDOW", Code::forbidden, "The key version may be used at this time.",
     "Azure Key Vault, key attributes: nbf, exp",
     "Make a new key version, or change the dates of this one."},
    {"VAULT-KEY-OPERATION", Code::forbidden, "The key's allowed operations include this one.",
     "RFC 7517, 4.3; Azure Key Vault, key_ops", "Use a key made for this, or change its key_ops."},
    {"VAULT-KEY-EXPORTABLE", Code::invalid, "The key was made exportable and has a release policy.",
     "Azure Key Vault, secure key release",
     "Make a new key with attributes.exportable and release_policy: neither can be added later."},
    {"VAULT-AUTHORITY-ALLOWED", Code::forbidden,
     "The attestation authority is one that this vault contacts.",
     "Vault configuration, attestation_origins",
     "Attest with an allowed authority, or have the vault's operator add this one."},
    {"VAULT-TRUST-TIER", Code::forbidden,
     "The root of trust behind the token is one that this vault accepts.",
     "Vault data directory, laboratory or production",
     "Attest on real hardware. A production vault never accepts a simulated machine."},
    {"VAULT-TEE-KEY", Code::forbidden,
     "The token names an RSA encryption key of at least 2048 bits that the machine holds.",
     "Azure Key Vault, secure key release: x-ms-runtime.keys",
     "Attest with a runtime claim keys whose first encryption key is RSA-2048 or larger."},
    {"VAULT-KEY-UNCHANGED", Code::conflict,
     "The key is still as it was when the request was judged.", "Vault, key release",
     "Ask again: the key or its policy was changed at the same time."},
    // --- sealed files (seal/)
    {"SEAL-TAG", Code::bad_evidence, "The authentication tag of a frame of the sealed file holds.",
     "AWS Encryption SDK message format, body; NIST SP 800-38D",
     "The file was changed after sealing. Get the sealed file again from its owner."},
};

}  // namespace

std::span<const CheckInfo> check_catalog() {
    return kCatalog;
}

const CheckInfo* find_check_info(std::string_view code) {
    auto found = std::find_if(std::begin(kCatalog), std::end(kCatalog),
                              [&](const CheckInfo& info) { return info.code == code; });
    return found == std::end(kCatalog) ? nullptr : &*found;
}

}  // namespace vouchsafe
