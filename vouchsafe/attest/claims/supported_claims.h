// The names of all claims that stand at the top of this service's attestation tokens: what its
// metadata lists (azure-api C.4). Claims that policies issue can have any name beside these.
#pragma once

#include <span>
#include <string_view>

namespace vouchsafe::attest {

// supported_claims returns the names in order, each once.
std::span<const std::string_view> supported_claims();

}  // namespace vouchsafe::attest
