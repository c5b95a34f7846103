// Signatures, dates and revocation lists of Intel's collateral. What the documents say is read in
// tcb.cpp.
#include "vouchsafe/evidence/tdx/collateral.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/tdx/tcb.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::Crl;

namespace {

constexpr std::string_view kSignerName = "Intel SGX TCB Signing";
constexpr size_t kMaxChain = 8;

bool is_json_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Scanner walks over text that parse_json found to be one object, so it needs no grammar of its
// own: only where strings and brackets end.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : text_(text) {}

    // member returns the text of a member's value, with nothing around it; nullopt if there is no
    // such member, or if its name is written with escapes.
    std::optional<std::string_view> member(std::string_view name) {
        skip_space();
        ++at_;  // the bracket
        for (;;) {
            skip_space();
            if (at_ >= text_.size() || text_[at_] != '"') return std::nullopt;
            std::string_view key = value();
            skip_space();
            ++at_;  // the colon
            skip_space();
            std::string_view found = value();
            if (key.substr(1, key.size() - 2) == name) return found;
            skip_space();
            if (at_ >= text_.size() || text_[at_++] != ',') return std::nullopt;
        }
    }

  private:
    void skip_space() {
        while (at_ < text_.size() && is_json_space(text_[at_])) ++at_;
    }

    void skip_string() {
        for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
            if (text_[at_] == '\\') ++at_;
        }
        ++at_;
    }

    // value passes over one value and returns its text.
    std::string_view value() {
        size_t begin = at_;
        size_t depth = 0;
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (c == '"') {
                skip_string();
                if (depth == 0) break;
                continue;
            }
            if (depth == 0 && (c == ',' || c == '}' || is_json_space(c))) break;
            ++at_;
            if (c == '{' || c == '[') ++depth;
            if ((c == '}' || c == ']') && --depth == 0) break;
        }
        at_ = std::min(at_, text_.size());
        return text_.substr(begin, at_ - begin);
    }

    std::string_view text_;
    size_t at_ = 0;
};

struct Parts {
    std::string_view inner;  // the bytes that are signed
    Bytes signature;
};

// split finds both members of a document and refuses any other.
Result<Parts> split(const std::string& json, std::string_view member) {
    Json document = TRY(parse_json_object(json));
    TRY(json_object(document, member));
    Bytes signature = TRY(decode_hex(TRY(json_string(document, "signature"))));
    if (document.size() != 2) return fail(Code::invalid, "more members than two");
    std::optional<std::string_view> inner = Scanner(json).member(member);
    if (!inner) return fail(Code::invalid, "the member '{}' is written with escapes", member);
    return Parts{*inner, std::move(signature)};
}

}  // namespace

Result<void> CollateralValidity::check(Time now, Checks& checks) const {
    return checks.require(
        from <= now && now <= to, code, field,
        fmt::format("current from {} to {}", format_rfc3339(from), format_rfc3339(to)),
        format_rfc3339(now));
}

std::string_view tdx_check_name(TdxCheck check) {
    switch (check) {
        case TdxCheck::revocation:
            return "revocation";
        case TdxCheck::qe_identity:
            return "qe-identity";
        case TdxCheck::tcb_info:
            break;
    }
    return "tcb-info";
}

Result<std::vector<Certificate>> parse_chain_to_root(std::string_view pem,
                                                     const Certificate& root) {
    std::string root_pem = root.pem();
    bool ends_in_root = pem.size() > root_pem.size() && pem.ends_with(root_pem);
    if (!ends_in_root) return Certificate::parse_pem_bundle(pem, kMaxChain);
    pem.remove_suffix(root_pem.size());
    auto out = TRY(Certificate::parse_pem_bundle(pem, kMaxChain - 1));
    out.push_back(root);
    return out;
}

Result<Certificate> CollateralVerifier::verify_signer(const std::string& chain,
                                                      std::string_view member) {
    if (verified_ && verified_->chain == chain) return verified_->certificate;
    auto certificates = parse_chain_to_root(chain, root_);
    bool formed = certificates && certificates->size() == 2;
    std::string expected = fmt::format("{} and the pinned root", kSignerName);
    TRY(checks_.require(formed, "TDX-COLLATERAL-CHAIN", member, expected,
                        formed
                            ? "two certificates"
                            : (certificates ? fmt::format("{} certificates", certificates->size())
                                            : certificates.error().message)));
    const Certificate& signer = certificates->front();
    bool known = signer.subject_common_name() == kSignerName &&
                 equal(certificates->back().der(), root_.der());
    TRY(checks_.require(
        known, "TDX-COLLATERAL-CHAIN", member, expected,
        fmt::format("{} and {}", signer.subject(), certificates->back().subject())));
    auto signature = signer.verify_signed_by(root_);
    TRY(checks_.require(signature.has_value(), "TDX-COLLATERAL-CHAIN", member,
                        "signed by the pinned root",
                        signature ? "signed" : signature.error().message));
    TRY(check_validity("TDX-COLLATERAL-CHAIN", member,
                       std::max(signer.not_before(), root_.not_before()),
                       std::min(signer.not_after(), root_.not_after())));
    if (root_crl_ != nullptr) TRY(check_not_revoked(*root_crl_, signer, kSignerName, checks_));
    verified_ = Signer{chain, signer};
    return signer;
}

Result<std::string> CollateralVerifier::verify_signature(const SignedJson& document,
                                                         std::string_view member) {
    auto found = split(document.json, member);
    TRY(checks_.require(found.has_value(), tee_terms(tee_).collateral_form, member,
                        "an object and its signature",
                        found ? "well formed" : found.error().message));
    Parts parts = TRY(std::move(found));
    Certificate signer = TRY(verify_signer(document.issuer_chain, member));
    auto key = signer.public_key();
    auto verified = key ? key->verify(crypto::SigAlg::es256, as_bytes(parts.inner), parts.signature)
                        : Result<void>(fail(key.error()));
    TRY(checks_.require(verified.has_value(), "TDX-COLLATERAL-SIGNATURE", member,
                        "made by Intel's TCB signing key",
                        verified ? "holds" : verified.error().message));
    return std::string(parts.inner);
}

Result<void> CollateralVerifier::check_validity(std::string_view code, std::string_view field,
                                                Time from, Time to) {
    validities_.push_back({code, std::string(field), from, to});
    return validities_.back().check(now_, checks_);
}

Result<TcbInfo> CollateralVerifier::verify_tcb_info(const SignedJson& document) {
    std::string inner = TRY(verify_signature(document, "tcbInfo"));
    auto parsed = parse_tcb_info(inner, tee_);
    const TeeTerms& terms = tee_terms(tee_);
    TRY(checks_.require(parsed.has_value(), terms.collateral_form, "tcbInfo",
                        fmt::format("{}, version 3", terms.tcb_info_id),
                        parsed ? "well formed" : parsed.error().message));
    TcbInfo info = TRY(std::move(parsed));
    TRY(check_validity("TDX-COLLATERAL-DATES", "tcbInfo", info.issued, info.next_update));
    return info;
}

Result<QeIdentity> CollateralVerifier::verify_qe_identity(const SignedJson& document) {
    std::string inner = TRY(verify_signature(document, "enclaveIdentity"));
    auto parsed = parse_qe_identity(inner, tee_);
    const TeeTerms& terms = tee_terms(tee_);
    TRY(checks_.require(parsed.has_value(), terms.collateral_form, "enclaveIdentity",
                        fmt::format("{}, version 2", terms.qe_identity_id),
                        parsed ? "well formed" : parsed.error().message));
    QeIdentity identity = TRY(std::move(parsed));
    TRY(check_validity("TDX-COLLATERAL-DATES", "enclaveIdentity", identity.issued,
                       identity.next_update));
    return identity;
}

Result<Crl> read_crl(ByteView bytes, std::string_view name, Checks& checks) {
    auto parsed = Crl::parse_any(bytes);
    TRY(checks.require(parsed.has_value(), "TDX-CRL-FORM", name, "a complete revocation list",
                       parsed ? "well formed" : parsed.error().message));
    return parsed;
}

Result<void> check_crl_signature(const Crl& crl, const Certificate& issuer, std::string_view name,
                                 Checks& checks) {
    auto signature = crl.verify_signed_by(issuer);
    return checks.require(signature.has_value(), "TDX-CRL-SIGNATURE", name,
                          fmt::format("signed by {}", issuer.subject()),
                          signature ? "signed" : signature.error().message);
}

Result<CollateralValidity> check_crl_dates(const Crl& crl, std::string_view name, Time now,
                                           Checks& checks) {
    std::optional<Time> next = crl.next_update();
    if (!next) {
        return checks.refuse("TDX-CRL-DATES", name, "a date of the next list", "none");
    }
    CollateralValidity out{"TDX-CRL-DATES", std::string(name), crl.this_update(), *next};
    TRY(out.check(now, checks));
    return out;
}

Result<void> check_not_revoked(const Crl& crl, const Certificate& certificate,
                               std::string_view name, Checks& checks) {
    auto revoked = crl.revokes(certificate);
    return checks.require(
        revoked && !*revoked, "TDX-REVOKED", name,
        fmt::format("serial {} not revoked", certificate.serial_hex()),
        revoked ? (*revoked ? "revoked" : "not on the list") : revoked.error().message);
}

}  // namespace vouchsafe::evidence
