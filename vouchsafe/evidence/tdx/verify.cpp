#include "vouchsafe/evidence/tdx/verify.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/tdx/platform.h"

namespace vouchsafe::evidence {

using crypto::Certificate;
using crypto::Crl;

namespace {

constexpr std::string_view kPlatformCa = "Intel SGX PCK Platform CA";
constexpr std::string_view kProcessorCa = "Intel SGX PCK Processor CA";

Result<void> verify_es256(ByteView key, ByteView message, ByteView signature) {
    auto public_key =
        TRY(crypto::PublicKey::from_ec(crypto::Curve::p256, key.first(32), key.subspan(32)));
    return public_key.verify(crypto::SigAlg::es256, message, signature);
}

// is_plain_pem tells whether the text is these certificates in the form of RFC 7468, as Intel
// serves them, but for carriage returns: PEM readers overlook much, and no byte of a quote shall be
// free.
bool is_plain_pem(std::string text, const std::vector<Certificate>& certificates) {
    std::erase(text, '\r');
    std::string expected;
    for (const Certificate& certificate : certificates) expected += certificate.pem();
    return text == expected;
}

// PckChain is what the quote brings: the PCK's certificate, its issuer's and the root.
struct PckChain {
    Certificate leaf;
    Certificate issuer;
    Certificate root;
};

}  // namespace

// TdxVerifier makes the checks of one quote.
class TdxVerifier {
  public:
    TdxVerifier(const TdxCollateral& collateral, const TrustAnchors& anchors, const TdxRules& rules,
                Time now, Checks& checks)
        : collateral_(collateral), anchors_(anchors), rules_(rules), now_(now), checks_(checks) {}

    Result<VerifiedTdQuote> verify(ByteView bytes) {
        TdxQuote quote = TRY(TdxQuote::parse(bytes, checks_));
        TRY(check_signature(quote, bytes));
        TRY(check_binding(quote));
        PckChain chain = TRY(read_chain(quote));
        PckInfo pck = TRY(read_pck(chain.leaf));
        TRY(check_qe_signature(quote, pck));
        TRY(check_chain(chain));
        std::optional<Crl> root_crl = TRY(check_revocation(chain));
        std::optional<TdTcb> tcb = TRY(check_tcb(quote, pck, root_crl));
        TRY(check_rules(quote.body));
        return VerifiedTdQuote(std::move(quote), anchors_.tier, std::move(pck), chain.leaf,
                               std::move(tcb), std::move(not_checked_));
    }

  private:
    Result<void> check_signature(const TdxQuote& quote, ByteView bytes) {
        auto verified =
            verify_es256(quote.attestation_key, bytes.first(quote.signed_size), quote.signature);
        return checks_.require(verified.has_value(), "TDX-SIGNATURE", "signature",
                               "made with the attestation key",
                               verified ? "holds" : verified.error().message);
    }

    Result<void> check_binding(const TdxQuote& quote) {
        Bytes bound = to_bytes(quote.attestation_key);
        append(bound, quote.qe_authentication_data);
        Bytes expected = crypto::hash(crypto::HashAlg::sha256, bound);
        expected.resize(quote.qe_report.report_data.size());
        return checks_.require(equal(expected, quote.qe_report.report_data), "TDX-QE-BINDING",
                               "QE report data", encode_hex(expected),
                               encode_hex(quote.qe_report.report_data));
    }

    Result<PckChain> read_chain(const TdxQuote& quote) {
        auto chain = anchors_.intel ? parse_chain_to_root(quote.pck_chain, *anchors_.intel)
                                    : Certificate::parse_pem_bundle(quote.pck_chain);
        TRY(checks_.require(chain && chain->size() == 3, "TDX-CHAIN-FORM", "PCK chain",
                            "three certificates",
                            chain ? fmt::format("{}", chain->size()) : chain.error().message));
        bool plain = is_plain_pem(quote.pck_chain, *chain);
        TRY(checks_.require(plain, "TDX-CHAIN-FORM", "PCK chain",
                            "certificates in PEM and nothing else",
                            plain ? "the same" : "other text"));
        return PckChain{(*chain)[0], (*chain)[1], (*chain)[2]};
    }

    Result<PckInfo> read_pck(const Certificate& leaf) {
        auto pck = PckInfo::parse(leaf);
        TRY(checks_.require(pck.has_value(), "TDX-PCK-FORM", leaf.subject_common_name(),
                            "Intel's SGX extension and a P-256 key",
                            pck ? "well formed" : pck.error().message));
        return pck;
    }

    Result<void> check_qe_signature(const TdxQuote& quote, const PckInfo& pck) {
        auto verified =
            pck.key.verify(crypto::SigAlg::es256, quote.qe_report_bytes, quote.qe_report_signature);
        return checks_.require(verified.has_value(), "TDX-QE-SIGNATURE", "QE report signature",
                               "made with the PCK", verified ? "holds" : verified.error().message);
    }

    Result<void> check_chain(const PckChain& chain) {
        bool pinned = anchors_.intel && equal(chain.root.der(), anchors_.intel->der());
        TRY(checks_.require(
            pinned, "TDX-CHAIN-ROOT", "root",
            anchors_.intel ? "the pinned " + anchors_.intel->subject() : "a root; none is pinned",
            fmt::format("{}, SHA-256 {}", chain.root.subject(),
                        encode_hex(chain.root.sha256_fingerprint()))));
        TRY(check_link(chain.issuer, chain.root, "intermediate"));
        TRY(check_link(chain.leaf, chain.issuer, "PCK"));
        std::string name = chain.issuer.subject_common_name();
        bool ca = chain.issuer.is_ca() && (name == kPlatformCa || name == kProcessorCa);
        TRY(checks_.require(ca, "TDX-CHAIN-CA", "intermediate",
                            fmt::format("the CA {} or {}", kPlatformCa, kProcessorCa),
                            chain.issuer.subject()));
        TRY(check_dates(chain.leaf, "PCK"));
        TRY(check_dates(chain.issuer, "intermediate"));
        return check_dates(chain.root, "root");
    }

    Result<void> check_link(const Certificate& subject, const Certificate& issuer,
                            std::string_view field) {
        auto signature = subject.verify_signed_by(issuer);
        return checks_.require(signature.has_value(), "TDX-CHAIN-LINK", field,
                               fmt::format("signed by {}", issuer.subject()),
                               signature ? "signed" : signature.error().message);
    }

    Result<void> check_dates(const Certificate& certificate, std::string_view field) {
        return checks_.require(
            certificate.valid_at(now_), "TDX-CHAIN-DATES", field,
            fmt::format("valid from {} to {}", format_rfc3339(certificate.not_before()),
                        format_rfc3339(certificate.not_after())),
            format_rfc3339(now_));
    }

    // leave_out notes what cannot be checked, if the rules allow that.
    Result<void> leave_out(TdxCheck check) {
        std::string name(tdx_check_name(check));
        TRY(checks_.require(rules_.may_be_unchecked.contains(check), "TDX-NOT-CHECKED", name,
                            "checked, or allowed to be left out", "no collateral at hand"));
        not_checked_.push_back(std::move(name));
        return {};
    }

    // check_revocation uses what lists there are; with one of two, revocation was not checked.
    // Returns the root's list, which is asked about the signers of the collateral too.
    Result<std::optional<Crl>> check_revocation(const PckChain& chain) {
        std::optional<Crl> root_crl;
        if (collateral_.root_crl) {
            root_crl =
                TRY(verify_crl(*collateral_.root_crl, chain.root, "root CRL", now_, checks_));
            TRY(check_not_revoked(*root_crl, chain.issuer, "intermediate", checks_));
        }
        if (collateral_.pck_crl) {
            Crl pck_crl =
                TRY(verify_crl(*collateral_.pck_crl, chain.issuer, "PCK CRL", now_, checks_));
            TRY(check_not_revoked(pck_crl, chain.leaf, "PCK", checks_));
        }
        if (!collateral_.root_crl || !collateral_.pck_crl) TRY(leave_out(TdxCheck::revocation));
        return root_crl;
    }

    Result<std::optional<TdTcb>> check_tcb(const TdxQuote& quote, const PckInfo& pck,
                                           const std::optional<Crl>& root_crl) {
        CollateralVerifier verifier(*anchors_.intel, root_crl ? &*root_crl : nullptr, now_,
                                    checks_);
        PlatformChecker platform(checks_);
        std::optional<TcbJudgement> enclave;
        if (collateral_.qe_identity) {
            QeIdentity identity = TRY(verifier.verify_qe_identity(*collateral_.qe_identity));
            TRY(check_evaluation(identity.evaluation, "enclaveIdentity"));
            enclave = TRY(platform.judge_enclave(identity, quote.qe_report));
        } else {
            TRY(leave_out(TdxCheck::qe_identity));
            TRY(platform.check_enclave_unlisted(quote.qe_report));
        }
        if (!collateral_.tcb_info) {
            TRY(leave_out(TdxCheck::tcb_info));
            TRY(platform.check_module_unlisted(quote.body));
            return check_enclave_alone(enclave);
        }
        TcbInfo info = TRY(verifier.verify_tcb_info(*collateral_.tcb_info));
        TRY(check_evaluation(info.evaluation, "tcbInfo"));
        TdTcb tcb = TRY(platform.judge(info, quote.body, pck, enclave));
        TRY(check_status(tcb.status));
        return std::optional<TdTcb>(std::move(tcb));
    }

    Result<std::optional<TdTcb>> check_enclave_alone(const std::optional<TcbJudgement>& enclave) {
        if (enclave) TRY(check_status(enclave->status));
        return std::optional<TdTcb>();
    }

    Result<void> check_evaluation(uint64_t evaluation, std::string_view field) {
        return checks_.require(evaluation >= rules_.minimum_evaluation, "TDX-EVALUATION", field,
                               fmt::format("at least {}", rules_.minimum_evaluation),
                               fmt::format("{}", evaluation));
    }

    Result<void> check_status(TcbStatus status) {
        std::string accepted;
        for (TcbStatus one : rules_.accepted_status) {
            if (one == TcbStatus::revoked) continue;
            accepted += fmt::format("{}{}", accepted.empty() ? "" : " or ", tcb_status_name(one));
        }
        bool ok = status != TcbStatus::revoked && rules_.accepted_status.contains(status);
        return checks_.require(ok, "TDX-TCB-STATUS", "tcbStatus", accepted,
                               std::string(tcb_status_name(status)));
    }

    Result<void> check_rules(const TdReport& report) {
        const TdAttributes& attributes = report.td_attributes;
        std::string found = fmt::format("{:#x}", attributes.raw);
        TRY(checks_.require(!attributes.debug() || rules_.allow_debug, "TDX-DEBUG",
                            "td_attributes.debug",
                            rules_.allow_debug ? "0 or 1: these rules allow it" : "0",
                            attributes.debug() ? "1" : "0"));
        bool sound = attributes.other_untrusted_bits() == 0 && !attributes.migratable() &&
                     attributes.unknown_bits() == 0;
        TRY(checks_.require(sound, "TDX-ATTRIBUTES", "td_attributes",
                            "neither profiling, migration nor unknown bits", found));
        uint64_t required = rules_.required_attributes;
        TRY(checks_.require((attributes.raw & required) == required, "TDX-ATTRIBUTES-REQUIRED",
                            "td_attributes", fmt::format("all bits of {:#x}", required), found));
        if (!rules_.report_data) return {};
        return checks_.require(equal(report.report_data, *rules_.report_data), "TDX-REPORT-DATA",
                               "report_data", encode_hex(*rules_.report_data),
                               encode_hex(report.report_data));
    }

    const TdxCollateral& collateral_;
    const TrustAnchors& anchors_;
    const TdxRules& rules_;
    Time now_;
    Checks& checks_;
    std::vector<std::string> not_checked_;
};

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

Result<VerifiedTdQuote> verify_tdx(ByteView quote, const TdxCollateral& collateral,
                                   const TrustAnchors& anchors, const TdxRules& rules, Time now,
                                   Checks& checks) {
    return TdxVerifier(collateral, anchors, rules, now, checks).verify(quote);
}

}  // namespace vouchsafe::evidence
