// HTTP messages as plain values: what handlers and clients see. Standard headers only.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::crypto {
class Certificate;
}

namespace vouchsafe::net {

class Pending;

// Headers keep their order; names compare without case.
class Headers {
  public:
    void set(std::string_view name, std::string value);  // replaces
    void add(std::string_view name, std::string value);
    const std::string* find(std::string_view name) const;  // the first, or nullptr
    std::string get(std::string_view name) const;          // the first, or ""
    size_t count(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& all() const { return all_; }

  private:
    std::vector<std::pair<std::string, std::string>> all_;
};

// Request as a server's handler gets it.
struct Request {
    std::string method;  // upper case
    std::string target;  // as sent: "/keys/k//release?api%2Dversion=7.4"
    // Decoded path segments without empty ones (azure-api 0.2), and decoded query parameters in
    // order of arrival (names are percent-decoded too, 0.1).
    std::vector<std::string> path;
    std::vector<std::pair<std::string, std::string>> query;
    std::string host;  // Host header, with port if sent
    Headers headers;
    std::string body;
    std::string remote;  // peer's address
    bool tls = false;
    // The client's certificate, verified up to ServerOptions::client_authorities when the
    // connection began; nullptr: it showed none, or was not asked.
    std::shared_ptr<const crypto::Certificate> client_certificate = nullptr;
    std::map<std::string, std::string> params;  // filled by the router: "{name}" -> value
    bool may_pend = false;  // who asks takes a Response::pending, and keeps the request until then

    const std::string* query_value(std::string_view name) const;  // without case; the first
    size_t query_count(std::string_view name) const;
};

struct Response {
    int status = 200;
    Headers headers = {};
    std::string body = {};
    // The answer is not there yet (pending.h), and the rest says nothing. Only where may_pend is.
    std::shared_ptr<Pending> pending = nullptr;
};

Response json_response(int status, const Json& body);
Response text_response(int status, std::string body, std::string_view content_type = "text/plain");

// error_response is Azure's envelope {"error":{"code","message","innererror"?}} (azure-api 0.9).
Response error_response(int status, std::string_view code, std::string_view message,
                        std::string_view inner_code = "");

}  // namespace vouchsafe::net
