// Evidence and what belongs to it, read from files in the forms that tools leave them in.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/snp/verify.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::app {

// AkFile is an attestation key from a file: a TPM's public area (TPM2B_PUBLIC or TPMT_PUBLIC), a
// certificate, or a PEM public key.
struct AkFile {
    crypto::PublicKey key;
    std::optional<evidence::TpmPublic> area;  // only a public area says what the key may do
};
Result<AkFile> read_ak(const std::string& file);

// read_snp_endorsements reads the VCEK or VLEK and its issuers from `cert` and, if not "", `chain`:
// DER, PEM in any order, or the JSON of Azure's certificate cache (THIM).
Result<evidence::SnpEndorsements> read_snp_endorsements(const std::string& cert,
                                                        const std::string& chain, Checks& checks);

}  // namespace vouchsafe::app
