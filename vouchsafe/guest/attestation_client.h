// The client of an attestation service: sends evidence, gets a token.
#pragma once

#include <functional>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/guest/evidence_collector.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

struct AttestOptions {
    // The attestation service. May have a port; its path is ignored, as Azure's client does.
    std::string url;
    std::string nonce;  // text that comes back in the token, in the client payload
    // Ask for a challenge first and have the TPM sign it: proof that the evidence is of now, and a
    // token that lives for minutes. A service that has none, as Azure's, is asked without.
    bool challenge = true;
    // Ask for a receipt: the service's proof that its audit log has this appraisal
    // (docs/formats/receipt.md). Code::unsupported if it gives none, as Azure's.
    bool receipt = false;
};

struct Attested {
    SecretBytes token;
    std::string receipt;  // "" unless asked for; not verified, and no secret
};

// attest collects evidence, posts it to /attest/AzureGuest and opens the sealed token with the TPM.
// The token is not verified here: whoever relies on it does that. Borrows `tpm`, opened with the
// machine's TCTI.
Result<Attested> attest(device::Tpm& tpm, const Machine& machine, MetadataClient& metadata,
                        net::Client& client, const AttestOptions& options);

// open_envelope is the second half: `sealed` is the `token` member of the answer (guest-protocol
// 4.3). `decrypt` opens the inner key with the ephemeral TPM key.
using InnerKeyOpener = std::function<Result<SecretBytes>(ByteView)>;
Result<SecretBytes> open_envelope(std::string_view sealed, const InnerKeyOpener& decrypt);

}  // namespace vouchsafe::guest
