// TLS material for servers, and what they ask of clients.
#pragma once

#include <vector>

#include "vouchsafe/crypto/crl.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::net {

// TlsIdentity is a server's certificate chain (leaf first) and its key.
struct TlsIdentity {
    std::vector<crypto::Certificate> chain;
    crypto::PrivateKey key;
};

// ClientAuthentication says whether clients are asked for certificates.
struct ClientAuthentication {
    std::vector<crypto::Certificate> authorities;  // whose certificates hold; empty: none is asked
    bool required = false;  // whether a client without one is refused; else it may come without
    // Their revocation lists; empty: none are looked at. If there is one, there must be one of each
    // authority in a client's chain, and none may be past its next update: else no certificate of
    // that authority holds.
    std::vector<crypto::Crl> revocations = {};
};

}  // namespace vouchsafe::net
