// OpenSSL's side of a server. Private to net/.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/base/result.h"
#include "vouchsafe/net/tls.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX
struct ssl_st;      // its SSL

namespace vouchsafe::net {

struct SslContextFree {
    void operator()(ssl_ctx_st* context) const;
};
using SslContext = std::unique_ptr<ssl_ctx_st, SslContextFree>;
using TlsContext = std::shared_ptr<ssl_ctx_st>;  // nullptr: plain HTTP

// make_server_context allows TLS 1.2 with ECDHE and an AEAD, and TLS 1.3; HTTP/1.1 by ALPN.
// Code::invalid if the key does not belong to the first certificate. With `client.authorities` it
// asks clients for a certificate that is valid, for client authentication, and issued by one of
// these; the handshake fails with another one, and without one if that is required.
Result<SslContext> make_server_context(const TlsIdentity& identity,
                                       const ClientAuthentication& client = {});

// ServesName tells whether a server has a name, in lower case. By any thread that serves: quick.
using ServesName = std::function<bool(const std::string& name)>;

// make_naming_context is for connections whose certificate depends on the name that the client asks
// for (SNI; RFC 6066, 3). A handshake fails with the alert unrecognized_name if the client asks for
// none, for what is no host name, or for one that `serves` does not know. Else it stops before a
// certificate is needed (wants_identity), which may then be made without haste; after use_identity
// the same handshake goes on. No session is resumed. Borrows `serves`.
Result<SslContext> make_naming_context(const ServesName* serves);

// asked_name returns the name that the client asked for, in lower case; nullopt: none, or what is
// no host name.
std::optional<std::string> asked_name(const ssl_st* connection);
bool wants_identity(const ssl_st* connection);
// use_identity has a connection go on with the certificate and the settings of this context.
Result<void> use_identity(ssl_st* connection, ssl_ctx_st* identity);

// verified_peer returns the certificate that the peer of a connection showed and that was verified;
// nullptr: none.
std::shared_ptr<const crypto::Certificate> verified_peer(ssl_st* connection);

}  // namespace vouchsafe::net
