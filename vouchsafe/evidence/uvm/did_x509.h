// did:x509 identifiers (did-x509 method specification, version 0): a name for whoever holds a
// certificate below a certain CA that fits certain rules. For example
//
//     did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s::eku:1.3.6.1.4.1.311.76.59.1.2
//
// means: below the CA with that SHA-256 fingerprint, with that extended key usage.
#pragma once

#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::evidence {

struct DidX509 {
    // DidPolicy is one rule about the leaf: "eku" with an OID, or "subject" with attributes and
    // their values, by turns ("CN", "ContainerPlat", "O", "Microsoft Corporation").
    struct Policy {
        std::string name;
        std::vector<std::string> values;
    };

    crypto::HashAlg hash;  // SHA-256, SHA-384 or SHA-512
    Bytes ca_fingerprint;
    std::vector<Policy> policies;  // at least one

    // parse reads the whole identifier. Code::invalid if it is malformed, Code::unsupported for
    // other versions and for rules about other things (san, fulcio-issuer).
    static Result<DidX509> parse(std::string_view did);

    // find_ca returns the place in `chain` (leaf first) of the CA that is meant, which is not the
    // leaf; nullopt if it is not there.
    std::optional<size_t> find_ca(const std::vector<crypto::Certificate>& chain) const;
};

// meets tells whether the certificate fits the rule: it has the extended key usage; or its subject
// has every one of the attributes. Code::bad_evidence, with what it has instead, if it does not.
Result<void> meets(const crypto::Certificate& leaf, const DidX509::Policy& policy);

}  // namespace vouchsafe::evidence
