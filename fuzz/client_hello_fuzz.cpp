// The name that a TLS client asks for at an entrance of the front door: the same whether its bytes
// come at once or one by one, a host name in lower case, and one that is served if the handshake
// comes as far as a certificate.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <cstdlib>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/net/target.h"
#include "vouchsafe/net/tls_context.h"

using namespace vouchsafe;

namespace {

bool is_served(const std::string& name) {
    return name == "login.example.org" || name.ends_with(".vault.example.org");
}

SSL_CTX* context() {
    static const net::ServesName serves = is_served;
    static const net::SslContext made = MUST(net::make_naming_context(&serves));
    return made.get();
}

// asked feeds `step` bytes at a time and returns what was asked for, as text.
std::string asked(std::string_view text, size_t step) {
    std::unique_ptr<SSL, void (*)(SSL*)> tls(SSL_new(context()), SSL_free);
    BIO* in = BIO_new(BIO_s_mem());
    SSL_set_bio(tls.get(), in, BIO_new(BIO_s_mem()));
    int state = SSL_ERROR_WANT_READ;
    while (!text.empty() && state == SSL_ERROR_WANT_READ) {
        std::string_view piece = text.substr(0, step);
        BIO_write(in, piece.data(), static_cast<int>(piece.size()));
        text.remove_prefix(piece.size());
        ERR_clear_error();
        state = SSL_get_error(tls.get(), SSL_accept(tls.get()));
    }
    if (state == SSL_ERROR_NONE) std::abort();  // it has no certificate
    const bool stopped = net::wants_identity(tls.get());
    std::optional<std::string> name = net::asked_name(tls.get());
    if (stopped && (!name || !is_served(*name))) std::abort();
    if (name && MUST(net::parse_authority(*name)).host != *name) std::abort();
    return name.value_or("none") + (stopped ? " stopped" : "");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    if (asked(text, size) != asked(text, 1)) std::abort();
    return 0;
}
