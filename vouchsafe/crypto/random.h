// Random bytes from OpenSSL's generator (seeded by the kernel). Failure ends the process: there is
// nothing sensible to do without randomness.
#pragma once

#include <string>

#include "vouchsafe/base/secret.h"

namespace vouchsafe::crypto {

void fill_random(MutableByteView out);
Bytes random_bytes(size_t count);         // nonces, identifiers
SecretBytes random_secret(size_t count);  // keys
std::string random_hex(size_t bytes);     // lower case, 2*bytes digits
std::string random_uuid();                // version 4, lower case
// time_ordered_uuid is version 7 (RFC 9562, 5.7), lower case: milliseconds since 1970, then 74
// random bits. For names under which much is stored, since neighbours in time lie side by side.
std::string time_ordered_uuid();

}  // namespace vouchsafe::crypto
