// The body of POST /attest/AzureGuest, decoded: guest-protocol 4.2. Pure: bytes in, a value out.
//
// Liberal in encodings, because three client dialects exist (both base64 alphabets, padded or not,
// version numbers as numbers or strings, padding after certificate and public area); strict in
// meaning: types, limits, no member twice. Nothing here is verified.
#pragma once

#include <memory>
#include <string>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/azure/guest.h"

namespace vouchsafe::attest {

// What the guest says about its operating system. Its own word: no hardware stands behind it.
struct OsDescription {
    std::string type;    // "Linux", "Windows"
    std::string distro;  // NAME of os-release
    std::string build;   // "NotApplication" on Linux: so spelled by the client
    int64_t version_major = 0;
    int64_t version_minor = 0;
};

struct AzureGuestRequest {
    std::string protocol_version;  // "2.0"
    OsDescription os;
    // Any JSON, as sent; nullptr if the client sent none. Echoed as x-ms-runtime.client-payload.
    std::shared_ptr<const Json> client_payload;
    std::string draft_policy;  // draftPolicyForAttestation, or ""
    // Our own clients' answer to POST /challenge: member `challenge` beside AttestationInfo.
    std::optional<std::string> challenge;
    evidence::AzureGuestEvidence evidence;

    // parse fails with Code::invalid and a sentence that names the member.
    static Result<AzureGuestRequest> parse(std::string_view body, size_t max_size);
};

// SnpProof is an SNP report with its certificates as both attest routes carry it:
// {"SnpReport": base64, "VcekCertChain": base64 of PEM} (azure-api C.2).
struct SnpProof {
    Bytes report;
    Bytes chain;
    static Result<SnpProof> parse(const Json& json, std::string path);
};

inline constexpr size_t kMaxProof = 128 << 10;       // bytes of that JSON
inline constexpr size_t kMaxRuntimeJson = 64 << 10;  // bytes of runtime data

}  // namespace vouchsafe::attest
