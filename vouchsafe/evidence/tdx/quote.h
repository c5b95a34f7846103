// The quote of an Intel trust domain (Intel TDX DCAP Quoting Library API, A.3 version 4 and A.4
// version 5): bytes to fields, nothing more. A parsed quote is not verified; policy takes
// VerifiedTdQuote (verify.h).
#pragma once

#include <optional>

#include "vouchsafe/evidence/tdx/quote_parts.h"

namespace vouchsafe::evidence {

// TdAttributes are the properties that a trust domain was started with (Intel TDX Module ABI,
// ATTRIBUTES; DCAP, A.3.4). Bits 0 to 7 make a domain untrusted.
struct TdAttributes {
    uint64_t raw = 0;
    bool debug() const { return bit(0); }
    bool sept_ve_disable() const { return bit(28); }
    bool migratable() const { return bit(29); }
    bool protection_keys() const { return bit(30); }
    bool key_locker() const { return bit(31); }
    bool perfmon() const { return bit(63); }
    // Bits 1 to 7 (profiling by the host, and reserved ones of that kind).
    uint64_t other_untrusted_bits() const { return raw & 0xFE; }
    // What is neither above nor LASS (27), which restricts the guest alone.
    uint64_t unknown_bits() const { return raw & ~uint64_t{0x80000000F80000FF}; }

  private:
    bool bit(int n) const { return ((raw >> n) & 1) != 0; }
};

// TdReport is the body of a quote, in its order (DCAP, A.3.2; the last two: A.4.4).
struct TdReport {
    std::array<uint8_t, 16> tee_tcb_svn{};  // [0] and [1]: the TDX module's minor and major
    std::array<uint8_t, 48> mrseam{};
    std::array<uint8_t, 48> mrsignerseam{};  // zero: Intel
    std::array<uint8_t, 8> seam_attributes{};
    TdAttributes td_attributes;
    uint64_t xfam = 0;
    std::array<uint8_t, 48> mrtd{};
    std::array<uint8_t, 48> mrconfigid{};
    std::array<uint8_t, 48> mrowner{};
    std::array<uint8_t, 48> mrownerconfig{};
    std::array<std::array<uint8_t, 48>, 4> rtmr{};
    std::array<uint8_t, 64> report_data{};
    std::optional<std::array<uint8_t, 16>> tee_tcb_svn2;  // TDX 1.5 in version 5
    std::optional<std::array<uint8_t, 48>> mrservicetd;   // TDX 1.5 in version 5
};

// TdxQuote has what its verification needs. Version 4 has one body, TDX 1.0; version 5 names its
// type: TDX 1.0 (2) or TDX 1.5 (3). Quotes of SGX enclaves (version 3, TEE type 0, body type 1) are
// recognised, so that they are refused by name.
//
// Lengths: every part fills the one around it exactly. Behind the quote zeros may follow, because
// Linux interfaces pad it; anything else there is refused (a recorded quote has 39 such bytes):
// what nobody vouches for must not travel under a verified name.
struct TdxQuote : QuoteParts {
    TdReport body;

    // parse wants at most 64 KiB and fails with the checks TDX-FORM, TDX-VERSION, TDX-TEE,
    // TDX-KEY-TYPE, TDX-BODY-TYPE, TDX-CERTIFICATION-TYPE, TDX-TRAILING.
    static Result<TdxQuote> parse(ByteView bytes, Checks& checks);
    static Result<TdxQuote> parse(ByteView bytes);
};

}  // namespace vouchsafe::evidence
