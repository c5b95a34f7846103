// One DER element (X.690, 8.1 and 10.1), for the sources of crypto/ alone. The values that other
// modules read out of extensions are in x509.h.
#pragma once

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::crypto {

struct DerElement {
    uint8_t tag;
    ByteView content;
    ByteView whole;  // tag, length and content
};

// parse_der_element reads the element at the beginning of `bytes`; more may follow. Lengths must be
// definite and in the shortest form. The views borrow `bytes`.
Result<DerElement> parse_der_element(ByteView bytes);

}  // namespace vouchsafe::crypto
