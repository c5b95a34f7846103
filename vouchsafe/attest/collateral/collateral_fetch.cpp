#include "vouchsafe/attest/collateral/collateral_fetch.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

using Kind = CollateralName::Kind;

namespace {

bool is_this_machine(std::string_view host) {
    return host == "localhost" || host == "127.0.0.1" || host == "[::1]";
}

Result<void> check_url(const std::string& text) {
    if (text.empty()) return {};
    net::Url url = TRY(net::Url::parse(text));
    if (url.scheme != "https" && !is_this_machine(url.host)) {
        return fail(Code::invalid, "{} is not https", text);
    }
    if (text.find('?') != std::string::npos) return fail(Code::invalid, "{} has a query", text);
    return {};
}

std::string root_crl_url(const CollateralConfig& config) {
    if (!config.root_crl_url.empty()) return config.root_crl_url;
    std::string pcs = normalize_url(config.pcs_url);
    if (pcs.empty()) return "";
    return pcs == kIntelPcs ? kIntelRootCrl : pcs + "/sgx/certification/v4/rootcacrl";
}

std::string_view tee_path(evidence::IntelTee tee) {
    return tee == evidence::IntelTee::sgx ? "sgx" : "tdx";
}

// What follows the base URL.
std::string path_of(const CollateralName& name) {
    switch (name.kind) {
        case Kind::amd_vcek_crl:
            return fmt::format("/vcek/v1/{}/crl", evidence::product_name(name.product));
        case Kind::amd_vlek_crl:
            return fmt::format("/vlek/v1/{}/crl", evidence::product_name(name.product));
        case Kind::pck_crl:
            return fmt::format("/sgx/certification/v4/pckcrl?ca={}&encoding=der",
                               pck_ca_name(name.ca));
        case Kind::tcb_info:
            return fmt::format("/{}/certification/v4/tcb?fmspc={}", tee_path(name.tee),
                               encode_hex(name.fmspc));
        case Kind::qe_identity:
        case Kind::root_crl:  // has a URL of its own
            break;
    }
    return fmt::format("/{}/certification/v4/qe/identity", tee_path(name.tee));
}

// The header with the signer's certificates (Intel PCS, API version 4).
const char* issuer_header(Kind kind) {
    if (kind == Kind::pck_crl) return "SGX-PCK-CRL-Issuer-Chain";
    return kind == Kind::tcb_info ? "TCB-Info-Issuer-Chain" : "SGX-Enclave-Identity-Issuer-Chain";
}

// bytes_of reads a list as it is, or written in hex, as a PCCS does.
Bytes bytes_of(const CollateralName& name, std::string_view body) {
    bool list = name.kind == Kind::root_crl || name.kind == Kind::pck_crl;
    auto digits = list ? decode_hex(body) : Result<Bytes>(fail(Code::invalid, "no list"));
    return digits ? std::move(*digits) : to_bytes(body);
}

Result<CollateralPiece> read_answer(const CollateralName& name, const std::string& url,
                                    const net::ClientResponse& answer, Time now) {
    CollateralPiece out{name, bytes_of(name, answer.body)};
    out.source = url;
    out.fetched = now;
    if (!name.has_issuer_chain()) return out;
    const std::string* chain = answer.headers.find(issuer_header(name.kind));
    if (chain == nullptr) {
        return fail(Code::unavailable, "{} came without {}", url, issuer_header(name.kind));
    }
    out.issuer_chain = TRY(with_context(decode_percent(*chain), issuer_header(name.kind)));
    return out;
}

Result<VerifiedPiece> judge_answer(const CollateralName& name, const std::string& url,
                                   const net::ClientResponse& answer, const PieceTerms& terms,
                                   Checks& checks) {
    CollateralPiece piece = TRY(read_answer(name, url, answer, terms.now));
    VerifiedPiece verified = TRY(verify_piece(std::move(piece), terms, checks));
    TRY(check_in_force(verified, terms.now, checks));
    return verified;
}

// parse_http_date reads "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
Result<Time> parse_http_date(std::string_view text) {
    constexpr std::string_view kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    if (text.size() != 29 || !text.ends_with(" GMT")) return fail(Code::invalid, "not a date");
    auto month = std::ranges::find(kMonths, text.substr(8, 3));
    if (month == std::end(kMonths)) return fail(Code::invalid, "not a month");
    return parse_rfc3339(fmt::format("{}-{:02}-{}T{}Z", text.substr(12, 4),
                                     month - std::begin(kMonths) + 1, text.substr(5, 2),
                                     text.substr(17, 8)));
}

}  // namespace

FetchUrl fetch_over(net::ClientOptions options, const CollateralConfig& config) {
    options.timeout = config.timeout;
    options.connect_timeout = std::min(options.connect_timeout, config.timeout);
    options.max_answer = 2 * kMaxCollateralBytes;  // in hex
    return [options](const std::string& url) -> Result<net::ClientResponse> {
        net::Client client(options);
        net::ClientRequest request;
        request.url = url;
        return client.send(request);
    };
}

Result<void> check_urls(const CollateralConfig& config) {
    TRY(check_url(config.kds_url));
    TRY(check_url(config.pcs_url));
    return check_url(config.root_crl_url);
}

std::string url_of(const CollateralName& name, const CollateralConfig& config) {
    if (name.kind == Kind::root_crl) return root_crl_url(config);
    std::string base = normalize_url(name.of_amd() ? config.kds_url : config.pcs_url);
    return base.empty() ? "" : base + path_of(name);
}

std::optional<Seconds> parse_retry_after(std::string_view text, Time now) {
    constexpr size_t kMaxDigits = 9;
    auto digit = [](char c) { return '0' <= c && c <= '9'; };
    if (!text.empty() && text.size() <= kMaxDigits && std::ranges::all_of(text, digit)) {
        unsigned seconds = 0;
        std::from_chars(text.data(), text.data() + text.size(), seconds);
        return Seconds(seconds);
    }
    auto date = parse_http_date(text);
    if (!date) return std::nullopt;
    return std::max(Seconds(0), *date - now);
}

FetchOutcome fetch_piece(const CollateralName& name, const CollateralConfig& config,
                         const FetchUrl& fetch, const PieceTerms& terms, Checks& checks) {
    constexpr int kTooMany = 429, kFirstServerError = 500;
    const std::string url = url_of(name, config);
    auto answer = fetch(url);
    if (!answer) return {fail(answer.error()), true};
    if (answer->status == 200) return {judge_answer(name, url, *answer, terms, checks)};
    FetchOutcome out{fail(Code::unavailable, "{} answered with status {}", url, answer->status)};
    out.whole_service = answer->status == kTooMany || answer->status >= kFirstServerError;
    if (const std::string* after = answer->headers.find("Retry-After")) {
        out.wait = parse_retry_after(*after, terms.now);
    }
    return out;
}

}  // namespace vouchsafe::attest
