// A certification path as a whole (RFC 5280, 6): what single links do not show.
#pragma once

#include <span>

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::crypto {

enum class PathPurpose {
    any,
    tls_server,  // extended key usage serverAuth, in the leaf and wherever an issuer limits it
};

// verify_path has OpenSSL validate the path from `chain.front()` over the certificates behind it to
// `anchor`, which need not be self-signed: signatures (112 bits of security or more, so no SHA-1),
// names, dates of all of them at `time`, CA flags, path lengths, key usage, name constraints, and
// no critical extension that is unknown. Revocation is not looked at, nor the order of `chain`, nor
// host names. Code::expired if it is the dates that fail, Code::bad_evidence for anything else; the
// message names the certificate. An empty chain is a bug.
Result<void> verify_path(std::span<const Certificate> chain, const Certificate& anchor, Time time,
                         PathPurpose purpose);

}  // namespace vouchsafe::crypto
