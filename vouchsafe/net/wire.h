// HTTP/1.x on the wire: requests from bytes, responses to bytes. Private to net/ and its fuzzers.
// wire.cpp is the only file that sees Beast.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

struct WireLimits {
    size_t max_header = 16 << 10;  // bytes of request line and headers, up to the empty line
    size_t max_body = 1 << 20;     // bytes
    // Whether CONNECT is taken, as a proxy does: its target is host:port (RFC 9112, 3.2.3) and
    // becomes Request::host, in lower case; path and query are empty, and it has no content.
    bool connect = false;
};

// RequestParser takes one request (RFC 9112) from input that arrives in pieces. It refuses what two
// readers could understand differently: Content-Length beside Transfer-Encoding, codings other than
// chunked, no Host or several. Trailers are dropped.
class RequestParser {
  public:
    enum class Progress {
        more,            // wants more input
        wants_continue,  // the client waits for "100 Continue" before it sends the body; once
        done,            // take() has the request
        refused,         // refusal() is the answer; what follows on the connection is meaningless
    };

    explicit RequestParser(const WireLimits& limits);
    ~RequestParser();

    // feed removes from the front of `input` what it could use. After `done` the rest belongs to
    // the next request.
    Progress feed(std::string& input);

    Request take();  // after done; without remote, tls and params
    const Response& refusal() const;
    const Headers& headers() const;  // those that were read, also of a request that is refused
    bool keep_alive() const;         // after done: the client wants to send more
    bool http_1_0() const;           // after done
    bool is_connect() const;         // after done

    struct Impl;

  private:
    std::unique_ptr<Impl> impl_;
};

struct ResponseForm {
    bool head = false;  // leave the body out, keep its length
    bool keep_alive = true;
    bool http_1_0 = false;
    // The reason phrase instead of the status's own: of a proxy's refusal, clients show nothing
    // else. One line of plain text.
    std::string reason = {};
};

// encode_response sets Content-Length and Connection itself. A response with headers that cannot be
// written (line breaks, bad names) or a status outside 200..599 is Code::internal.
Result<std::string> encode_response(const Response& response, const ResponseForm& form);

inline constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

// is_header_name and is_header_value are RFC 9110, 5.1 and 5.5, without obs-text in names.
bool is_header_name(std::string_view text);
bool is_header_value(std::string_view text);

}  // namespace vouchsafe::net
