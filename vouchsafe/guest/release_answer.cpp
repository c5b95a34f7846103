#include "vouchsafe/guest/release_answer.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::guest {

namespace {

constexpr size_t kMaxChain = 8;

// name_matches is RFC 6125, 6.4.3: a wildcard takes the whole first label and nothing else.
bool name_matches(std::string_view pattern, std::string_view host) {
    if (equal_ignore_case(pattern, host)) return true;
    if (!pattern.starts_with("*.")) return false;
    size_t dot = host.find('.');
    return dot != std::string_view::npos && dot > 0 &&
           equal_ignore_case(pattern.substr(1), host.substr(dot));
}

Result<std::vector<crypto::Certificate>> read_chain(const Json& header) {
    const Json* x5c = TRY(json_array(header, "x5c"));
    if (x5c->empty() || x5c->size() > kMaxChain) {
        return fail(Code::invalid, "x5c must have 1 to {} certificates", kMaxChain);
    }
    std::vector<crypto::Certificate> chain;
    for (const Json& entry : *x5c) {
        if (!entry.is_string()) return fail(Code::invalid, "x5c must be strings");
        Bytes der = TRY(decode_base64(entry.get<std::string>()));
        chain.push_back(TRY(crypto::Certificate::parse_der(der)));
    }
    return chain;
}

bool is_trusted(const crypto::Certificate& root, const std::vector<crypto::Certificate>& trusted) {
    return std::any_of(trusted.begin(), trusted.end(), [&](const crypto::Certificate& anchor) {
        return anchor.der() == root.der();
    });
}

Result<void> verify_chain(const std::vector<crypto::Certificate>& chain,
                          const ReleaseExpectation& expected, Checks& checks) {
    for (size_t i = 0; i < chain.size(); ++i) {
        bool dates = chain[i].valid_at(expected.now);
        TRY(checks.require(
            dates, "RELEASE-CHAIN", fmt::format("x5c[{}] validity", i),
            format_rfc3339(expected.now) + " inside",
            format_rfc3339(chain[i].not_before()) + " to " + format_rfc3339(chain[i].not_after())));
        if (i == 0) continue;
        bool signs = chain[i].is_ca() && chain[i - 1].verify_signed_by(chain[i]).has_value();
        TRY(checks.require(signs, "RELEASE-CHAIN", fmt::format("x5c[{}]", i - 1),
                           "signed by the certificate authority that follows",
                           signs ? "signed" : "not signed"));
    }
    bool anchored = is_trusted(chain.back(), expected.trusted);
    return checks.require(anchored, "RELEASE-CHAIN", "x5c root", "a trusted root",
                          chain.back().subject());
}

bool covers(const crypto::Certificate& leaf, std::string_view host) {
    auto names = leaf.dns_names();
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return name_matches(name, host); });
}

// same_key: the identifier answered is the one asked for; its version may have been left open.
bool same_key(std::string_view asked, std::string_view answered) {
    return equal_ignore_case(asked, answered) ||
           (answered.size() > asked.size() &&
            equal_ignore_case(asked, answered.substr(0, asked.size())) &&
            answered[asked.size()] == '/' &&
            answered.find('/', asked.size() + 1) == std::string_view::npos);
}

struct Parts {
    std::string nonce;
    std::string kid;
    Json jwk;
    std::string enc;
    Bytes ciphertext;
};

Result<Parts> read_payload(const Bytes& payload) {
    Json body = TRY(parse_json_object(as_text(payload)));
    Parts out;
    const Json* request = TRY(json_object(body, "request"));
    out.nonce = TRY(json_optional_string(*request, "nonce")).value_or("");
    const Json* response = TRY(json_object(body, "response"));
    const Json* outer = TRY(json_object(*response, "key"));
    const Json* key = TRY(json_object(*outer, "key"));
    out.jwk = *key;
    out.kid = TRY(json_string(*key, "kid"));
    Bytes key_hsm = TRY(decode_base64_any(TRY(json_string(*key, "key_hsm"))));
    Json sealed = TRY(parse_json_object(as_text(key_hsm)));
    const Json* header = TRY(json_object(sealed, "header"));
    out.enc = TRY(json_string(*header, "enc"));
    out.ciphertext = TRY(decode_base64_any(TRY(json_string(sealed, "ciphertext"))));
    return out;
}

}  // namespace

struct ReleaseVerifier {
    static VerifiedRelease make(std::string kid, crypto::PublicKey key, Parts parts) {
        return {std::move(kid), std::move(key), std::move(parts.enc), std::move(parts.ciphertext)};
    }
};

Result<VerifiedRelease> verify_release(std::string_view jws, const ReleaseExpectation& expected,
                                       Checks& checks) {
    auto parsed = jose::parse_jws(jws);
    auto chain = parsed ? read_chain(parsed->header) : fail(parsed.error());
    bool readable = parsed && chain;
    TRY(checks.require(
        readable, "RELEASE-FORMAT", "value", "a JWS with its certificate chain",
        readable ? "one" : (parsed ? chain.error().message : parsed.error().message)));

    auto leaf_key = chain->front().public_key();
    bool holds = leaf_key && parsed->alg == "RS256" && jose::verify_jws(*parsed, *leaf_key);
    TRY(checks.require(holds, "RELEASE-SIGNATURE", "signature", "an RS256 signature by x5c[0]",
                       holds ? "one" : "none that holds"));
    TRY(verify_chain(*chain, expected, checks));
    bool named = covers(chain->front(), expected.host);
    TRY(checks.require(named, "RELEASE-NAME", "x5c[0]", expected.host,
                       fmt::format("{}", fmt::join(chain->front().dns_names(), ", "))));

    auto parts = read_payload(parsed->payload);
    TRY(checks.require(parts.has_value(), "RELEASE-FORMAT", "payload", "request and response",
                       parts ? "both" : parts.error().message));
    TRY(checks.require(same_key(expected.kid, parts->kid), "RELEASE-KEY-ID", "kid", expected.kid,
                       parts->kid));
    TRY(checks.require(parts->nonce == expected.nonce, "RELEASE-NONCE", "nonce", expected.nonce,
                       parts->nonce));
    auto key = TRY(jose::parse_jwk(parts->jwk));
    std::string kid = parts->kid;
    return ReleaseVerifier::make(std::move(kid), std::move(key), std::move(*parts));
}

}  // namespace vouchsafe::guest
