#include "vouchsafe/net/client.h"

#include <curl/curl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>

#include "vouchsafe/base/blocking.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/net/wire.h"

namespace vouchsafe::net {

namespace {

constexpr size_t kMaxAnswerHeader = 256 << 10;  // bytes of all header lines together

struct EasyFree {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;

// List is a curl_slist that wipes its texts: one of them may be a token.
class List {
  public:
    List() = default;
    ~List() {
        for (curl_slist* item = head_; item != nullptr; item = item->next) {
            wipe({reinterpret_cast<uint8_t*>(item->data), std::strlen(item->data)});
        }
        curl_slist_free_all(head_);
    }
    List(const List&) = delete;
    List& operator=(const List&) = delete;

    void add(const char* text) {
        curl_slist* longer = curl_slist_append(head_, text);
        if (longer == nullptr) throw std::bad_alloc();
        head_ = longer;
    }
    void add(const std::string& text) { add(text.c_str()); }
    curl_slist* get() const { return head_; }

  private:
    curl_slist* head_ = nullptr;
};

CURLcode perform(CURL* easy) {
    const Blocking blocking;
    return curl_easy_perform(easy);
}

// Answer collects what curl hands over, up to its limits.
struct Answer {
    ClientResponse response;
    size_t max_body = 0;
    size_t header_size = 0;
    bool too_long = false;
};

// take_body and take_header are curl's callbacks: any return value but the size ends the transfer.
size_t take_body(char* data, size_t, size_t size, void* context) {
    auto* answer = static_cast<Answer*>(context);
    if (size > answer->max_body - answer->response.body.size()) {
        answer->too_long = true;
        return 0;
    }
    answer->response.body.append(data, size);
    return size;
}

std::string_view trimmed(std::string_view text) {
    size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

size_t take_header(char* data, size_t, size_t size, void* context) {
    auto* answer = static_cast<Answer*>(context);
    answer->header_size += size;
    if (answer->header_size > kMaxAnswerHeader) {
        answer->too_long = true;
        return 0;
    }
    std::string_view line(data, size);
    if (line.starts_with("HTTP/")) answer->response.headers = {};  // what came before was a 1xx
    size_t colon = line.find(':');
    if (colon != std::string_view::npos && !line.starts_with("HTTP/")) {
        answer->response.headers.add(trimmed(line.substr(0, colon)),
                                     std::string(trimmed(line.substr(colon + 1))));
    }
    return size;
}

Result<void> check_request(const ClientRequest& request, const Url& url) {
    bool plain = url.scheme != "https";
    if (plain && (request.bearer != nullptr || request.headers.find("Authorization") != nullptr)) {
        return fail(Code::invalid, "a token is only sent over https, not to {}", url.origin());
    }
    bool upper =
        !request.method.empty() && std::all_of(request.method.begin(), request.method.end(),
                                               [](char c) { return c >= 'A' && c <= 'Z'; });
    if (!upper) return fail(Code::invalid, "the method must be capital letters");
    for (const auto& [name, value] : request.headers.all()) {
        if (!is_header_name(name) || !is_header_value(value)) {
            return fail(Code::invalid, "a request header has characters that cannot be sent");
        }
    }
    if (request.bearer != nullptr && !is_header_value(request.bearer->expose_text())) {
        return fail(Code::invalid, "the token has characters that cannot be sent");
    }
    return {};
}

void add_headers(const ClientRequest& request, List& list) {
    for (const auto& [name, value] : request.headers.all()) {
        // curl's way to write a header without a value is ';'.
        list.add(value.empty() ? name + ";" : name + ": " + value);
    }
    list.add("Expect:");  // never wait for 100-continue
    if (request.headers.find("Content-Type") == nullptr) list.add("Content-Type:");
    if (request.bearer == nullptr) return;
    constexpr std::string_view kPrefix = "Authorization: Bearer ";
    ByteView token = request.bearer->expose();
    SecretBytes line(kPrefix.size() + token.size() + 1);  // ends with NUL
    MutableByteView out = line.expose_mutable();
    std::copy(kPrefix.begin(), kPrefix.end(), out.begin());
    std::copy(token.begin(), token.end(), out.begin() + kPrefix.size());
    list.add(reinterpret_cast<const char*>(line.expose().data()));
}

tl::unexpected<Error> tls_error(CURL* easy, const std::string& origin) {
    long verdict = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &verdict);
    // The name is checked after the chain; until it holds curl keeps "unspecified" as the verdict.
    if (verdict == X509_V_OK || verdict == X509_V_ERR_UNSPECIFIED) {
        return fail(Code::unavailable,
                    "{}: the server's certificate is for another name: check the URL, and whether "
                    "another service answers there",
                    origin);
    }
    return fail(Code::unavailable,
                "{}: the server's certificate is not trusted here ({}): check the authority's "
                "certificate and the clock",
                origin, X509_verify_cert_error_string(verdict));
}

tl::unexpected<Error> transfer_error(CURLcode code, CURL* easy, const Url& url) {
    std::string origin = url.origin();
    switch (code) {
        case CURLE_COULDNT_RESOLVE_HOST:
            return fail(Code::unavailable, "{}: the name {} is not known: check it, and the DNS",
                        origin, url.host);
        case CURLE_COULDNT_RESOLVE_PROXY:
            return fail(Code::unavailable,
                        "{}: the proxy's name is not known: check the proxy variables", origin);
        case CURLE_COULDNT_CONNECT:
            return fail(Code::unavailable,
                        "{}: nothing answers there: check that the service runs and the port",
                        origin);
        case CURLE_OPERATION_TIMEDOUT:
            return fail(Code::unavailable, "{}: no answer in time: try again later", origin);
        case CURLE_PEER_FAILED_VERIFICATION:
            return tls_error(easy, origin);
        case CURLE_SSL_CONNECT_ERROR:
            return fail(
                Code::unavailable,
                "{}: no TLS 1.2 or 1.3 could be agreed on: does the server speak https there?",
                origin);
        case CURLE_SSL_CACERT_BADFILE:
            return fail(Code::invalid, "{}: the trusted certificates cannot be read as PEM",
                        origin);
        case CURLE_GOT_NOTHING:
        case CURLE_RECV_ERROR:
        case CURLE_SEND_ERROR:
        case CURLE_PARTIAL_FILE:
            return fail(Code::unavailable,
                        "{}: the connection ended before the whole answer was there", origin);
        default:
            return fail(Code::unavailable, "{}: no answer: {}", origin, curl_easy_strerror(code));
    }
}

}  // namespace

struct Client::Impl {
    explicit Impl(ClientOptions wanted) : options(std::move(wanted)), easy(make_easy()) {
        for (const auto& [from, to] : options.connect_to) {
            connect_to.add(from + ":" + to);
            redirected.insert(to_lower(from));
        }
    }

    static CURL* make_easy() {
        static const CURLcode initialised = curl_global_init(CURL_GLOBAL_DEFAULT);
        CURL* made = initialised == CURLE_OK ? curl_easy_init() : nullptr;
        if (made == nullptr) throw std::bad_alloc();
        return made;
    }

    template <typename T>
    void set(CURLoption option, T value) {
        CURLcode code = curl_easy_setopt(easy.get(), option, value);
        if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
        // Anything else is a curl built without what we need: never go on with a check unset.
        if (code != CURLE_OK) {
            MUST(Result<void>(fail(Code::internal, "libcurl does not know option {}: {}",
                                   static_cast<int>(option), curl_easy_strerror(code))));
        }
    }

    void set_connection(const Url& url);
    void set_tls();
    void set_message(const ClientRequest& request);
    Result<ClientResponse> send(const ClientRequest& request);

    const ClientOptions options;
    List connect_to;
    std::set<std::string> redirected;  // keys of connect_to, lower case
    Easy easy;
    std::mutex mutex;
};

void Client::Impl::set_connection(const Url& url) {
    set(CURLOPT_URL, (url.origin() + url.target).c_str());
    set(CURLOPT_PATH_AS_IS, 1L);
    set(CURLOPT_PROTOCOLS_STR, "http,https");
    set(CURLOPT_FOLLOWLOCATION, 0L);
    set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(CURLOPT_NOSIGNAL, 1L);
    set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options.connect_timeout.count()));
    set(CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
    set(CURLOPT_CONNECT_TO, connect_to.get());
    if (!options.use_proxy || redirected.contains(fmt::format("{}:{}", url.host, url.port))) {
        set(CURLOPT_PROXY, "");
        set(CURLOPT_NOPROXY, "*");
    }
    set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
}

void Client::Impl::set_tls() {
    set(CURLOPT_SSL_VERIFYPEER, 1L);
    set(CURLOPT_SSL_VERIFYHOST, 2L);
    set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
    if (options.ca_pem.empty()) return;
    curl_blob blob{const_cast<char*>(options.ca_pem.data()), options.ca_pem.size(), CURL_BLOB_COPY};
    set(CURLOPT_CAINFO_BLOB, &blob);
    // curl would still trust the system's folder beside the blob.
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
}

void Client::Impl::set_message(const ClientRequest& request) {
    set(CURLOPT_USERAGENT, "vouchsafe");
    bool body = !request.body.empty() || request.method == "POST" || request.method == "PUT" ||
                request.method == "PATCH";
    if (request.method == "HEAD") {
        set(CURLOPT_NOBODY, 1L);
    } else if (body) {
        set(CURLOPT_POST, 1L);
        set(CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
        set(CURLOPT_POSTFIELDS, request.body.data());
    }
    set(CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

Result<ClientResponse> Client::Impl::send(const ClientRequest& request) {
    Url url = TRY(Url::parse(request.url));
    TRY(check_request(request, url));
    std::lock_guard lock(mutex);
    curl_easy_reset(easy.get());  // keeps connections and TLS sessions
    set_connection(url);
    set_tls();
    set_message(request);
    List headers;
    add_headers(request, headers);
    set(CURLOPT_HTTPHEADER, headers.get());
    Answer answer;
    answer.max_body = options.max_answer;
    set(CURLOPT_WRITEFUNCTION, &take_body);
    set(CURLOPT_WRITEDATA, &answer);
    set(CURLOPT_HEADERFUNCTION, &take_header);
    set(CURLOPT_HEADERDATA, &answer);
    CURLcode code = perform(easy.get());
    if (answer.too_long) {
        return fail(Code::invalid, "{}: the answer is longer than the limit of {} bytes",
                    url.origin(), options.max_answer);
    }
    if (code != CURLE_OK) return transfer_error(code, easy.get(), url);
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    answer.response.status = static_cast<int>(status);
    return std::move(answer.response);
}

Client::Client(ClientOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<ClientResponse> Client::send(const ClientRequest& request) {
    return impl_->send(request);
}

}  // namespace vouchsafe::net
