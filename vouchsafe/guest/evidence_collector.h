// What this machine can say about itself, collected for the AzureGuest protocol
// (guest-protocol.md, sections 0 to 4): HCL report, VCEK chain, quote, event log, and an ephemeral
// key that the TPM opens only in the quoted state.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/device/event_log_file.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/guest/metadata_client.h"

namespace vouchsafe::guest {

// Machine is where this machine's TPM and event log are.
struct Machine {
    std::string tcti;  // "": the TPM that Linux shows
    Path event_log{device::kEventLogPath};
    std::vector<uint32_t> pcrs = {0, 1, 2, 3, 4, 5, 6, 7};  // Azure on Linux
};

// open_tpm opens the machine's TPM: what `tcti` names, or /dev/tpmrm0, the kernel's resource
// manager, or /dev/tpm0 where there is no resource manager. Code::unavailable if there is none:
// then the machine is no confidential VM.
Result<device::Tpm> open_tpm(const Machine& machine);

struct CollectedEvidence {
    // The inner document of the request (guest-protocol 4.2), before base64url.
    Json attestation_info;
    bool has_event_log = false;
    // With the report of a processor; without, as Azure's Trusted Launch machines are.
    bool confidential = false;
};

// collect_azure_guest collects the evidence of a confidential VM; of a machine whose TPM says that
// it has no HCL report, that of Trusted Launch. Code::unavailable if TPM or metadata service do not
// answer: a failure that may pass makes no Trusted Launch machine of a confidential one
// (guest-protocol 7, no. 2). `nonce` travels in the client payload; "" sends an empty one.
// `qualifying` (at most 64 bytes) is what the quote signs besides; Azure's clients sign nothing.
// Borrows `tpm`, which was opened with the machine's TCTI.
Result<CollectedEvidence> collect_azure_guest(device::Tpm& tpm, const Machine& machine,
                                              MetadataClient& metadata, std::string_view nonce,
                                              ByteView qualifying = {});

}  // namespace vouchsafe::guest
