// Members that several attest requests share (azure-api C.2): data that the evidence carries a
// digest of, the nonce, and a policy to try.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/attest/request/json_fields.h"

namespace vouchsafe::attest {

// BoundData is data that the hardware's report carries a digest of.
struct BoundData {
    Bytes data;                        // exactly as hashed
    std::shared_ptr<const Json> json;  // the parsed object if dataType is JSON, else nullptr
};

// BoundMembers are the members beside the evidence of every request but AzureGuest's.
struct BoundMembers {
    std::optional<BoundData> runtime_data;  // in the report data
    std::optional<BoundData> init_data;     // in what the launch fixed
    std::optional<std::string> nonce;       // sent as text or as integer (the sidecar does)
    std::string draft_policy;               // draftPolicyForAttestation, or ""
    // Our own: the answer to POST /challenge. Its SHA-256 is the second half of the report data.
    std::optional<std::string> challenge;

    // parse reads runtimeData and initTimeData as {"data": base64, "dataType": "JSON" or "Binary"}.
    static Result<BoundMembers> parse(const JsonFields& request);
};

}  // namespace vouchsafe::attest
