// TLS material for servers.
#pragma once

#include <vector>

#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::net {

// TlsIdentity is a server's certificate chain (leaf first) and its key.
struct TlsIdentity {
    std::vector<crypto::Certificate> chain;
    crypto::PrivateKey key;
};

}  // namespace vouchsafe::net
