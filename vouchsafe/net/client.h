// An HTTP client over libcurl: TLS verified always, no redirects, bounded answers.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

struct ClientOptions {
    // PEM certificates to trust instead of the system's store; empty: the system's store.
    std::string ca_pem = {};
    // connect_to sends connections for "host:port" to another "host:port" (curl's --connect-to),
    // past any proxy. TLS still verifies the name in the URL. A lab's services live on loopback
    // under Azure's names.
    std::map<std::string, std::string> connect_to = {};
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds timeout{30000};
    size_t max_answer = 4 << 20;  // bytes of body
    bool use_proxy = true;        // honour the proxy variables; metadata requests never do
};

struct ClientRequest {
    std::string method = "GET";
    std::string url = {};  // http or https
    Headers headers = {};
    std::string body = {};
    // bearer becomes "Authorization: Bearer ...". Refused for http URLs, as is an Authorization
    // header among `headers`. Borrowed.
    const SecretBytes* bearer = nullptr;
};

struct ClientResponse {
    int status = 0;
    Headers headers;
    std::string body;
};

// Client keeps connections open between requests. Thread-safe (requests of one client are
// serialised).
class Client {
  public:
    explicit Client(ClientOptions options);
    ~Client();
    Client(Client&&) noexcept;
    Client& operator=(Client&&) noexcept;

    // send fails with Code::unavailable if no answer came, with a sentence that says why and what
    // to do, and with Code::invalid for a bad request or an answer over the limit. Any status is a
    // success here; redirects are not followed. TLS 1.2 at least.
    Result<ClientResponse> send(const ClientRequest& request);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

// Url is what the services need of one: https://host[:port]/path?query, nothing else of RFC 3986.
struct Url {
    std::string scheme;  // lower case
    std::string host;    // lower case, without port; an IPv6 literal keeps its brackets
    uint16_t port = 0;   // 443 or 80 if absent
    std::string target;  // path and query as written, at least "/"

    // parse fails with Code::invalid: other schemes, user names, fragments, ports outside 1..65535,
    // names that are no host names, and characters that must be percent-encoded are refused.
    static Result<Url> parse(std::string_view text);
    std::string origin() const;  // "https://host" with a non-default port
};

}  // namespace vouchsafe::net
