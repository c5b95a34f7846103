#include "vouchsafe/net/tls_context.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "vouchsafe/net/target.h"

namespace vouchsafe::net {

namespace {

constexpr unsigned char kHttp11[] = "\x08http/1.1";  // ALPN's form: length, name

// select_alpn takes HTTP/1.1 if the client offers it, and goes on without ALPN if it does not.
int select_alpn(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* in,
                unsigned int in_size, void*) {
    unsigned char* chosen = nullptr;
    int found = SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11 - 1, in, in_size);
    if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

bool set_identity(SSL_CTX* context, const TlsIdentity& identity) {
    if (SSL_CTX_use_certificate(context, identity.chain.front().handle()) != 1) return false;
    for (size_t i = 1; i < identity.chain.size(); ++i) {
        if (SSL_CTX_add1_chain_cert(context, identity.chain[i].handle()) != 1) return false;
    }
    return SSL_CTX_use_PrivateKey(context, identity.key.handle()) == 1 &&
           SSL_CTX_check_private_key(context) == 1;
}

// make_context has what all servers have in common.
Result<SslContext> make_context() {
    SslContext context(SSL_CTX_new(TLS_server_method()));
    if (context == nullptr) return fail(Code::internal, "OpenSSL made no TLS context");
    SSL_CTX* raw = context.get();
    SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_read_ahead(raw, 1);  // a record's header and its content by one call
    // Tickets resume sessions; nothing is kept here.
    SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(raw, select_alpn, nullptr);
    bool ok = SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) == 1 &&
              SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
              SSL_CTX_set1_groups_list(raw, "X25519:P-256:P-384") == 1;
    if (!ok) return fail(Code::internal, "OpenSSL refused the TLS settings");
    return context;
}

bool refuse_resumption(SSL_CTX* context) {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    return SSL_CTX_set_num_tickets(context, 0) == 1;
}

// check_name is called for every hello, with a name in it or without.
int check_name(SSL* connection, int* alert, void* serves) {
    std::optional<std::string> name = asked_name(connection);
    if (name && (*static_cast<const ServesName*>(serves))(*name)) return SSL_TLSEXT_ERR_OK;
    *alert = SSL_AD_UNRECOGNIZED_NAME;
    return SSL_TLSEXT_ERR_ALERT_FATAL;
}

// suspend is the certificate callback: negative stops the handshake until it is called for again.
int suspend(SSL*, void*) {
    return -1;
}

// ask_clients: sessions are not resumed then, so that every connection shows its certificate anew.
bool ask_clients(SSL_CTX* context, const ClientAuthentication& client) {
    if (client.authorities.empty()) return true;
    X509_STORE* known = SSL_CTX_get_cert_store(context);
    for (const crypto::Certificate& authority : client.authorities) {
        if (X509_STORE_add_cert(known, authority.handle()) != 1) return false;
        if (SSL_CTX_add_client_CA(context, authority.handle()) != 1) return false;
    }
    for (const crypto::Crl& list : client.revocations) {
        if (X509_STORE_add_crl(known, list.handle()) != 1) return false;
    }
    constexpr unsigned long kLooks = X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
    if (!client.revocations.empty() && X509_STORE_set_flags(known, kLooks) != 1) return false;
    const int required = client.required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | required, nullptr);
    return refuse_resumption(context);
}

}  // namespace

Result<SslContext> make_naming_context(const ServesName* serves) {
    SslContext context = TRY(make_context());
    SSL_CTX* raw = context.get();
    SSL_CTX_set_tlsext_servername_callback(raw, check_name);
    SSL_CTX_set_tlsext_servername_arg(raw, const_cast<ServesName*>(serves));
    SSL_CTX_set_cert_cb(raw, suspend, nullptr);
    if (!refuse_resumption(raw)) return fail(Code::internal, "OpenSSL refused the TLS settings");
    return context;
}

std::optional<std::string> asked_name(const ssl_st* connection) {
    const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return std::nullopt;
    Result<Authority> host = parse_authority(name);
    if (!host || host->port) return std::nullopt;
    return std::move(host->host);
}

bool wants_identity(const ssl_st* connection) {
    return SSL_want_x509_lookup(connection);
}

Result<void> use_identity(ssl_st* connection, ssl_ctx_st* identity) {
    if (SSL_set_SSL_CTX(connection, identity) == identity) return {};
    ERR_clear_error();
    return fail(Code::internal, "OpenSSL refused a TLS context");
}

std::shared_ptr<const crypto::Certificate> verified_peer(ssl_st* connection) {
    std::shared_ptr<X509> shown(SSL_get1_peer_certificate(connection), X509_free);
    if (!shown || SSL_get_verify_result(connection) != X509_V_OK) return nullptr;
    return std::make_shared<const crypto::Certificate>(std::move(shown));
}

void SslContextFree::operator()(ssl_ctx_st* context) const {
    SSL_CTX_free(context);
}

Result<SslContext> make_server_context(const TlsIdentity& identity,
                                       const ClientAuthentication& client) {
    if (identity.chain.empty()) return fail(Code::invalid, "a TLS server needs a certificate");
    SslContext context = TRY(make_context());
    SSL_CTX* raw = context.get();
    if (!set_identity(raw, identity)) {
        ERR_clear_error();
        return fail(Code::invalid, "the TLS key does not belong to the certificate");
    }
    if (!ask_clients(raw, client)) {
        ERR_clear_error();
        return fail(Code::invalid, "OpenSSL refused the certificate authorities of clients");
    }
    return context;
}

}  // namespace vouchsafe::net
