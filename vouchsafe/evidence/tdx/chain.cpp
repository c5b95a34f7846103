#include "vouchsafe/evidence/tdx/chain.h"

#include <span>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/tdx/collateral.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

constexpr std::string_view kPlatformCa = "Intel SGX PCK Platform CA";
constexpr std::string_view kProcessorCa = "Intel SGX PCK Processor CA";
constexpr std::string_view kIssuer = "intermediate";

Result<std::vector<Certificate>> parse_chain(std::string_view pem, const Certificate* root) {
    return root != nullptr ? parse_chain_to_root(pem, *root) : Certificate::parse_pem_bundle(pem);
}

// is_plain_pem tells whether the text is these certificates in the form of RFC 7468, as Intel
// serves them, but for carriage returns: PEM readers overlook much, and no byte of a quote shall be
// free.
bool is_plain_pem(std::string text, std::span<const Certificate> certificates) {
    std::erase(text, '\r');
    std::string expected;
    for (const Certificate& certificate : certificates) expected += certificate.pem();
    return text == expected;
}

PckIssuer make_issuer(const Certificate& issuer, const Certificate& root) {
    return {issuer, issuer.pem() + root.pem()};
}

}  // namespace

Result<PckChain> PckChainVerifier::read(const std::string& pem) {
    std::string_view unknown = pem;
    bool ends_known = known_ != nullptr && root_ != nullptr && unknown.ends_with(known_->pem);
    if (ends_known) unknown.remove_suffix(known_->pem.size());
    auto chain = ends_known ? Certificate::parse_pem_bundle(unknown) : parse_chain(unknown, root_);
    size_t read = chain ? chain->size() : 0;
    if (chain && ends_known) chain->insert(chain->end(), {known_->certificate, *root_});
    TRY(checks_.require(chain && chain->size() == 3, "TDX-CHAIN-FORM", "PCK chain",
                        "three certificates",
                        chain ? fmt::format("{}", chain->size()) : chain.error().message));
    bool plain = is_plain_pem(std::string(unknown), std::span(*chain).first(read));
    TRY(checks_.require(plain, "TDX-CHAIN-FORM", "PCK chain",
                        "certificates in PEM and nothing else", plain ? "the same" : "other text"));
    return PckChain{(*chain)[0], (*chain)[1], (*chain)[2]};
}

bool PckChainVerifier::is_known(const Certificate& issuer) const {
    return known_ != nullptr && equal(issuer.der(), known_->certificate.der());
}

Result<PckIssuer> PckChainVerifier::verify(const PckChain& chain) {
    TRY(check_root(chain.root));
    TRY(check_issuer_link(chain.issuer, chain.root));
    TRY(check_link(chain.leaf.verify_signed_by(chain.issuer), chain.issuer, "PCK"));
    TRY(check_ca(chain.issuer));
    TRY(check_dates(chain.leaf, "PCK"));
    TRY(check_dates(chain.issuer, kIssuer));
    TRY(check_dates(chain.root, "root"));
    return is_known(chain.issuer) ? *known_ : make_issuer(chain.issuer, chain.root);
}

Result<PckIssuer> PckChainVerifier::verify_issuer(const std::string& pem) {
    auto chain = parse_chain(pem, root_);
    TRY(checks_.require(chain && chain->size() == 2, "TDX-CHAIN-FORM", "PCK issuer chain",
                        "two certificates",
                        chain ? fmt::format("{}", chain->size()) : chain.error().message));
    const Certificate& issuer = chain->front();
    const Certificate& root = chain->back();
    TRY(check_root(root));
    TRY(check_issuer_link(issuer, root));
    TRY(check_ca(issuer));
    TRY(check_dates(issuer, kIssuer));
    TRY(check_dates(root, "root"));
    return make_issuer(issuer, root);
}

Result<void> PckChainVerifier::check_root(const Certificate& found) {
    bool pinned = root_ != nullptr && equal(found.der(), root_->der());
    return checks_.require(
        pinned, "TDX-CHAIN-ROOT", "root",
        root_ != nullptr ? "the pinned " + root_->subject() : "a root; none is pinned",
        fmt::format("{}, SHA-256 {}", found.subject(), encode_hex(found.sha256_fingerprint())));
}

Result<void> PckChainVerifier::check_issuer_link(const Certificate& issuer,
                                                 const Certificate& root) {
    return check_link(is_known(issuer) ? Result<void>() : issuer.verify_signed_by(root), root,
                      kIssuer);
}

Result<void> PckChainVerifier::check_link(const Result<void>& signature, const Certificate& issuer,
                                          std::string_view field) {
    return checks_.require(signature.has_value(), "TDX-CHAIN-LINK", field,
                           fmt::format("signed by {}", issuer.subject()),
                           signature ? "signed" : signature.error().message);
}

Result<void> PckChainVerifier::check_ca(const Certificate& issuer) {
    std::string name = issuer.subject_common_name();
    bool ca = issuer.is_ca() && (name == kPlatformCa || name == kProcessorCa);
    return checks_.require(ca, "TDX-CHAIN-CA", kIssuer,
                           fmt::format("the CA {} or {}", kPlatformCa, kProcessorCa),
                           issuer.subject());
}

Result<void> PckChainVerifier::check_dates(const Certificate& certificate, std::string_view field) {
    return checks_.require(
        certificate.valid_at(now_), "TDX-CHAIN-DATES", field,
        fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                    format_rfc3339(certificate.not_after())),
        format_rfc3339(now_));
}

}  // namespace vouchsafe::evidence
