// Collateral: what vendors publish about their processors and a verifier needs beside the evidence.
// AMD's revocation lists; Intel's TCB info and identity of the quoting enclave, each for trust
// domains and for SGX enclaves, and revocation lists. (VCEKs and VLEKs come with the evidence.)
// Here is one piece of it: its name, its bytes, and its verification under the pinned roots.
// Nothing here does I/O.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/evidence/tdx/verified_collateral.h"

namespace vouchsafe::attest {

enum class PckCa { processor, platform };
std::string_view pck_ca_name(PckCa ca);  // "processor", "platform": as Intel's URLs say it
using Fmspc = std::array<uint8_t, 6>;

// CollateralName says what a piece is. Its text is also the name of the piece's file in a pack.
struct CollateralName {
    enum class Kind { amd_vcek_crl, amd_vlek_crl, root_crl, pck_crl, tcb_info, qe_identity };
    Kind kind = Kind::root_crl;
    evidence::SnpProduct product = evidence::SnpProduct::milan;  // of amd_*
    PckCa ca = PckCa::platform;                                  // of pck_crl
    Fmspc fmspc{};                                               // of tcb_info
    evidence::IntelTee tee = evidence::IntelTee::tdx;            // of tcb_info, qe_identity

    static CollateralName amd_vcek_crl(evidence::SnpProduct product);
    static CollateralName amd_vlek_crl(evidence::SnpProduct product);
    static CollateralName root_crl();
    static CollateralName pck_crl(PckCa ca);
    static CollateralName tcb_info(const Fmspc& fmspc,
                                   evidence::IntelTee tee = evidence::IntelTee::tdx);
    static CollateralName qe_identity(evidence::IntelTee tee = evidence::IntelTee::tdx);

    // "amd/milan.crl", "amd/milan-vlek.crl", "intel/root.crl", "intel/pck-platform.crl",
    // "intel/tcb-90c06f000000.json", "intel/qe-identity-td.json"; those for SGX:
    // "intel/sgx-tcb-00606a000000.json", "intel/qe-identity-sgx.json".
    std::string text() const;
    // parse reads exactly what text() writes; anything else is Code::invalid.
    static Result<CollateralName> parse(std::string_view text);

    bool of_amd() const { return kind == Kind::amd_vcek_crl || kind == Kind::amd_vlek_crl; }
    // has_issuer_chain: Intel serves the piece with the certificates of its signer.
    bool has_issuer_chain() const {
        return kind == Kind::pck_crl || kind == Kind::tcb_info || kind == Kind::qe_identity;
    }
    auto operator<=>(const CollateralName&) const = default;
};

inline constexpr size_t kMaxCollateralBytes = 4 << 20;   // of a piece
inline constexpr size_t kMaxCollateralChain = 32 << 10;  // of an issuer chain

// CollateralPiece is a piece as it came. Nothing in it is trusted.
struct CollateralPiece {
    CollateralName name;
    Bytes bytes;                       // a list in DER or PEM, or Intel's JSON as served
    std::string issuer_chain = {};     // PEM: the signer and the root; only has_issuer_chain()
    std::string source = {};           // where it was got: a URL, or words; "" if nobody knows
    std::optional<Time> fetched = {};  // when
};

// VerifiedPiece exists only if verify_piece said yes: the piece is signed by who should sign it,
// and is what its name says. It may have run out. Immutable.
class VerifiedPiece {
  public:
    const CollateralPiece& piece() const { return piece_; }
    const CollateralName& name() const { return piece_.name; }
    Time issued() const { return issued_; }          // thisUpdate, issueDate
    Time valid_from() const { return valid_from_; }  // of the piece and its signers together
    Time valid_to() const { return valid_to_; }
    bool in_force(Time now) const { return valid_from_ <= now && now <= valid_to_; }
    // Intel's tcbEvaluationDataNumber; 0 for lists.
    uint64_t evaluation() const { return evaluation_; }
    const std::optional<crypto::Crl>& crl() const { return crl_; }  // of lists

    // older_than: by tcbEvaluationDataNumber, then by date of issue.
    bool older_than(const VerifiedPiece& other) const {
        return std::pair(evaluation_, issued_) < std::pair(other.evaluation_, other.issued_);
    }
    // confirmed is the same piece, got again.
    VerifiedPiece confirmed(std::string source, std::optional<Time> fetched) const;

  private:
    friend class PieceVerifier;  // collateral_piece.cpp alone
    explicit VerifiedPiece(CollateralPiece piece) : piece_(std::move(piece)) {}

    CollateralPiece piece_;
    Time issued_, valid_from_, valid_to_;
    uint64_t evaluation_ = 0;
    std::optional<crypto::Crl> crl_;
};

// PieceTerms is what pieces are held against. Borrows.
struct PieceTerms {
    const evidence::TrustAnchors& anchors;
    // A list of Intel's root that was verified: pieces of a signer on it are refused. nullptr:
    // there is none yet.
    const crypto::Crl* root_crl = nullptr;
    Time now;
};

// verify_piece verifies signature, signer and name of a piece, and that it has begun to be valid;
// its end may be past. Fails with COLLATERAL-FORM, -PLACE, -DATES, and as the verifiers of evidence
// do (SNP-CRL-*, TDX-CRL-*, TDX-CHAIN-*, TDX-COLLATERAL-*, SGX-COLLATERAL-FORM, TDX-REVOKED). An
// issuer chain is kept as its certificates alone, whatever text stood around them.
Result<VerifiedPiece> verify_piece(CollateralPiece piece, const PieceTerms& terms, Checks& checks);

// check_in_force fails with COLLATERAL-DATES unless the piece is valid at `now`.
Result<void> check_in_force(const VerifiedPiece& piece, Time now, Checks& checks);

// check_not_older fails with COLLATERAL-OLDER if `held`, of the same name, is newer.
Result<void> check_not_older(const VerifiedPiece& piece, const VerifiedPiece& held, Checks& checks);

// TdxPlatform says which collateral a quote needs.
struct TdxPlatform {
    Fmspc fmspc{};
    PckCa ca = PckCa::platform;
};

// tdx_platform_of reads it from the quote's PCK certificate, whose chain must lead to Intel's
// pinned root by signatures: so nobody makes up platforms that are then asked for. Nothing else of
// the quote is verified. Fails as TdxQuote::parse does, with Code::bad_evidence, or Code::invalid.
Result<TdxPlatform> tdx_platform_of(ByteView quote, const evidence::TrustAnchors& anchors,
                                    Checks& checks);
// sgx_platform_of is the same for the quote of an SGX enclave. Fails as SgxQuote::parse does,
// with Code::bad_evidence, or Code::invalid.
Result<TdxPlatform> sgx_platform_of(ByteView quote, const evidence::TrustAnchors& anchors,
                                    Checks& checks);

}  // namespace vouchsafe::attest
