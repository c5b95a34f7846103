#include "vouchsafe/guest/release_answer.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/x509_path.h"
#include "vouchsafe/guest/vault_client.h"
#include "vouchsafe/jose/jwk.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::guest {

using crypto::Certificate;

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

Result<std::vector<Certificate>> read_chain(const Json& header) {
    const Json* x5c = TRY(json_array(header, "x5c"));
    if (x5c->empty() || x5c->size() > kMaxChain) {
        return fail(Code::invalid, "x5c must have 1 to {} certificates", kMaxChain);
    }
    std::vector<Certificate> chain;
    for (const Json& entry : *x5c) {
        if (!entry.is_string()) return fail(Code::invalid, "x5c must be strings");
        Bytes der = TRY(decode_base64(entry.get<std::string>()));
        chain.push_back(TRY(Certificate::parse_der(der)));
    }
    return chain;
}

// check_thumbprints: which certificate the signer means (RFC 7515, 4.1.7 and 4.1.8), and Azure's
// key id, which is the SHA-1 thumbprint in hex.
Result<void> check_thumbprints(const jose::Jws& jws, const Certificate& leaf, Checks& checks) {
    Bytes sha1 = leaf.sha1_fingerprint();
    const std::pair<const char*, std::string> kExpected[] = {
        {"x5t", encode_base64url(sha1)},
        {"x5t#S256", encode_base64url(leaf.sha256_fingerprint())},
    };
    for (const auto& [name, expected] : kExpected) {
        const Json* found = find_member(jws.header, name);
        bool same = found != nullptr && *found == expected;
        TRY(checks.require(same, "RELEASE-THUMBPRINT", name, expected,
                           found == nullptr ? "nothing" : show_json(*found)));
    }
    return checks.require(equal_ignore_case(jws.kid, encode_hex(sha1)), "RELEASE-THUMBPRINT", "kid",
                          encode_hex(sha1), show_json(jws.kid));
}

bool is_trusted(const Certificate& root, const std::vector<Certificate>& trusted) {
    return std::any_of(trusted.begin(), trusted.end(),
                       [&](const Certificate& anchor) { return anchor.der() == root.der(); });
}

Result<void> verify_chain(const std::vector<Certificate>& chain, const ReleaseTrust& trust,
                          Checks& checks) {
    for (size_t i = 0; i < chain.size(); ++i) {
        bool dates = chain[i].valid_at(trust.now);
        TRY(checks.require(
            dates, "RELEASE-CHAIN", fmt::format("x5c[{}] validity", i),
            format_rfc3339(trust.now) + " inside",
            format_rfc3339(chain[i].not_before()) + " to " + format_rfc3339(chain[i].not_after())));
        if (i == 0) continue;
        bool signs = chain[i].is_ca() && chain[i - 1].verify_signed_by(chain[i]).has_value();
        TRY(checks.require(signs, "RELEASE-CHAIN", fmt::format("x5c[{}]", i - 1),
                           "signed by the certificate authority that follows",
                           signs ? "signed" : "not signed"));
    }
    bool anchored = chain.size() > 1 && is_trusted(chain.back(), trust.trusted);
    TRY(checks.require(anchored, "RELEASE-CHAIN", "x5c root", "a trusted root",
                       chain.back().subject()));
    auto below = std::span(chain).first(chain.size() - 1);
    auto path =
        crypto::verify_path(below, chain.back(), trust.now, crypto::PathPurpose::tls_server);
    return checks.require(path.has_value(), "RELEASE-CHAIN", "x5c",
                          "a valid path of a TLS server to the root",
                          path ? "one" : path.error().message);
}

bool covers(const Certificate& leaf, std::string_view host) {
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
    Json body;
    std::string asked_kid;
    std::string nonce;
    std::string kid;
    crypto::PublicKey key;
    std::string enc;
    Bytes ciphertext;
};

Result<Parts> read_payload(const Bytes& payload) {
    Json body = TRY(parse_json_object(as_text(payload)));
    const Json* request = TRY(json_object(body, "request"));
    const Json* response = TRY(json_object(body, "response"));
    const Json* outer = TRY(json_object(*response, "key"));
    const Json* key = TRY(json_object(*outer, "key"));
    crypto::PublicKey public_key = TRY(jose::parse_jwk(*key));
    Parts out{{}, "", "", "", std::move(public_key), "", {}};
    out.asked_kid = TRY(json_string(*request, "kid"));
    out.nonce = TRY(json_optional_string(*request, "nonce")).value_or("");
    out.kid = TRY(json_string(*key, "kid"));
    Bytes key_hsm = TRY(decode_base64_any(TRY(json_string(*key, "key_hsm"))));
    Json sealed = TRY(parse_json_object(as_text(key_hsm)));
    const Json* header = TRY(json_object(sealed, "header"));
    out.enc = TRY(json_string(*header, "enc"));
    out.ciphertext = TRY(decode_base64_any(TRY(json_string(sealed, "ciphertext"))));
    out.body = std::move(body);
    return out;
}

// named_host is the vault in a key's identifier, "" if it is none of a public Azure cloud.
std::string named_host(const std::string& kid) {
    auto id = KeyId::parse(kid);
    return id && id->resource() ? id->url.host : "";
}

// check_vault requires that the certificate is the vault's and the key of the same vault, and
// returns the vault's host name.
Result<std::string> check_vault(const Certificate& leaf, const Parts& parts,
                                const ReleaseTrust& trust, Checks& checks) {
    std::string host = trust.host.empty() ? named_host(parts.kid) : trust.host;
    bool named = !host.empty() && covers(leaf, host);
    TRY(checks.require(named, "RELEASE-NAME", "x5c[0]",
                       host.empty() ? "the vault of the key, one of a public Azure cloud" : host,
                       fmt::format("{}", fmt::join(leaf.dns_names(), ", "))));
    auto id = KeyId::parse(parts.kid);
    bool of_vault = id && equal_ignore_case(id->url.host, host);
    TRY(checks.require(of_vault, "RELEASE-KEY-ID", "kid", "a key of " + host,
                       show_json(parts.kid)));
    TRY(checks.require(same_key(parts.asked_kid, parts.kid), "RELEASE-KEY-ID", "request.kid",
                       show_json(parts.kid), show_json(parts.asked_kid)));
    return host;
}

}  // namespace

struct ReleaseVerifier {
    static VerifiedReleaseAnswer make(Parts parts, std::string host,
                                      std::vector<Certificate> chain) {
        VerifiedReleaseAnswer out(std::move(parts.key),
                                  std::make_shared<const Json>(std::move(parts.body)));
        out.host_ = std::move(host);
        out.kid_ = std::move(parts.kid);
        out.enc_ = std::move(parts.enc);
        out.ciphertext_ = std::move(parts.ciphertext);
        out.nonce_ = std::move(parts.nonce);
        out.chain_ = std::move(chain);
        return out;
    }
    static VerifiedRelease make(VerifiedReleaseAnswer answer) {
        return VerifiedRelease(std::move(answer));
    }
};

Result<std::string> read_release_answer(std::string_view text) {
    constexpr std::string_view kSpace = " \t\r\n";
    size_t begin = std::min(text.find_first_not_of(kSpace), text.size());
    text.remove_prefix(begin);
    text = text.substr(0, text.find_last_not_of(kSpace) + 1);
    if (!text.starts_with('{')) return std::string(text);
    return json_string(TRY(parse_json_object(text)), "value");
}

Result<VerifiedReleaseAnswer> verify_release_answer(std::string_view jws, const ReleaseTrust& trust,
                                                    Checks& checks) {
    auto parsed = jose::parse_jws(jws);
    auto chain = parsed ? read_chain(parsed->header) : fail(parsed.error());
    constexpr const char* kForm = "a JWS with its certificate chain";
    if (!chain) {
        return checks.refuse("RELEASE-FORMAT", "value", kForm, show_json(chain.error().message));
    }
    TRY(checks.require(true, "RELEASE-FORMAT", "value", kForm, "one"));
    const Certificate& leaf = chain->front();
    auto leaf_key = leaf.public_key();
    bool holds = leaf_key && parsed->alg == "RS256" && jose::verify_jws(*parsed, *leaf_key);
    TRY(checks.require(holds, "RELEASE-SIGNATURE", "signature", "an RS256 signature by x5c[0]",
                       holds ? "one" : "none that holds"));
    TRY(verify_chain(*chain, trust, checks));
    TRY(check_thumbprints(*parsed, leaf, checks));

    auto parts = read_payload(parsed->payload);
    if (!parts) {
        return checks.refuse("RELEASE-FORMAT", "payload", "request and response",
                             show_json(parts.error().message));
    }
    std::string host = TRY(check_vault(leaf, *parts, trust, checks));
    return ReleaseVerifier::make(std::move(*parts), std::move(host), std::move(*chain));
}

Result<VerifiedRelease> verify_release(std::string_view jws, const ReleaseExpectation& expected,
                                       Checks& checks) {
    auto answer =
        TRY(verify_release_answer(jws, {expected.host, expected.trusted, expected.now}, checks));
    TRY(checks.require(same_key(expected.kid, answer.kid()), "RELEASE-KEY-ID", "kid", expected.kid,
                       answer.kid()));
    TRY(checks.require(answer.nonce() == expected.nonce, "RELEASE-NONCE", "nonce", expected.nonce,
                       answer.nonce()));
    return ReleaseVerifier::make(std::move(answer));
}

}  // namespace vouchsafe::guest
