// PEM (RFC 7468) to DER, for the sources of crypto/ alone. Text outside the blocks is ignored, as
// tools that write certificate bundles put remarks there.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/secret.h"

namespace vouchsafe::crypto {

inline constexpr size_t kMaxPem = 1 << 20;

struct PemBlock {
    std::string label;  // "CERTIFICATE"
    bool encrypted = false;
    SecretBytes der;
};

// parse_pem_blocks returns the blocks in the order of the text. Code::invalid if there is none, if
// there are more than `max_blocks`, if one is malformed, or if the text is longer than kMaxPem.
Result<std::vector<PemBlock>> parse_pem_blocks(ByteView pem, size_t max_blocks);

// encode_pem writes one block, 64 characters a line, with a newline at its end.
SecretBytes encode_pem(std::string_view label, ByteView der);

}  // namespace vouchsafe::crypto
