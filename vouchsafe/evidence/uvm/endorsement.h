// UVM endorsements: Microsoft's signed statement that a launch measurement is one of its utility
// VMs, the machines in which Azure runs confidential containers. A COSE_Sign1 (RFC 9052) over a
// small JSON text; the guest gets it from its host together with the SNP report, and the report's
// measurement must be the one that is endorsed.
//
// Whoever signs is named by a did:x509 in the protected header, and is believed only if that name,
// fingerprint of its CA included, stands in a table of this program (or is the caller's own
// choice): the file brings its certificates, it never brings a root.
#pragma once

#include <span>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/cose.h"

namespace vouchsafe::evidence {

inline constexpr size_t kUvmMeasurementSize = 48;

// UvmIssuer is somebody who may endorse, and what: one line of products, called feed.
struct UvmIssuer {
    std::string did;
    std::string feed;
};

// vendor_uvm_issuers returns the issuers that are known here: Microsoft's for the utility VM of
// Azure's confidential containers. Immutable, built once, thread-safe.
const std::vector<UvmIssuer>& vendor_uvm_issuers();

// UvmEndorsement is what the statement says.
struct UvmEndorsement {
    std::string issuer;                // the did:x509
    std::string feed;                  // "ContainerPlat-AMD-UVM"
    std::optional<Time> signing_time;  // as the signer says; nobody else vouches for it
    uint32_t guest_svn = 0;            // grows when older machines should no longer be trusted
    std::array<uint8_t, kUvmMeasurementSize> measurement{};  // MEASUREMENT of the SNP report
};

struct UvmRules {
    std::optional<std::array<uint8_t, kUvmMeasurementSize>> measurement;
    uint32_t minimum_svn = 0;
};

// VerifiedUvmEndorsement exists only if verify_uvm said yes.
class VerifiedUvmEndorsement {
  public:
    const UvmEndorsement& endorsement() const { return endorsement_; }
    const std::vector<crypto::Certificate>& chain() const { return chain_; }  // leaf first
    const crypto::Certificate& root() const { return chain_[root_]; }         // the CA in the did
    // The verified path up to and with that CA, for check_path_revocation.
    std::span<const crypto::Certificate> path() const { return {chain_.data(), root_ + 1}; }

  private:
    friend struct UvmVerifier;  // endorsement.cpp alone
    VerifiedUvmEndorsement(UvmEndorsement endorsement, std::vector<crypto::Certificate> chain,
                           size_t root)
        : endorsement_(std::move(endorsement)), chain_(std::move(chain)), root_(root) {}
    UvmEndorsement endorsement_;
    std::vector<crypto::Certificate> chain_;
    size_t root_;
};

// verify_uvm checks, in this order: form (UVM-FORM), that issuer and feed are among `issuers`
// (UVM-ISSUER), that the CA in the issuer's name is in the chain (UVM-ROOT), dates at `now`
// (UVM-DATES), each link and the path as a whole (UVM-CHAIN), that x5t, if there, is the leaf
// (UVM-THUMBPRINT), the rules in the issuer's name (UVM-IDENTITY), algorithm and signature
// (UVM-ALGORITHM, UVM-SIGNATURE), the payload (UVM-PAYLOAD), and what the rules demand (UVM-SVN,
// UVM-MEASUREMENT). Revocation is the caller's to check (check_path_revocation). An issuer whose
// did is malformed is refused.
Result<VerifiedUvmEndorsement> verify_uvm(ByteView cose, const std::vector<UvmIssuer>& issuers,
                                          const UvmRules& rules, Time now, Checks& checks);

// facts_of says what the statement says, and who signed it below which root.
Json facts_of(const VerifiedUvmEndorsement& verified);

}  // namespace vouchsafe::evidence
