// What a VCEK or VLEK certificate says in AMD's extensions (AMD 57230, "VCEK Certificate and KDS
// Interface Specification", table "Custom extensions").
#pragma once

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/snp/report.h"

namespace vouchsafe::evidence {

inline constexpr std::string_view kOidStructVersion = "1.3.6.1.4.1.3704.1.1";
inline constexpr std::string_view kOidProductName = "1.3.6.1.4.1.3704.1.2";      // IA5String
inline constexpr std::string_view kOidBootloaderSpl = "1.3.6.1.4.1.3704.1.3.1";  // INTEGERs
inline constexpr std::string_view kOidTeeSpl = "1.3.6.1.4.1.3704.1.3.2";
inline constexpr std::string_view kOidSnpSpl = "1.3.6.1.4.1.3704.1.3.3";
inline constexpr std::string_view kOidSpl4 = "1.3.6.1.4.1.3704.1.3.4";
inline constexpr std::string_view kOidSpl5 = "1.3.6.1.4.1.3704.1.3.5";
inline constexpr std::string_view kOidSpl6 = "1.3.6.1.4.1.3704.1.3.6";
inline constexpr std::string_view kOidSpl7 = "1.3.6.1.4.1.3704.1.3.7";
inline constexpr std::string_view kOidMicrocodeSpl = "1.3.6.1.4.1.3704.1.3.8";
inline constexpr std::string_view kOidFmcSpl = "1.3.6.1.4.1.3704.1.3.9";  // Turin
inline constexpr std::string_view kOidHwid = "1.3.6.1.4.1.3704.1.4";      // VCEK only; raw bytes
inline constexpr std::string_view kOidCspId = "1.3.6.1.4.1.3704.1.5";     // VLEK only; IA5String

// is_snp_leaf tells a VCEK or VLEK from AMD's CA certificates: it has a product name extension.
bool is_snp_leaf(const crypto::Certificate& certificate);

struct SnpCertificate {
    crypto::PublicKey key;  // P-384
    SnpSigner kind = SnpSigner::vcek;
    SnpProduct product = SnpProduct::milan;
    uint8_t struct_version = 0;  // 0; 1 on Turin, whose levels stand elsewhere
    std::string product_text;    // "Milan-B0"; a VLEK says "Milan"
    SnpTcb tcb;                  // fmc only if the extension is there
    Bytes hwid;                  // VCEK: 64 bytes, 8 on Turin; VLEK: empty
    std::string csp_id;          // VLEK: whose key it is

    // parse fails with Code::bad_evidence and a sentence: an extension missing, doubled, malformed,
    // of the wrong size or for the wrong kind; a reserved level that is not zero; a struct version
    // above 1; another curve.
    static Result<SnpCertificate> parse(const crypto::Certificate& certificate);
};

}  // namespace vouchsafe::evidence
