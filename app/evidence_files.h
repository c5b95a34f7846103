// Evidence and what belongs to it, read from files in the forms that tools leave them in.
#pragma once

#include "app/verdict.h"
#include "vouchsafe/evidence/tpm/types.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::app {

// AkFile is an attestation key from a file: a TPM's public area (TPM2B_PUBLIC or TPMT_PUBLIC), a
// certificate, a PEM or DER public key, or an HCL report, whose HCLAkPub it then is.
struct AkFile {
    crypto::PublicKey key;
    std::optional<evidence::TpmPublic> area;  // only a public area says what the key may do
    Bytes certificate;  // the file itself if it holds certificates: only they say whose the key is
};
Result<AkFile> read_ak(const std::string& file);

// read_compact reads a JWS in compact form, without the newline at its end.
Result<std::string> read_compact(const std::string& file);
// read_key_set reads a JWK set, as a service's /certs answers it.
Result<jose::JwkSet> read_key_set(const std::string& file);

// is_pem tells whether there is PEM somewhere in it.
bool is_pem(ByteView bytes);

}  // namespace vouchsafe::app
