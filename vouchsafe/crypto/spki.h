// SubjectPublicKeyInfo (RFC 5280, 4.1.2.7) in the form that everybody writes, taken apart without
// OpenSSL, whose decoder costs some two hundred microseconds for each key. Private to crypto/.
#pragma once

#include <optional>
#include <variant>

#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::crypto {

// Views into the bytes that were read. Nothing is known of the numbers but where they are.
struct RsaNumbers {
    ByteView modulus, exponent;  // big-endian, no leading zeros but in a number that is zero
};
struct EcPoint {
    Curve curve;
    ByteView x, y;  // in the width of the field
};
using SpkiNumbers = std::variant<RsaNumbers, EcPoint>;

// split_plain_spki reads an RSA key (RFC 3279, 2.3.1) or a point with both coordinates on a named
// curve (RFC 5480, 2), whole input, strict DER. nullopt is no verdict: it may be another form,
// which OpenSSL reads or refuses.
std::optional<SpkiNumbers> split_plain_spki(ByteView der);

}  // namespace vouchsafe::crypto
