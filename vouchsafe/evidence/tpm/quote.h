// Verification of what a TPM says: quotes over PCRs, and certification of a key it holds (TCG
// TPM 2.0 Library, part 1, "Attestation").
#pragma once

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

// check_ak_attributes requires restricted, sign and fixedTPM (AK-ATTRIBUTES): only then does the
// magic number in what it signs mean that a TPM made it.
Result<void> check_ak_attributes(const TpmPublic& ak, Checks& checks);

struct QuoteExpectation {
    std::vector<uint32_t> required_pcrs;  // must be in the quote, in the bank `required_bank`
    crypto::HashAlg required_bank = crypto::HashAlg::sha256;
    std::optional<Bytes> nonce;  // compared in full; nullopt: any (Azure's clients send none)
    // How often the TPM was reset (the machine booted) and restarted or resumed since, as an
    // earlier quote said it (TPM 2.0 Library, part 2, 10.11.1); nullopt: any. The numbers of keys
    // outside the endorsement hierarchy are obfuscated by the TPM, the same way each time.
    std::optional<uint32_t> reset_count;
    std::optional<uint32_t> restart_count;
};

// VerifiedQuote exists only if verify_quote said yes: the values are what the TPM's registers held.
class VerifiedQuote {
  public:
    const TpmAttest& attest() const { return attest_; }
    const PcrSelection& selection() const { return attest_.pcr_selection; }
    const std::vector<PcrBank>& banks() const { return banks_; }  // the quoted registers only

  private:
    friend struct QuoteVerifier;  // quote.cpp alone
    VerifiedQuote(TpmAttest attest, std::vector<PcrBank> banks)
        : attest_(std::move(attest)), banks_(std::move(banks)) {}
    TpmAttest attest_;
    std::vector<PcrBank> banks_;
};

// verify_quote verifies a TPMS_ATTEST of type quote against the register values that came with it.
// Codes TPM-QUOTE-*.
Result<VerifiedQuote> verify_quote(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                   std::span<const PcrBank> values,
                                   const QuoteExpectation& expected, Checks& checks);

// VerifiedQuoteDigest is a quote whose register values are not at hand: exists only if
// verify_quote_digest said yes.
class VerifiedQuoteDigest {
  public:
    const TpmAttest& attest() const { return attest_; }

  private:
    friend struct QuoteVerifier;  // quote.cpp alone
    explicit VerifiedQuoteDigest(TpmAttest attest) : attest_(std::move(attest)) {}
    TpmAttest attest_;
};

// verify_quote_digest verifies all that verify_quote does without the values.
Result<VerifiedQuoteDigest> verify_quote_digest(ByteView attest, ByteView signature,
                                                const TpmSigningKey& ak,
                                                const QuoteExpectation& expected, Checks& checks);

// VerifiedTpmKey is a key that the TPM of the AK certified to hold.
class VerifiedTpmKey {
  public:
    const TpmPublic& public_area() const { return public_area_; }

  private:
    friend struct QuoteVerifier;
    explicit VerifiedTpmKey(TpmPublic area) : public_area_(std::move(area)) {}
    TpmPublic public_area_;
};

// verify_certify verifies a TPMS_ATTEST of type certify: signed by the AK, and naming exactly
// `key`. Codes TPM-CERTIFY-*.
Result<VerifiedTpmKey> verify_certify(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                      TpmPublic key, Checks& checks);

// KeyCertification is what TPM2_Certify says of a key, and the key's public area.
struct KeyCertification {
    Bytes public_area;  // TPMT_PUBLIC
    Bytes attest;       // TPMS_ATTEST
    Bytes signature;
};

// verify_certified_key is verify_certify of a key that stands elsewhere too: the certification must
// answer `nonce` in full (TPM-CERTIFY-NONCE), and its public area be that of `key`, which never
// leaves the TPM (fixedTPM; TPM-CERTIFY-KEY).
Result<VerifiedTpmKey> verify_certified_key(const KeyCertification& certification,
                                            const crypto::PublicKey& key, ByteView nonce,
                                            const TpmSigningKey& ak, Checks& checks);

// The attributes of the ephemeral key: fixedTPM, fixedParent, sensitiveDataOrigin, noDA, decrypt
// and nothing else: without userWithAuth only its policy opens it (guest-protocol 1.3).
inline constexpr uint32_t kEphemeralKeyAttributes = 0x00020432;

// check_ephemeral_key requires the attributes above and that authPolicy is the PCR policy of the
// quoted registers: what is encrypted to this key can be opened in the quoted state only.
// Codes TPM-KEY-ATTRIBUTES, TPM-KEY-POLICY.
Result<void> check_ephemeral_key(const VerifiedTpmKey& key, const VerifiedQuote& quote,
                                 Checks& checks);

}  // namespace vouchsafe::evidence
