// The client of an attestation service: sends evidence, gets a token.
#pragma once

#include <functional>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/guest/evidence_collector.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// attest collects evidence, posts it to `url`/attest/AzureGuest and opens the sealed token with the
// TPM. The token is not verified here: whoever relies on it does that. `url` may have a port; its
// path is ignored, as Azure's client does. Borrows `tpm`, opened with the machine's TCTI.
Result<SecretBytes> attest(device::Tpm& tpm, const Machine& machine, MetadataClient& metadata,
                           net::Client& client, std::string_view url, std::string_view nonce);

// open_envelope is the second half: `sealed` is the `token` member of the answer (guest-protocol
// 4.3). `decrypt` opens the inner key with the ephemeral TPM key.
using InnerKeyOpener = std::function<Result<SecretBytes>(ByteView)>;
Result<SecretBytes> open_envelope(std::string_view sealed, const InnerKeyOpener& decrypt);

}  // namespace vouchsafe::guest
