#include "vouchsafe/attest/collateral/collateral_piece.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/revocation.h"
#include "vouchsafe/evidence/sgx/quote.h"
#include "vouchsafe/evidence/tdx/pck.h"
#include "vouchsafe/evidence/tdx/quote.h"

namespace vouchsafe::attest {

using crypto::Certificate;
using crypto::Crl;
using evidence::IntelTee;
using evidence::SnpProduct;
using Kind = CollateralName::Kind;

namespace {

constexpr SnpProduct kProducts[] = {SnpProduct::milan, SnpProduct::genoa, SnpProduct::turin};
constexpr evidence::RevocationCodes kAmdCodes{"SNP-CRL-SIGNATURE", "SNP-CRL-DATES", "SNP-REVOKED"};

CollateralName of_kind(Kind kind) {
    CollateralName out;
    out.kind = kind;
    return out;
}

std::string_view tcb_prefix(IntelTee tee) {
    return tee == IntelTee::sgx ? "intel/sgx-tcb-" : "intel/tcb-";
}

// common_name_of a PCK CA's certificate (Intel SGX PCK Certificate and CRL Profile, 1.2).
std::string_view common_name_of(PckCa ca) {
    return ca == PckCa::platform ? "Intel SGX PCK Platform CA" : "Intel SGX PCK Processor CA";
}

Time clamp_time(Time now, Time from, Time to) {
    return from <= to ? std::clamp(now, from, to) : now;
}

// stated_member finds when a document says that it is valid. It is not verified then: verification
// holds it against what the signature covers.
Result<Time> stated_member(const Json& document, std::string_view member, std::string_view name) {
    const Json* inner = TRY(json_object(document, member));
    return parse_rfc3339(TRY(json_string(*inner, name)));
}

}  // namespace

std::string_view pck_ca_name(PckCa ca) {
    return ca == PckCa::platform ? "platform" : "processor";
}

CollateralName CollateralName::amd_vcek_crl(SnpProduct product) {
    CollateralName out = of_kind(Kind::amd_vcek_crl);
    out.product = product;
    return out;
}
CollateralName CollateralName::amd_vlek_crl(SnpProduct product) {
    CollateralName out = of_kind(Kind::amd_vlek_crl);
    out.product = product;
    return out;
}
CollateralName CollateralName::root_crl() {
    return of_kind(Kind::root_crl);
}
CollateralName CollateralName::pck_crl(PckCa ca) {
    CollateralName out = of_kind(Kind::pck_crl);
    out.ca = ca;
    return out;
}
CollateralName CollateralName::tcb_info(const Fmspc& fmspc, IntelTee tee) {
    CollateralName out = of_kind(Kind::tcb_info);
    out.fmspc = fmspc;
    out.tee = tee;
    return out;
}
CollateralName CollateralName::qe_identity(IntelTee tee) {
    CollateralName out = of_kind(Kind::qe_identity);
    out.tee = tee;
    return out;
}

std::string CollateralName::text() const {
    switch (kind) {
        case Kind::amd_vcek_crl:
            return fmt::format("amd/{}.crl", to_lower(evidence::product_name(product)));
        case Kind::amd_vlek_crl:
            return fmt::format("amd/{}-vlek.crl", to_lower(evidence::product_name(product)));
        case Kind::root_crl:
            return "intel/root.crl";
        case Kind::pck_crl:
            return fmt::format("intel/pck-{}.crl", pck_ca_name(ca));
        case Kind::tcb_info:
            return fmt::format("{}{}.json", tcb_prefix(tee), encode_hex(fmspc));
        case Kind::qe_identity:
            break;
    }
    return fmt::format("intel/qe-identity-{}.json", tee == IntelTee::sgx ? "sgx" : "td");
}

Result<CollateralName> CollateralName::parse(std::string_view text) {
    std::vector<CollateralName> known = {root_crl(), pck_crl(PckCa::platform),
                                         pck_crl(PckCa::processor), qe_identity(),
                                         qe_identity(IntelTee::sgx)};
    for (SnpProduct product : kProducts) {
        known.push_back(amd_vcek_crl(product));
        known.push_back(amd_vlek_crl(product));
    }
    for (IntelTee tee : {IntelTee::tdx, IntelTee::sgx}) {
        const std::string_view prefix = tcb_prefix(tee);
        if (!text.starts_with(prefix)) continue;
        auto bytes = decode_hex(text.substr(prefix.size(), 2 * Fmspc().size()));
        Fmspc fmspc{};
        if (bytes && bytes->size() == fmspc.size()) {
            std::copy(bytes->begin(), bytes->end(), fmspc.begin());
            known.push_back(tcb_info(fmspc, tee));
        }
    }
    for (const CollateralName& name : known) {
        if (name.text() == text) return name;
    }
    return fail(Code::invalid, "{} is no piece of collateral", show_json(std::string(text)));
}

VerifiedPiece VerifiedPiece::confirmed(std::string source, std::optional<Time> fetched) const {
    VerifiedPiece out = *this;
    out.piece_.source = std::move(source);
    out.piece_.fetched = fetched;
    return out;
}

// PieceVerifier verifies one piece. Borrows what it is given.
class PieceVerifier {
  public:
    PieceVerifier(const PieceTerms& terms, Checks& checks)
        : anchors_(terms.anchors), root_crl_(terms.root_crl), now_(terms.now), checks_(checks) {}

    Result<VerifiedPiece> verify(CollateralPiece piece) {
        VerifiedPiece out(std::move(piece));
        bool fits = out.piece_.bytes.size() <= kMaxCollateralBytes &&
                    out.piece_.issuer_chain.size() <= kMaxCollateralChain;
        TRY(checks_.require(
            fits, "COLLATERAL-FORM", out.name().text(),
            fmt::format("at most {} bytes, its chain {}", kMaxCollateralBytes, kMaxCollateralChain),
            fmt::format("{} and {}", out.piece_.bytes.size(), out.piece_.issuer_chain.size())));
        if (out.name().of_amd()) {
            TRY(verify_amd_list(out));
        } else {
            TRY(verify_intel(out));
        }
        TRY(check_begun(out));
        return out;
    }

  private:
    // A list is kept in DER, however it came.
    Result<Crl> read_list(VerifiedPiece& out) {
        auto parsed = Crl::parse_any(out.piece_.bytes);
        TRY(checks_.require(parsed.has_value(), "COLLATERAL-FORM", out.name().text(),
                            "a complete revocation list",
                            parsed ? "well formed" : parsed.error().message));
        Crl crl = TRY(std::move(parsed));
        out.piece_.bytes = crl.der();
        return crl;
    }

    Result<void> check_begun(const VerifiedPiece& out) {
        return checks_.require(out.valid_from_ <= now_, "COLLATERAL-DATES", out.name().text(),
                               fmt::format("valid since {}", format_rfc3339(out.valid_from_)),
                               format_rfc3339(now_));
    }

    // The issuer must be one of the product's pinned keys. AMD KDS says that the ARK signs the
    // lists; those of ASK and ASVK count for verify_snp too.
    Result<Certificate> amd_issuer(const VerifiedPiece& out, const Crl& crl) {
        std::string expected = "none is pinned";
        for (const evidence::AmdRoot& root : anchors_.amd) {
            if (root.product != out.name().product) continue;
            expected = fmt::format("a list of {}", root.ark.subject());
            bool vlek = out.name().kind == Kind::amd_vlek_crl;
            for (const auto& issuer : {std::optional(root.ark), vlek ? root.asvk : root.ask}) {
                if (issuer && equal(issuer->subject_der(), crl.issuer_der()) &&
                    issuer->verify_signed_by(root.ark)) {
                    return *issuer;
                }
            }
        }
        return checks_.refuse("COLLATERAL-PLACE", out.name().text(), expected, crl.issuer());
    }

    Result<void> verify_amd_list(VerifiedPiece& out) {
        Crl crl = TRY(read_list(out));
        Certificate issuer = TRY(amd_issuer(out, crl));
        Time end = crl.next_update().value_or(now_);
        Time when = clamp_time(now_, crl.this_update(), end);
        TRY(evidence::check_crl(crl, issuer, {}, kAmdCodes, when, checks_));
        out.issued_ = crl.this_update();
        out.valid_from_ = std::max(crl.this_update(), issuer.not_before());
        out.valid_to_ = std::min(end, issuer.not_after());
        out.crl_ = std::move(crl);
        return {};
    }

    Result<void> verify_intel(VerifiedPiece& out) {
        evidence::TdxCollateral collateral;
        CollateralPiece& piece = out.piece_;
        collateral.tee = piece.name.tee;
        Time when = now_;
        if (piece.name.kind == Kind::root_crl || piece.name.kind == Kind::pck_crl) {
            out.crl_ = TRY(read_list(out));
            out.issued_ = out.crl_->this_update();
            when = clamp_time(now_, out.issued_, out.crl_->next_update().value_or(now_));
            bool root = piece.name.kind == Kind::root_crl;
            (root ? collateral.root_crl : collateral.pck_crl) = piece.bytes;
            if (!root) collateral.pck_issuer_chain = piece.issuer_chain;
        } else {
            bool tcb = piece.name.kind == Kind::tcb_info;
            when = time_for(to_text(piece.bytes), tcb ? "tcbInfo" : "enclaveIdentity");
            (tcb ? collateral.tcb_info : collateral.qe_identity) =
                evidence::SignedJson{to_text(piece.bytes), piece.issuer_chain};
        }
        auto verified = TRY(evidence::verify_tdx_collateral(collateral, anchors_, when, checks_));
        out.valid_from_ = verified.valid_from();
        out.valid_to_ = verified.valid_to();
        if (verified.tcb_info()) TRY(take_tcb_info(out, *verified.tcb_info()));
        if (verified.qe_identity()) {
            out.issued_ = verified.qe_identity()->issued;
            out.evaluation_ = verified.qe_identity()->evaluation;
        }
        return piece.name.has_issuer_chain() ? take_issuer(out) : Result<void>();
    }

    // time_for is now, or the nearest time for which a document claims to hold.
    Time time_for(const std::string& json, std::string_view member) const {
        auto document = parse_json_object(json);
        if (!document) return now_;
        auto from = stated_member(*document, member, "issueDate");
        auto to = stated_member(*document, member, "nextUpdate");
        return from && to ? clamp_time(now_, *from, *to) : now_;
    }

    Result<void> take_tcb_info(VerifiedPiece& out, const evidence::TcbInfo& info) {
        out.issued_ = info.issued;
        out.evaluation_ = info.evaluation;
        return checks_.require(
            info.fmspc == out.name().fmspc, "COLLATERAL-PLACE", out.name().text(),
            fmt::format("FMSPC {}", encode_hex(out.name().fmspc)), encode_hex(info.fmspc));
    }

    // The chain is verified here; what remains is whose it is and whether it was withdrawn.
    Result<void> take_issuer(VerifiedPiece& out) {
        CollateralPiece& piece = out.piece_;
        auto chain = TRY(evidence::parse_chain_to_root(piece.issuer_chain, *anchors_.intel));
        const Certificate& signer = chain.front();
        if (piece.name.kind == Kind::pck_crl) {
            std::string_view expected = common_name_of(piece.name.ca);
            TRY(checks_.require(signer.subject_common_name() == expected, "COLLATERAL-PLACE",
                                piece.name.text(), fmt::format("a list of the {}", expected),
                                signer.subject()));
        }
        if (root_crl_ != nullptr) {
            TRY(evidence::check_not_revoked(*root_crl_, signer, piece.name.text(), checks_));
        }
        piece.issuer_chain.clear();
        for (const Certificate& certificate : chain) piece.issuer_chain += certificate.pem();
        return {};
    }

    const evidence::TrustAnchors& anchors_;
    const Crl* root_crl_;
    Time now_;
    Checks& checks_;
};

Result<VerifiedPiece> verify_piece(CollateralPiece piece, const PieceTerms& terms, Checks& checks) {
    return PieceVerifier(terms, checks).verify(std::move(piece));
}

Result<void> check_in_force(const VerifiedPiece& piece, Time now, Checks& checks) {
    return checks.require(piece.in_force(now), "COLLATERAL-DATES", piece.name().text(),
                          fmt::format("in force from {} to {}", format_rfc3339(piece.valid_from()),
                                      format_rfc3339(piece.valid_to())),
                          format_rfc3339(now));
}

Result<void> check_not_older(const VerifiedPiece& piece, const VerifiedPiece& held,
                             Checks& checks) {
    auto describe = [](const VerifiedPiece& one) {
        return one.evaluation() == 0 ? format_rfc3339(one.issued())
                                     : fmt::format("evaluation {} of {}", one.evaluation(),
                                                   format_rfc3339(one.issued()));
    };
    return checks.require(!piece.older_than(held), "COLLATERAL-OLDER", piece.name().text(),
                          fmt::format("{} or newer", describe(held)), describe(piece));
}

namespace {

Result<TdxPlatform> platform_of(const evidence::QuoteParts& quote,
                                const evidence::TrustAnchors& anchors) {
    if (!anchors.intel) return fail(Code::bad_evidence, "no root of Intel's is pinned");
    auto chain = TRY(evidence::parse_chain_to_root(quote.pck_chain, *anchors.intel));
    if (chain.size() != 3) return fail(Code::bad_evidence, "the PCK chain has not three members");
    TRY(chain[0].verify_signed_by(chain[1]));
    TRY(chain[1].verify_signed_by(*anchors.intel));
    TdxPlatform out;
    out.fmspc = TRY(evidence::PckInfo::parse(chain[0])).fmspc;
    std::string issuer = chain[1].subject_common_name();
    if (issuer != common_name_of(PckCa::platform) && issuer != common_name_of(PckCa::processor)) {
        return fail(Code::bad_evidence, "{} is no PCK CA", chain[1].subject());
    }
    out.ca = issuer == common_name_of(PckCa::platform) ? PckCa::platform : PckCa::processor;
    return out;
}

}  // namespace

Result<TdxPlatform> tdx_platform_of(ByteView quote, const evidence::TrustAnchors& anchors,
                                    Checks& checks) {
    return platform_of(TRY(evidence::TdxQuote::parse(quote, checks)), anchors);
}

Result<TdxPlatform> sgx_platform_of(ByteView quote, const evidence::TrustAnchors& anchors,
                                    Checks& checks) {
    return platform_of(TRY(evidence::SgxQuote::parse(quote, checks)), anchors);
}

}  // namespace vouchsafe::attest
