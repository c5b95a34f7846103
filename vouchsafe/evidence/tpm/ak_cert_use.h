// What a certificate says about the use of its key (RFC 5280, 4.2.1), and about the TPM that holds
// it (TCG EK Credential Profile for TPM 2.0). Nothing is verified here.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::evidence {

// Bits of the key usage (RFC 5280, 4.2.1.3).
inline constexpr uint16_t kUseDigitalSignature = 1u << 0;
inline constexpr uint16_t kUseNonRepudiation = 1u << 1;
inline constexpr uint16_t kUseKeyEncipherment = 1u << 2;
inline constexpr uint16_t kUseDataEncipherment = 1u << 3;
inline constexpr uint16_t kUseKeyAgreement = 1u << 4;
inline constexpr uint16_t kUseCertSign = 1u << 5;
inline constexpr uint16_t kUseCrlSign = 1u << 6;
inline constexpr uint16_t kUseEncipherOnly = 1u << 7;
inline constexpr uint16_t kUseDecipherOnly = 1u << 8;

// Extended key usages of TPM keys (TCG OID registry, tcg-kp).
inline constexpr std::string_view kPurposeEk = "2.23.133.8.1";
inline constexpr std::string_view kPurposeAk = "2.23.133.8.3";

struct CertificateUse {
    std::optional<uint16_t> key_usage;    // bits kUse*; nullopt: it does not say
    std::vector<std::string> purposes;    // extended key usages, dotted; empty: it does not say
    std::optional<uint64_t> path_length;  // how many CAs may stand below this one
    // From the directory name in subjectAltName, as written: "id:474F4F47", "vTPM", "id:20160511".
    std::optional<std::string> tpm_manufacturer, tpm_model, tpm_version;

    // parse fails with Code::invalid if one of the extensions is malformed or there twice.
    static Result<CertificateUse> parse(const crypto::Certificate& certificate);

    bool has(uint16_t use) const { return key_usage && (*key_usage & use) == use; }
    bool has_any(uint16_t uses) const { return key_usage && (*key_usage & uses) != 0; }
    bool has_purpose(std::string_view oid) const;
    // usage_text is "digitalSignature, keyCertSign", or "none stated".
    std::string usage_text() const;
};

// key_usage_names returns the names of RFC 5280 for bits kUse*.
std::vector<std::string> key_usage_names(uint16_t bits);

}  // namespace vouchsafe::evidence
