// Members that several attest requests share (azure-api C.2): data that the evidence carries a
// digest of, and the nonce.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/attest/json_fields.h"

namespace vouchsafe::attest {

// BoundData is data that the hardware's report carries a digest of.
struct BoundData {
    Bytes data;                        // exactly as hashed
    std::shared_ptr<const Json> json;  // the parsed object if dataType is JSON, else nullptr
};

// parse_bound_data reads {"data": base64, "dataType": "JSON" or "Binary"}; nullopt if the member is
// absent.
Result<std::optional<BoundData>> parse_bound_data(const JsonFields& request, std::string_view name);

// parse_nonce reads a text or an integer (the sidecar sends one) as text; nullopt if absent.
Result<std::optional<std::string>> parse_nonce(const JsonFields& request);

}  // namespace vouchsafe::attest
