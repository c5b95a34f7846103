// Verification of the evidence that a machine with a TPM sends to /attest/Tpm: a quote of its
// registers by an attestation key, and the logs behind them (Microsoft's "TPM attestation
// protocol", request message v2). The caller decodes the JSON; here are only bytes.
//
// What it can say: what such a TPM's registers held, and what firmware and kernel logged. What it
// cannot: that anything protects the machine's memory. Such a machine is never a confidential one,
// and without a certificate of the attestation key nobody knows that there is a TPM at all.
#pragma once

#include "vouchsafe/evidence/boot/boot_facts.h"
#include "vouchsafe/evidence/boot/ima.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::evidence {

struct TpmMachineEvidence {
    crypto::PublicKey ak;
    Bytes ak_certificate;  // DER or PEM; empty or zeros: none
    Bytes quote;           // TPMS_ATTEST
    Bytes quote_signature;
    std::vector<PcrBank> values;  // of the quoted registers, each bank once
    Bytes event_log;              // the firmware's; empty: none
    Bytes ima_list;               // empty: none
};

struct TpmMachineRules {
    // Without: a certificate that does not hold counts as none.
    bool require_ak_certificate = true;
    uint32_t required_pcrs = 0xFFFFFF;  // bit n: register n of the SHA-256 bank
    Bytes nonce;                        // the quote's qualifying data
};

// VerifiedTpmMachine exists only if verify_tpm_machine said yes.
class VerifiedTpmMachine {
  public:
    const TpmSigningKey& ak() const { return ak_; }
    // ak_certificate is nullopt if the AK is nobody's that is known: then all the rest is the word
    // of whoever holds that key.
    const std::optional<VerifiedAkCertificate>& ak_certificate() const { return ak_certificate_; }
    const VerifiedQuote& quote() const { return quote_; }
    // pcrs are the quoted ones of the SHA-256 bank, which must be there. Nothing may be concluded
    // from other quoted banks: firmware may never have extended them (CVE-2021-42299).
    const PcrBank& pcrs() const;
    // log and boot are nullopt if there was no event log.
    const std::optional<ReplayedLog>& log() const { return log_; }
    const std::optional<BootFacts>& boot() const { return boot_; }
    SecureBoot secure_boot() const { return boot_ ? boot_->secure_boot : SecureBoot::not_measured; }
    const std::optional<ReplayedImaList>& ima() const { return ima_; }

  private:
    friend struct TpmMachineVerifier;  // tpm_machine.cpp alone
    VerifiedTpmMachine(TpmSigningKey ak, std::optional<VerifiedAkCertificate> ak_certificate,
                       VerifiedQuote quote)
        : ak_(std::move(ak)),
          ak_certificate_(std::move(ak_certificate)),
          quote_(std::move(quote)) {}
    TpmSigningKey ak_;
    std::optional<VerifiedAkCertificate> ak_certificate_;
    VerifiedQuote quote_;
    std::optional<ReplayedLog> log_;
    std::optional<BootFacts> boot_;
    std::optional<ReplayedImaList> ima_;
};

// verify_tpm_machine verifies all of it or fails with the check that failed: codes AK-FORM,
// AK-CERT-*, TPM-QUOTE-*, TPM-PCR-VALUES, LOG-*, IMA-*. PCRs 0 to 7 must replay, if there is a log;
// a higher register is confirmed if it does, and says nothing if it does not: operating systems
// extend those further, without this log. Thread-safe.
Result<VerifiedTpmMachine> verify_tpm_machine(const TpmMachineEvidence& evidence,
                                              const TrustAnchors& anchors,
                                              const TpmMachineRules& rules, Time now,
                                              Checks& checks);

}  // namespace vouchsafe::evidence
