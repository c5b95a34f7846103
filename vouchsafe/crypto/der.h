// Reading DER (X.690, 8.1 and 10.1): elements one at a time, and the values that Intel's
// certificate extension is made of. The single values inside other extensions are in x509.h.
// Strict: lengths are definite and in the shortest form, tags have one byte.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::crypto {

struct DerElement {
    uint8_t tag;
    ByteView content;
    ByteView whole;  // tag, length and content
};

// parse_der_element reads the element at the beginning of `bytes`; more may follow. Code::invalid
// if it is malformed. The views borrow `bytes`.
Result<DerElement> parse_der_element(ByteView bytes);

// DerNamedValue is one SEQUENCE { OBJECT IDENTIFIER, value }.
struct DerNamedValue {
    std::string oid;  // dotted
    ByteView value;   // the whole element
};

// parse_der_named_values reads one SEQUENCE OF DerNamedValue, whole input, and returns them in
// order. Code::invalid if it is malformed or if an OID appears twice. The values borrow `der`.
Result<std::vector<DerNamedValue>> parse_der_named_values(ByteView der);

// parse_der_oid reads one OBJECT IDENTIFIER, whole input, with arcs below 2^32 (X.690, 8.19).
Result<std::string> parse_der_oid(ByteView der);
// parse_der_enumerated reads one non-negative ENUMERATED of at most 64 bits, whole input.
Result<uint64_t> parse_der_enumerated(ByteView der);

}  // namespace vouchsafe::crypto
