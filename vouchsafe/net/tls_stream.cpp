#include "vouchsafe/net/tls_stream.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <new>

namespace vouchsafe::net {

namespace {

// Bytes that one step may read from the socket: records of which nothing comes, as those that
// change keys, could keep it busy for ever.
constexpr size_t kStepBytes = 64 << 10;

using Wire = TlsStream::Wire;

Wire& wire_of(BIO* bio) {
    return *static_cast<Wire*>(BIO_get_data(bio));
}

// An end of the stream is an error like others here: else OpenSSL sends an alert to who hung up.
int read_wire(BIO* bio, char* data, int size) {
    Wire& wire = wire_of(bio);
    BIO_clear_retry_flags(bio);
    const size_t most = std::min(static_cast<size_t>(size), wire.left);
    const ssize_t count = most == 0 ? -1 : ::recv(wire.socket, data, most, 0);
    if (count < 0 && (most == 0 || errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    if (count <= 0) return -1;
    wire.left -= static_cast<size_t>(count);
    return static_cast<int>(count);
}

int write_wire(BIO* bio, const char* data, int size) {
    BIO_clear_retry_flags(bio);
    const ssize_t sent = ::send(wire_of(bio).socket, data, static_cast<size_t>(size), MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

long control_wire(BIO*, int command, long, void*) {
    return command == BIO_CTRL_FLUSH ? 1 : 0;  // there is nothing to flush
}

// make_method is for a BIO as OpenSSL's own for sockets, which raises SIGPIPE.
BIO_METHOD* make_method() {
    BIO_METHOD* own = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "wire");
    const bool ok = own != nullptr && BIO_meth_set_write(own, write_wire) == 1 &&
                    BIO_meth_set_read(own, read_wire) == 1 &&
                    BIO_meth_set_ctrl(own, control_wire) == 1;
    if (!ok) throw std::bad_alloc();
    return own;
}

BIO* make_bio(Wire* wire) {
    static const BIO_METHOD* const method = make_method();
    BIO* bio = BIO_new(method);
    if (bio == nullptr) throw std::bad_alloc();
    BIO_set_data(bio, wire);
    BIO_set_init(bio, 1);
    return bio;
}

// judge says what a call of OpenSSL that returned `result` came to.
Io judge(const SSL* stream, int result) {
    if (result > 0) return Io::done;
    const int error = SSL_get_error(stream, result);
    if (error == SSL_ERROR_WANT_READ) return Io::wants_read;
    if (error == SSL_ERROR_WANT_WRITE) return Io::wants_write;
    return Io::over;
}

}  // namespace

void SslFree::operator()(ssl_st* stream) const {
    SSL_free(stream);
}

TlsStream::TlsStream(ssl_ctx_st* context, int socket)
    : wire_{.socket = socket}, stream_(SSL_new(context)) {
    if (!stream_) throw std::bad_alloc();
    BIO* bio = make_bio(&wire_);
    SSL_set_bio(stream_.get(), bio, bio);
    SSL_set_accept_state(stream_.get());
}

// begin_step: SSL_get_error looks at the queue of errors too, and handlers use the same thread. To
// look whether it is empty takes less than to empty it.
ssl_st* TlsStream::begin_step() {
    if (ERR_peek_error() != 0) ERR_clear_error();
    wire_.left = kStepBytes;
    return stream_.get();
}

Io TlsStream::shake() {
    SSL* stream = begin_step();
    return judge(stream, SSL_do_handshake(stream));
}

Io TlsStream::read(std::string& to) {
    SSL* stream = begin_step();
    std::array<char, SSL3_RT_MAX_PLAIN_LENGTH> chunk;
    const int count = SSL_read(stream, chunk.data(), static_cast<int>(chunk.size()));
    if (count > 0) to.append(chunk.data(), static_cast<size_t>(count));
    return judge(stream, count);
}

Io TlsStream::write(std::string_view what, size_t& sent) {
    if (what.size() == sent) return Io::done;
    SSL* stream = begin_step();
    size_t count = 0;
    const int written = SSL_write_ex(stream, what.data() + sent, what.size() - sent, &count);
    sent += count;
    return judge(stream, written);
}

bool TlsStream::has_more() const {
    return SSL_has_pending(stream_.get()) == 1;
}

void TlsStream::say_farewell() {
    SSL_shutdown(begin_step());
}

}  // namespace vouchsafe::net
