#include "vouchsafe/evidence/uvm/endorsement.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/x509_path.h"
#include "vouchsafe/evidence/uvm/did_x509.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::CoseSign1;

namespace {

constexpr uint64_t kEpochTimeTag = 1;  // RFC 8949, 3.4.2
constexpr std::string_view kContentType = "application/json";
constexpr std::string_view kSvn = "x-ms-sevsnpvm-guestsvn";
constexpr std::string_view kMeasurement = "x-ms-sevsnpvm-launchmeasurement";
constexpr size_t kMaxPayload = 4096;

Result<std::string> header_text(const Cbor& header, std::string_view name) {
    const Cbor* value = header.find(name);
    auto text = value == nullptr ? std::nullopt : value->to_text();
    if (!text) return fail(Code::invalid, "the protected header has no text {}", name);
    return std::string(*text);
}

Result<std::optional<Time>> read_signing_time(const Cbor& header) {
    const Cbor* value = header.find("signingtime");
    if (value == nullptr) return std::optional<Time>{};
    bool tagged = value->is(Cbor::Kind::tag) && value->number == kEpochTimeTag;
    auto seconds = tagged ? value->items[0].to_integer() : std::nullopt;
    if (!seconds || *seconds < 0 || *seconds > UINT32_MAX) {
        return fail(Code::invalid, "signingtime is no time in seconds (tag 1)");
    }
    return std::optional<Time>(from_unix(*seconds));
}

// Statement is the message with the header parameters that say what it is.
struct Statement {
    CoseSign1 message;
    UvmEndorsement said;  // without what the payload says
};

Result<Statement> read_statement(ByteView cose) {
    CoseSign1 message = TRY(crypto::parse_cose_sign1(cose));
    UvmEndorsement said;
    said.issuer = TRY(header_text(message.header, "iss"));
    said.feed = TRY(header_text(message.header, "feed"));
    said.signing_time = TRY(read_signing_time(message.header));
    if (message.chain.size() < 2) {
        return fail(Code::invalid, "the protected header has no x5chain with a CA in it");
    }
    return Statement{std::move(message), std::move(said)};
}

Result<void> check_issuer(const UvmEndorsement& said, const std::vector<UvmIssuer>& issuers,
                          Checks& checks) {
    bool known = std::any_of(issuers.begin(), issuers.end(), [&](const UvmIssuer& issuer) {
        return issuer.did == said.issuer && issuer.feed == said.feed;
    });
    std::vector<std::string> names;
    for (const UvmIssuer& issuer : issuers) {
        names.push_back(fmt::format("{} for {}", issuer.did, issuer.feed));
    }
    return checks.require(known, "UVM-ISSUER", "iss, feed",
                          fmt::format("{}", fmt::join(names, " or ")),
                          fmt::format("{} for {}", show_json(said.issuer), show_json(said.feed)));
}

// Issuer is what its name means: rules for the leaf, and a CA in the chain.
struct Issuer {
    DidX509 did;
    size_t root;
};

Result<Issuer> find_issuer(const UvmEndorsement& said, const std::vector<Certificate>& chain) {
    DidX509 did = TRY(DidX509::parse(said.issuer));
    std::optional<size_t> root = did.find_ca(chain);
    if (!root) return fail(Code::bad_evidence, "none with that fingerprint");
    return Issuer{std::move(did), *root};
}

Result<void> check_dates(const std::vector<Certificate>& chain, Time now, Checks& checks) {
    for (const Certificate& cert : chain) {
        TRY(checks.require(cert.valid_at(now), "UVM-DATES", cert.subject(),
                           fmt::format("valid from {} to {}", format_rfc3339(cert.not_before()),
                                       format_rfc3339(cert.not_after())),
                           format_rfc3339(now)));
    }
    return {};
}

// Every certificate that was sent is signed by the next one, in order; and the way up to the CA
// that the issuer's name means is a valid path.
Result<void> check_chain(const std::vector<Certificate>& chain, size_t root, Time now,
                         Checks& checks) {
    for (size_t i = 0; i + 1 < chain.size(); ++i) {
        auto signs = chain[i].verify_signed_by(chain[i + 1]);
        TRY(checks.require(signs.has_value(), "UVM-CHAIN", fmt::format("x5chain[{}]", i),
                           "signed by the certificate that follows",
                           signs ? "signed" : signs.error().message));
    }
    std::span<const Certificate> below = std::span(chain).first(root);
    auto path = crypto::verify_path(below, chain[root], now, crypto::PathPurpose::any);
    return checks.require(path.has_value(), "UVM-CHAIN", "x5chain",
                          "a valid path to " + chain[root].subject(),
                          path ? "one" : path.error().message);
}

// check_identity: the leaf is the one that the header means, and fits every rule in the issuer's
// name.
Result<void> check_identity(const CoseSign1& message, const DidX509& did, Checks& checks) {
    const Certificate& leaf = message.chain.front();
    if (message.x5t) {
        bool named = message.x5t->names(leaf);
        TRY(checks.require(named, "UVM-THUMBPRINT", "x5t", encode_hex(message.x5t->hash),
                           encode_hex(crypto::hash(message.x5t->alg, leaf.der()))));
    }
    for (const DidX509::Policy& policy : did.policies) {
        auto fits = meets(leaf, policy);
        std::string wanted = fmt::format("{}", fmt::join(policy.values, ":"));
        TRY(checks.require(fits.has_value(), "UVM-IDENTITY", policy.name, wanted,
                           fits ? wanted : fits.error().message));
    }
    return {};
}

Result<void> check_signature(const CoseSign1& message, Checks& checks) {
    auto alg = crypto::cose_sig_alg(message.alg);
    TRY(checks.require(
        alg.has_value(), "UVM-ALGORITHM", "alg", "PS256, PS384, PS512, ES256, ES384 or ES512",
        alg ? std::string(crypto::sig_alg_name(*alg)) : fmt::format("{}", message.alg)));
    auto key = message.chain.front().public_key();
    auto holds = key ? crypto::verify_cose_sign1(message, *key) : fail(key.error());
    return checks.require(holds.has_value(), "UVM-SIGNATURE", "signature",
                          "made with the leaf's key", holds ? "holds" : holds.error().message);
}

// parse_svn reads decimal digits: the statement has the number as text.
Result<uint32_t> parse_svn(const std::string& text) {
    uint32_t out = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    if (text.empty() || error != std::errc() || end != text.data() + text.size()) {
        return fail(Code::invalid, "{} is no number", kSvn);
    }
    return out;
}

Result<void> read_payload(const CoseSign1& message, UvmEndorsement& out) {
    const Cbor* type = message.header.find(crypto::kCoseContentType);
    if (type == nullptr || type->to_text() != kContentType) {
        return fail(Code::invalid, "the content type is not {}", kContentType);
    }
    Json body = TRY(parse_json_object(as_text(message.payload), {.max_bytes = kMaxPayload}));
    out.guest_svn = TRY(parse_svn(TRY(json_string(body, kSvn))));
    Bytes measurement =
        TRY(with_context(decode_hex(TRY(json_string(body, kMeasurement))), kMeasurement));
    if (measurement.size() != out.measurement.size()) {
        return fail(Code::invalid, "{} has {} bytes", kMeasurement, measurement.size());
    }
    std::ranges::copy(measurement, out.measurement.begin());
    return {};
}

Result<void> check_rules(const UvmEndorsement& said, const UvmRules& rules, Checks& checks) {
    TRY(checks.require(said.guest_svn >= rules.minimum_svn, "UVM-SVN", kSvn,
                       fmt::format("{} or more", rules.minimum_svn),
                       fmt::format("{}", said.guest_svn)));
    if (!rules.measurement) return {};
    return checks.require(said.measurement == *rules.measurement, "UVM-MEASUREMENT", kMeasurement,
                          encode_hex(*rules.measurement), encode_hex(said.measurement));
}

}  // namespace

const std::vector<UvmIssuer>& vendor_uvm_issuers() {
    // Microsoft Supply Chain RSA Root CA 2022. As in microsoft/confidential-sidecar-containers,
    // pkg/attest/test_data/body.uvm_reference_info.bin.
    static const std::vector<UvmIssuer> kIssuers{
        {"did:x509:0:sha256:I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s"
         "::eku:1.3.6.1.4.1.311.76.59.1.2",
         "ContainerPlat-AMD-UVM"}};
    return kIssuers;
}

struct UvmVerifier {
    static VerifiedUvmEndorsement make(UvmEndorsement said, std::vector<Certificate> chain,
                                       size_t root) {
        return {std::move(said), std::move(chain), root};
    }
};

Result<VerifiedUvmEndorsement> verify_uvm(ByteView cose, const std::vector<UvmIssuer>& issuers,
                                          const UvmRules& rules, Time now, Checks& checks) {
    auto parsed = read_statement(cose);
    TRY(checks.require(parsed.has_value(), "UVM-FORM", "endorsement",
                       "COSE_Sign1 with iss, feed and x5chain",
                       parsed ? "one" : show_json(parsed.error().message)));
    Statement statement = TRY(std::move(parsed));
    CoseSign1& message = statement.message;
    UvmEndorsement& said = statement.said;
    TRY(check_issuer(said, issuers, checks));
    auto found = find_issuer(said, message.chain);
    TRY(checks.require(found.has_value(), "UVM-ROOT", "iss", "a CA of x5chain, by its fingerprint",
                       found ? message.chain[found->root].subject() : found.error().message));
    Issuer issuer = TRY(std::move(found));
    TRY(check_dates(message.chain, now, checks));
    TRY(check_chain(message.chain, issuer.root, now, checks));
    TRY(check_identity(message, issuer.did, checks));
    TRY(check_signature(message, checks));

    auto payload = read_payload(message, said);
    TRY(checks.require(payload.has_value(), "UVM-PAYLOAD", "payload",
                       fmt::format("JSON with {} and {}", kSvn, kMeasurement),
                       payload ? "both" : show_json(payload.error().message)));
    TRY(check_rules(said, rules, checks));
    return UvmVerifier::make(std::move(said), std::move(message.chain), issuer.root);
}

Json facts_of(const VerifiedUvmEndorsement& verified) {
    const UvmEndorsement& said = verified.endorsement();
    const Certificate& leaf = verified.chain().front();
    return {{"issuer", said.issuer},
            {"feed", said.feed},
            {"guest_svn", said.guest_svn},
            {"launch_measurement", encode_hex(said.measurement)},
            {"signing_time", said.signing_time ? Json(format_rfc3339(*said.signing_time)) : Json()},
            {"signer",
             {{"subject", leaf.subject()},
              {"sha256", encode_hex(leaf.sha256_fingerprint())},
              {"valid_from", format_rfc3339(leaf.not_before())},
              {"valid_to", format_rfc3339(leaf.not_after())}}},
            {"root",
             {{"subject", verified.root().subject()},
              {"sha256", encode_hex(verified.root().sha256_fingerprint())}}}};
}

}  // namespace vouchsafe::evidence
