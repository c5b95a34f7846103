// Trust anchors: the roots a verifier believes. They belong to a data directory and are fixed when
// it is created; nothing in evidence can add one.
#pragma once

#include <vector>

#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/snp/report.h"

namespace vouchsafe::evidence {

// Tier says what kind of root vouched: a hardware vendor's, or the lab's own.
enum class Tier { hardware, simulated };
std::string_view tier_name(Tier tier);  // "hardware", "simulated": x-vouchsafe-trust-tier

struct AmdRoot {
    SnpProduct product;
    crypto::Certificate ark;
    // Known intermediates, used when evidence brings none: optional, always verified against ark.
    std::optional<crypto::Certificate> ask;
    std::optional<crypto::Certificate> asvk;
};

struct TrustAnchors {
    Tier tier = Tier::simulated;
    std::vector<AmdRoot> amd;
    // Of the certificates of virtual TPMs' keys: the roots, and the known intermediates, which are
    // verified like any other. Each cloud's vouch for its own machines alone: the evidence of an
    // Azure guest is never held against Google's.
    std::vector<crypto::Certificate> ak_roots;  // Azure's, or the lab's
    std::vector<crypto::Certificate> ak_intermediates;
    std::vector<crypto::Certificate> google_vtpm_roots;
    std::vector<crypto::Certificate> google_vtpm_intermediates;
    std::optional<crypto::Certificate> intel;  // Intel SGX Root CA; none: no TD quotes
};

// vendor_anchors returns the real roots: AMD's ARK (with ASK and ASVK) of Milan, Genoa and Turin,
// Microsoft's and Google's vTPM roots, and the Intel SGX Root CA. Tier hardware. Immutable, built
// once, thread-safe.
const TrustAnchors& vendor_anchors();

}  // namespace vouchsafe::evidence
