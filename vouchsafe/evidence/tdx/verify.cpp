#include "vouchsafe/evidence/tdx/verify.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/tdx/platform.h"

namespace vouchsafe::evidence {

using crypto::Certificate;

namespace {

Result<void> verify_es256(ByteView key, ByteView message, ByteView signature) {
    auto public_key =
        TRY(crypto::PublicKey::from_ec(crypto::Curve::p256, key.first(32), key.subspan(32)));
    return public_key.verify(crypto::SigAlg::es256, message, signature);
}

// SignedQuote is a quote whose signatures hold up to the pinned root.
struct SignedQuote {
    TdxQuote quote;
    PckChain chain;
    PckInfo pck;
    PckIssuer issuer;
};

}  // namespace

// TdxVerifier makes the checks of one quote.
class TdxVerifier {
  public:
    static Result<VerifiedTdQuote> verify(ByteView bytes, const TdxCollateral& collateral,
                                          const TrustAnchors& anchors, const TdxRules& rules,
                                          Time now, Checks& checks) {
        TdxVerifier verifier(rules, now, checks);
        const Certificate* root = anchors.intel ? &*anchors.intel : nullptr;
        SignedQuote quote =
            TRY(verifier.authenticate(bytes, PckChainVerifier(root, nullptr, now, checks)));
        VerifiedTdxCollateral verified =
            TRY(TdxCollateralVerifier(collateral, anchors, now, checks).verify(quote.issuer));
        return verifier.judge(std::move(quote), verified);
    }

    static Result<VerifiedTdQuote> verify(ByteView bytes, const VerifiedTdxCollateral& collateral,
                                          const TdxRules& rules, Time now, Checks& checks) {
        TdxVerifier verifier(rules, now, checks);
        const PckIssuer* known = collateral.issuer_ ? &*collateral.issuer_ : nullptr;
        PckChainVerifier chain(&collateral.root_, known, now, checks);
        SignedQuote quote = TRY(verifier.authenticate(bytes, chain));
        for (const CollateralValidity& validity : collateral.validities_) {
            TRY(validity.check(now, checks));
        }
        return verifier.judge(std::move(quote), collateral);
    }

  private:
    TdxVerifier(const TdxRules& rules, Time now, Checks& checks)
        : rules_(rules), now_(now), checks_(checks) {}

    // authenticate makes all checks that need no collateral but the pinned root.
    Result<SignedQuote> authenticate(ByteView bytes, PckChainVerifier verifier) {
        TdxQuote quote = TRY(TdxQuote::parse(bytes, checks_));
        TRY(check_signature(quote, bytes));
        TRY(check_binding(quote));
        PckChain chain = TRY(verifier.read(quote.pck_chain));
        PckInfo pck = TRY(read_pck(chain.leaf));
        TRY(check_qe_signature(quote, pck));
        PckIssuer issuer = TRY(verifier.verify(chain));
        return SignedQuote{std::move(quote), std::move(chain), std::move(pck), std::move(issuer)};
    }

    // judge makes the others.
    Result<VerifiedTdQuote> judge(SignedQuote one, const VerifiedTdxCollateral& collateral) {
        TRY(check_revocation(one.chain, collateral));
        std::optional<TdTcb> tcb = TRY(check_tcb(one.quote, one.pck, collateral));
        TRY(check_rules(one.quote.body));
        return VerifiedTdQuote(std::move(one.quote), collateral.tier(), std::move(one.pck),
                               one.chain.leaf, std::move(tcb), std::move(not_checked_));
    }

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

    // leave_out notes what cannot be checked, if the rules allow that.
    Result<void> leave_out(TdxCheck check) {
        std::string name(tdx_check_name(check));
        TRY(checks_.require(rules_.may_be_unchecked.contains(check), "TDX-NOT-CHECKED", name,
                            "checked, or allowed to be left out", "no collateral at hand"));
        not_checked_.push_back(std::move(name));
        return {};
    }

    // check_revocation uses what lists there are; with one of two, revocation was not checked. The
    // collateral answers for its own issuer; any other is looked up here, and has to have signed
    // the list.
    Result<void> check_revocation(const PckChain& chain, const VerifiedTdxCollateral& collateral) {
        bool known =
            collateral.issuer_ && equal(chain.issuer.der(), collateral.issuer_->certificate.der());
        if (collateral.root_crl_ && !known) {
            TRY(check_not_revoked(*collateral.root_crl_, chain.issuer, "intermediate", checks_));
        }
        if (collateral.pck_crl_) {
            if (!known) {
                TRY(check_crl_signature(*collateral.pck_crl_, chain.issuer, "PCK CRL", checks_));
            }
            TRY(check_not_revoked(*collateral.pck_crl_, chain.leaf, "PCK", checks_));
        }
        if (collateral.root_crl_ && collateral.pck_crl_) return {};
        return leave_out(TdxCheck::revocation);
    }

    Result<std::optional<TdTcb>> check_tcb(const TdxQuote& quote, const PckInfo& pck,
                                           const VerifiedTdxCollateral& collateral) {
        PlatformChecker platform(checks_);
        std::optional<TcbJudgement> enclave;
        if (const auto& identity = collateral.qe_identity()) {
            TRY(check_evaluation(identity->evaluation, "enclaveIdentity"));
            enclave = TRY(platform.judge_enclave(*identity, quote.qe_report));
        } else {
            TRY(leave_out(TdxCheck::qe_identity));
            TRY(platform.check_enclave_unlisted(quote.qe_report));
        }
        const std::optional<TcbInfo>& info = collateral.tcb_info();
        if (!info) {
            TRY(leave_out(TdxCheck::tcb_info));
            TRY(platform.check_module_unlisted(quote.body));
            return check_enclave_alone(enclave);
        }
        TRY(check_evaluation(info->evaluation, "tcbInfo"));
        TdTcb tcb = TRY(platform.judge(*info, quote.body, pck, enclave));
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
    return TdxVerifier::verify(quote, collateral, anchors, rules, now, checks);
}

Result<VerifiedTdQuote> verify_tdx(ByteView quote, const VerifiedTdxCollateral& collateral,
                                   const TdxRules& rules, Time now, Checks& checks) {
    return TdxVerifier::verify(quote, collateral, rules, now, checks);
}

}  // namespace vouchsafe::evidence
