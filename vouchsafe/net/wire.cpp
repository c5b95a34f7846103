#include "vouchsafe/net/wire.h"

// Boost 1.74 and GCC 12 need <utility> before the first Asio header.
#include <utility>

#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::net {

namespace http = boost::beast::http;

namespace {

// A full name may end with the root's dot, and means the same (RFC 3986, 3.2.2).
void drop_root_dot(std::string& authority) {
    size_t end = std::min(authority.rfind(':'), authority.size());
    if (end > 1 && authority[end - 1] == '.') authority.erase(end - 1, 1);
}

constexpr size_t kLastChunkSize = 5;    // "0", CRLF, CRLF (RFC 9112, 7.1)
constexpr size_t kReserve = 256 << 10;  // of an announced body; more only as it arrives

// coded_refusal says its codes as the services do: to Azure's clients, and which check it was.
Response coded_refusal(int status, std::string_view code, std::string_view message) {
    constexpr std::string_view kCheck = "HTTP-REQUEST";
    Response response = error_response(status, code, message, kCheck);
    response.headers.set("x-ms-error-code", std::string(code));
    response.headers.set("x-vouchsafe-check", std::string(kCheck));
    return response;
}

Response refusal_response(int status) {
    switch (status) {
        case 413:
            return coded_refusal(status, "RequestEntityTooLarge", "The request body is too long.");
        case 417:
            return coded_refusal(status, "ExpectationFailed", "Only 100-continue can be expected.");
        case 431:
            return coded_refusal(status, "RequestHeaderFieldsTooLarge",
                                 "The request's headers are too long.");
        case 501:
            return coded_refusal(status, "NotImplemented",
                                 "The method or transfer coding is not known.");
        default:
            return coded_refusal(400, "BadRequest", "The request is not valid HTTP.");
    }
}

std::string_view reason_phrase(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 201:
            return "Created";
        case 202:
            return "Accepted";
        case 204:
            return "No Content";
        case 301:
            return "Moved Permanently";
        case 302:
            return "Found";
        case 303:
            return "See Other";
        case 304:
            return "Not Modified";
        case 307:
            return "Temporary Redirect";
        case 400:
            return "Bad Request";
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 410:
            return "Gone";
        case 412:
            return "Precondition Failed";
        case 413:
            return "Content Too Large";
        case 415:
            return "Unsupported Media Type";
        case 417:
            return "Expectation Failed";
        case 421:
            return "Misdirected Request";
        case 429:
            return "Too Many Requests";
        case 431:
            return "Request Header Fields Too Large";
        case 500:
            return "Internal Server Error";
        case 501:
            return "Not Implemented";
        case 502:
            return "Bad Gateway";
        case 503:
            return "Service Unavailable";
        default:
            return "Status";
    }
}

bool has_body(int status) {
    return status != 204 && status != 304;
}

}  // namespace

bool is_header_name(std::string_view text) {
    constexpr std::string_view kToken =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";
    return !text.empty() && text.find_first_not_of(kToken) == std::string_view::npos;
}

bool is_header_value(std::string_view text) {
    return std::none_of(text.begin(), text.end(), [](char c) {
        auto byte = static_cast<uint8_t>(c);
        return (byte < ' ' && byte != '\t') || byte == 0x7f;
    });
}

// Impl is Beast's parser with our message as its destination, so none of Beast's containers are
// used.
struct RequestParser::Impl : http::basic_parser<true> {
    explicit Impl(const WireLimits& wanted) : limits(wanted) {
        // Ours is the limit that counts, over request line and headers together.
        header_limit(static_cast<uint32_t>(limits.max_header + kReserve));
        body_limit(limits.max_body);
        eager(false);
    }

    Progress feed(std::string& input);
    Progress refuse(int status);
    Progress refuse(boost::beast::error_code error);
    // check_header looks at the whole header; 0 or the status of the refusal.
    int check_header();
    int check_framing() const;
    int check_connect();

    // What Beast calls.
    void on_request_impl(http::verb, boost::string_view method, boost::string_view target,
                         int version, boost::beast::error_code&) override {
        request.method.assign(method.data(), method.size());
        request.target.assign(target.data(), target.size());
        old = version < 11;
    }
    void on_response_impl(int, boost::string_view, int, boost::beast::error_code&) override {}
    void on_field_impl(http::field, boost::string_view name, boost::string_view value,
                       boost::beast::error_code&) override {
        if (header_done) return;  // a trailer
        request.headers.add({name.data(), name.size()}, {value.data(), value.size()});
    }
    void on_header_impl(boost::beast::error_code&) override { header_done = true; }
    void on_body_init_impl(const boost::optional<uint64_t>& length,
                           boost::beast::error_code&) override {
        if (length) request.body.reserve(std::min<size_t>(*length, kReserve));
    }
    size_t on_body_impl(boost::string_view body, boost::beast::error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_chunk_header_impl(uint64_t, boost::string_view, boost::beast::error_code&) override {}
    size_t on_chunk_body_impl(uint64_t, boost::string_view body,
                              boost::beast::error_code&) override {
        request.body.append(body.data(), body.size());
        return body.size();
    }
    void on_finish_impl(boost::beast::error_code&) override {}

    const WireLimits limits;
    size_t header_size = 0;  // consumed so far
    bool header_done = false;
    bool header_checked = false;
    bool continue_wanted = false;
    bool old = false;  // HTTP/1.0
    Request request;
    Response refusal;
};

RequestParser::Progress RequestParser::Impl::refuse(int status) {
    refusal = refusal_response(status);
    return Progress::refused;
}

RequestParser::Progress RequestParser::Impl::refuse(boost::beast::error_code error) {
    if (error == http::error::body_limit) return refuse(413);
    if (error == http::error::header_limit) return refuse(431);
    return refuse(400);
}

int RequestParser::Impl::check_framing() const {
    size_t codings = request.headers.count("Transfer-Encoding");
    if (codings == 0) return 0;
    if (old || request.headers.count("Content-Length") != 0) return 400;
    if (codings > 1) return 400;
    return equal_ignore_case(request.headers.get("Transfer-Encoding"), "chunked") ? 0 : 501;
}

// A Host header says nothing here: RFC 9112, 3.2.3. Old clients send none.
int RequestParser::Impl::check_connect() {
    std::string length = request.headers.get("Content-Length");
    bool content =
        request.headers.count("Transfer-Encoding") != 0 || (length != "" && length != "0");
    Result<Authority> authority = parse_authority(request.target);
    if (content || !authority || !authority->port) return 400;
    request.host = fmt::format("{}:{}", authority->host, *authority->port);
    return 0;
}

int RequestParser::Impl::check_header() {
    if (int status = check_framing()) return status;
    bool upper = std::none_of(request.method.begin(), request.method.end(),
                              [](char c) { return c >= 'a' && c <= 'z'; });
    if (!upper) return 501;
    if (limits.connect && request.method == "CONNECT") return check_connect();
    size_t hosts = request.headers.count("Host");
    if (hosts > 1 || (hosts == 0 && !old)) return 400;
    request.host = request.headers.get("Host");
    drop_root_dot(request.host);
    if (!request.host.empty() && !parse_authority(request.host)) return 400;
    Result<Target> target = net::parse_target(request.target);
    if (!target) return 400;
    if (!target->authority.empty()) request.host = std::move(target->authority);
    request.path = std::move(target->path);
    request.query = std::move(target->query);
    if (const std::string* expected = request.headers.find("Expect"); expected != nullptr && !old) {
        if (!equal_ignore_case(*expected, "100-continue")) return 417;
        continue_wanted = true;
    }
    return 0;
}

RequestParser::Progress RequestParser::Impl::feed(std::string& input) {
    while (!is_done()) {
        // What is left of a chunked body ends with the five bytes of its last chunk. Beast, which
        // takes those together, asserts that it is not asked again before they are all there.
        if (header_checked && chunked() && input.size() < kLastChunkSize) return Progress::more;
        boost::beast::error_code error;
        size_t used = put(boost::asio::const_buffer(input.data(), input.size()), error);
        if (!header_checked) {
            header_size += used;
            size_t known = header_size + (header_done ? 0 : input.size() - used);
            if (known > limits.max_header) return refuse(431);
        }
        input.erase(0, used);
        if (error && error != http::error::need_more) return refuse(error);
        if (header_done && !header_checked) {
            header_checked = true;
            if (int status = check_header()) return refuse(status);
            eager(true);
            if (continue_wanted && input.empty() && !is_done()) return Progress::wants_continue;
            continue;
        }
        if (error || input.empty()) {
            // Only a chunk's header or the trailers wait here for more.
            if (header_done && input.size() > limits.max_header) return refuse(431);
            if (!is_done()) return Progress::more;
        }
    }
    return Progress::done;
}

RequestParser::RequestParser(const WireLimits& limits) : impl_(std::make_unique<Impl>(limits)) {}
RequestParser::~RequestParser() = default;

RequestParser::Progress RequestParser::feed(std::string& input) {
    return impl_->feed(input);
}
Request RequestParser::take() {
    return std::move(impl_->request);
}
const Response& RequestParser::refusal() const {
    return impl_->refusal;
}
const Headers& RequestParser::headers() const {
    return impl_->request.headers;
}
bool RequestParser::keep_alive() const {
    return impl_->keep_alive();
}
bool RequestParser::http_1_0() const {
    return impl_->old;
}

bool RequestParser::is_connect() const {
    return impl_->limits.connect && impl_->request.method == "CONNECT";
}

Result<std::string> encode_response(const Response& response, const ResponseForm& form) {
    if (response.status < 200 || response.status > 599) {
        return fail(Code::internal, "{} is no final status", response.status);
    }
    if (!is_header_value(form.reason)) {
        return fail(Code::internal, "a reason phrase cannot be written");
    }
    std::string_view reason =
        form.reason.empty() ? reason_phrase(response.status) : std::string_view(form.reason);
    std::string out = fmt::format("HTTP/1.1 {} {}\r\n", response.status, reason);
    for (const auto& [name, value] : response.headers.all()) {
        if (!is_header_name(name) || !is_header_value(value)) {
            return fail(Code::internal, "a response header cannot be written");
        }
        if (equal_ignore_case(name, "Content-Length") || equal_ignore_case(name, "Connection") ||
            equal_ignore_case(name, "Transfer-Encoding")) {
            continue;
        }
        out += fmt::format("{}: {}\r\n", name, value);
    }
    if (has_body(response.status))
        out += fmt::format("Content-Length: {}\r\n", response.body.size());
    if (!form.keep_alive) out += "Connection: close\r\n";
    if (form.keep_alive && form.http_1_0) out += "Connection: keep-alive\r\n";
    out += "\r\n";
    if (has_body(response.status) && !form.head) out += response.body;
    return out;
}

}  // namespace vouchsafe::net
