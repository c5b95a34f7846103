#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/snp/steps.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

bool same_key(const Certificate& a, const Certificate& b) {
    if (equal(a.der(), b.der())) return true;
    auto key_a = a.public_key();
    auto key_b = b.public_key();
    return key_a && key_b && *key_a == *key_b;
}

bool self_issued(const Certificate& certificate) {
    return equal(certificate.subject_der(), certificate.issuer_der());
}

// ChainVerifier finds and verifies the way from the leaf to a pinned ARK of `product`.
class ChainVerifier {
  public:
    ChainVerifier(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                  SnpProduct product, SnpSigner kind, Checks& checks)
        : endorsements_(endorsements), product_(product), kind_(kind), checks_(checks) {
        for (const AmdRoot& root : anchors.amd) {
            if (root.product == product) roots_.push_back(&root);
        }
    }

    Result<SnpChain> verify(Time now) {
        TRY(refuse_own_roots());
        SnpChain chain = TRY(find());
        TRY(check_link(endorsements_.leaf, chain.intermediate, "leaf",
                       endorsements_.leaf.verify_signed_by(chain.intermediate)));
        TRY(check_signer_kind(chain.intermediate));
        chain.valid_from = endorsements_.leaf.not_before();
        chain.valid_to = endorsements_.leaf.not_after();
        TRY(check_dates(endorsements_.leaf, signer_name(kind_), now));
        TRY(check_dates(chain.intermediate, "intermediate", now));
        TRY(check_dates(chain.ark, "ARK", now));
        for (const Certificate& issuer : {chain.intermediate, chain.ark}) {
            chain.narrow(issuer.not_before(), issuer.not_after());
        }
        return chain;
    }

  private:
    std::string expected_root() const {
        return fmt::format("the pinned ARK of {} ({})", product_name(product_),
                           roots_.empty() ? "none is pinned" : roots_.front()->ark.subject());
    }

    // A root that comes with the evidence must be a pinned one; otherwise somebody made an own
    // chain.
    Result<void> refuse_own_roots() {
        for (const Certificate& certificate : endorsements_.intermediates) {
            if (!self_issued(certificate)) continue;
            bool pinned = std::any_of(roots_.begin(), roots_.end(), [&](const AmdRoot* root) {
                return same_key(certificate, root->ark);
            });
            TRY(checks_.require(pinned, "SNP-CHAIN-ROOT", "root", expected_root(),
                                fmt::format("{}, SHA-256 {}", certificate.subject(),
                                            hex_start(certificate.sha256_fingerprint()))));
        }
        return {};
    }

    // The intermediates that could have issued the leaf: those that came, else the known ones.
    std::vector<Certificate> candidates() const {
        std::vector<Certificate> out;
        auto consider = [&](const Certificate& certificate) {
            if (!self_issued(certificate) &&
                equal(certificate.subject_der(), endorsements_.leaf.issuer_der())) {
                out.push_back(certificate);
            }
        };
        std::for_each(endorsements_.intermediates.begin(), endorsements_.intermediates.end(),
                      consider);
        if (!out.empty()) return out;
        for (const AmdRoot* root : roots_) {
            const auto& known = kind_ == SnpSigner::vlek ? root->asvk : root->ask;
            if (known) consider(*known);
        }
        return out;
    }

    // find chooses the intermediate that a pinned ARK signed.
    Result<SnpChain> find() {
        std::vector<Certificate> intermediates = candidates();
        if (intermediates.empty() || roots_.empty()) {
            return checks_.refuse(
                "SNP-CHAIN-ROOT", "root", expected_root(),
                fmt::format("no certificate of its issuer, {}", endorsements_.leaf.issuer()));
        }
        SnpChain chain{intermediates.front(), roots_.front()->ark, {}, {}};
        bool found = false;
        Result<void> signature;  // that it was found by, or of the last that was tried
        for (const Certificate& intermediate : intermediates) {
            for (const AmdRoot* root : roots_) {
                if (found) continue;
                signature = verify_link(intermediate, root->ark, endorsements_.links);
                if (!signature) continue;
                chain = SnpChain{intermediate, root->ark, {}, {}};
                found = true;
            }
        }
        TRY(checks_.require(
            found, "SNP-CHAIN-ROOT", "root", expected_root(),
            found ? chain.ark.subject()
                  : fmt::format("{}, which that ARK did not sign", chain.intermediate.subject())));
        TRY(check_link(chain.intermediate, chain.ark, "intermediate", signature));
        return chain;
    }

    // check_link checks that `issuer` may have signed and that the signature of `subject` is of
    // AMD's form. `signature` is what verifying it gave.
    Result<void> check_link(const Certificate& subject, const Certificate& issuer,
                            std::string_view field, const Result<void>& signature) {
        TRY(checks_.require(issuer.is_ca(), "SNP-CHAIN-CA", field, "an issuer that is a CA",
                            issuer.subject()));
        TRY(checks_.require(subject.signature_is_pss_sha384(), "SNP-CHAIN-PSS", field,
                            "RSASSA-PSS, SHA-384, salt 48",
                            subject.signature_is_pss_sha384() ? "the same" : "another form"));
        return checks_.require(signature.has_value(), "SNP-CHAIN-LINK", field,
                               fmt::format("signed by {}", issuer.subject()),
                               signature ? "signed" : signature.error().message);
    }

    // VLEKs come from the ASVK ("SEV-VLEK-Milan"), VCEKs from the ASK ("SEV-Milan").
    Result<void> check_signer_kind(const Certificate& issuer) {
        bool vlek_issuer = issuer.subject_common_name().find("VLEK") != std::string::npos;
        return checks_.require(vlek_issuer == (kind_ == SnpSigner::vlek), "SNP-CERT-KIND",
                               "certificate issuer", kind_ == SnpSigner::vlek ? "ASVK" : "ASK",
                               issuer.subject_common_name());
    }

    Result<void> check_dates(const Certificate& certificate, std::string_view field, Time now) {
        return checks_.require(
            certificate.valid_at(now), "SNP-CHAIN-DATES", field,
            fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                        format_rfc3339(certificate.not_after())),
            format_rfc3339(now));
    }

    const SnpEndorsements& endorsements_;
    SnpProduct product_;
    SnpSigner kind_;
    Checks& checks_;
    std::vector<const AmdRoot*> roots_;
};

}  // namespace

Result<SnpChain> verify_snp_chain(const SnpEndorsements& endorsements, const TrustAnchors& anchors,
                                  SnpProduct product, SnpSigner kind, Time now, Checks& checks) {
    return ChainVerifier(endorsements, anchors, product, kind, checks).verify(now);
}

}  // namespace vouchsafe::evidence
