// TLS on a socket that does not block: OpenSSL reads from the socket and writes to it itself, a
// record with one call. Private to net/.
#pragma once

#include <memory>
#include <string>

#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

// Io is how far a step came that reads or writes as much as goes without waiting.
enum class Io {
    done,
    wants_read,   // go on when the socket can be read
    wants_write,  // go on when it can be written to
    over,         // the peer is gone, or what it says makes no sense
};

struct SslFree {
    void operator()(ssl_st* stream) const;
};

// TlsStream is the server's end, of one thread at a time.
class TlsStream {
  public:
    // Borrows the socket.
    TlsStream(ssl_ctx_st* context, int socket);
    TlsStream(const TlsStream&) = delete;
    TlsStream& operator=(const TlsStream&) = delete;

    // shake is the handshake. Over also where it stops for an identity (make_naming_context); it
    // goes on after use_identity.
    Io shake();
    // read appends to `to` what is there, of one record at most. A step reads so many bytes from
    // the socket at most: then it wants to read on, though more may be there.
    Io read(std::string& to);
    // write sends `what` from `sent` on, which says afterwards how far it came.
    Io write(std::string_view what, size_t& sent);
    // has_more tells whether something may be read that has left the socket already.
    bool has_more() const;
    // say_farewell tells the peer that nothing follows, if that goes without waiting.
    void say_farewell();

    ssl_st* handle() const { return stream_.get(); }

    // Wire is what OpenSSL reads from and writes to. Private to tls_stream.cpp.
    struct Wire {
        int socket = -1;
        size_t left = 0;  // bytes that this step may still read
    };

  private:
    ssl_st* begin_step();

    Wire wire_;
    std::unique_ptr<ssl_st, SslFree> stream_;
};

}  // namespace vouchsafe::net
