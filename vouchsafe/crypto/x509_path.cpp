#include "vouchsafe/crypto/x509_path.h"

#include <openssl/x509_vfy.h>

#include "vouchsafe/crypto/openssl.h"

namespace vouchsafe::crypto {

namespace {

using Store = Handle<X509_STORE, X509_STORE_free>;
using StoreCtx = Handle<X509_STORE_CTX, X509_STORE_CTX_free>;

constexpr int kSecurityLevel = 2;  // SSL_CTX_set_security_level(3): 112 bits

void free_stack(STACK_OF(X509) * stack) {
    sk_X509_free(stack);  // the certificates in it are borrowed
}
using Stack = Handle<STACK_OF(X509), free_stack>;

void set_parameters(X509_STORE_CTX* ctx, PathPurpose purpose) {
    X509_VERIFY_PARAM* rules = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_auth_level(rules, kSecurityLevel);
    constexpr unsigned long kFlags = X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_NO_CHECK_TIME;
    expect(X509_VERIFY_PARAM_set_flags(rules, kFlags) == 1, "path flags");
    if (purpose == PathPurpose::any) return;
    expect(X509_VERIFY_PARAM_set_purpose(rules, X509_PURPOSE_SSL_SERVER) == 1, "path purpose");
}

// OpenSSL takes the last second of a certificate for one too late, where RFC 5280, 4.1.2.5 counts
// it in: so dates are compared here.
Result<void> check_dates(std::span<const Certificate> chain, const Certificate& anchor, Time time) {
    auto check = [&](const Certificate& cert) -> Result<void> {
        if (cert.valid_at(time)) return {};
        return fail(Code::expired, "{}: valid from {} to {} only", cert.subject(),
                    format_rfc3339(cert.not_before()), format_rfc3339(cert.not_after()));
    };
    for (const Certificate& cert : chain) TRY(check(cert));
    return check(anchor);
}

Error describe(X509_STORE_CTX* ctx, const Certificate& leaf) {
    int error = X509_STORE_CTX_get_error(ctx);
    X509* where = X509_STORE_CTX_get_current_cert(ctx);
    std::string name = leaf.subject();
    if (where != nullptr && X509_up_ref(where) == 1) {
        name = Certificate(std::shared_ptr<X509>(where, X509_free)).subject();
    }
    return {
        Code::bad_evidence, fmt::format("{}: {}", name, X509_verify_cert_error_string(error)), {}};
}

}  // namespace

Result<void> verify_path(std::span<const Certificate> chain, const Certificate& anchor, Time time,
                         PathPurpose purpose) {
    ErrorScope errors;
    TRY(check_dates(chain, anchor, time));
    Store store(X509_STORE_new());
    StoreCtx ctx(X509_STORE_CTX_new());
    Stack between(sk_X509_new_null());
    expect(store && ctx && between && !chain.empty(), "path validation");
    expect(X509_STORE_add_cert(store.get(), anchor.handle()) == 1, "X509_STORE_add_cert");
    for (const Certificate& cert : chain.subspan(1)) {
        expect(sk_X509_push(between.get(), cert.handle()) > 0, "sk_X509_push");
    }
    expect(X509_STORE_CTX_init(ctx.get(), store.get(), chain.front().handle(), between.get()) == 1,
           "X509_STORE_CTX_init");
    set_parameters(ctx.get(), purpose);
    if (X509_verify_cert(ctx.get()) != 1) return fail(describe(ctx.get(), chain.front()));
    return {};
}

}  // namespace vouchsafe::crypto
