// OpenSSL's side of a server. Private to net/.
#pragma once

#include <memory>

#include "vouchsafe/base/result.h"
#include "vouchsafe/net/tls.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // its SSL

namespace vouchsafe::net {

struct SslContextFree {
    void operator()(ssl_ctx_st* context) const;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslContextFree>;

// make_server_context allows TLS 1.2 with ECDHE and an AEAD, and TLS 1.3; HTTP/1.1 by ALPN.
// Code::invalid if the key does not belong to the first certificate. With `client.authorities` it
// asks clients for a certificate that is valid, for client authentication, and issued by one of
// these; the handshake fails with another one, and without one if that is required.
Result<SslContext> make_server_context(const TlsIdentity& identity,
                                       const ClientAuthentication& client = {});

// verified_peer returns the certificate that the peer of a connection showed and that was verified;
// nullptr: none.
std::shared_ptr<const crypto::Certificate> verified_peer(ssl_st* connection);

}  // namespace vouchsafe::net
