// Collateral at hand: what the attestation service verifies with. It holds the pieces of a pack in
// memory, verified; notices what other processes put into the pack; and where URLs are configured
// fetches what is missing, old or has run out, verifies it, and writes it back.
//
// How it behaves towards the vendors: one request at a time for a piece, however many need it; a
// piece in force is renewed in the background while it serves; a failure is not repeated before its
// time, and 429 with Retry-After keeps the whole service from being asked (CollateralConfig).
#pragma once

#include <memory>

#include "vouchsafe/attest/collateral/collateral_fetch.h"
#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/attest/collateral/joined_collateral.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::attest {

// HeldSnp has AMD's lists of a product that are in force.
struct HeldSnp {
    std::vector<crypto::Crl> crls;  // for SnpEndorsements::crls
    std::vector<PiecePtr> lists;    // the pieces that they come from, in the same order
    std::vector<CollateralProblem> missing;
};

// HeldTdx has Intel's collateral that is in force, verified together. What is missing is named;
// whether it may be is a question for the rules of verify_tdx and verify_sgx. If the parts do not
// hold together (a newer list revokes what signed another part) there is none, and no quote may be
// accepted as if nothing had been at hand: `refused` says by which check.
struct HeldTdx {
    std::shared_ptr<const evidence::VerifiedTdxCollateral> collateral;
    UsedDocuments used = {};
    std::vector<PiecePtr> pieces = {};  // that it is made of
    std::vector<CollateralProblem> missing = {};
    std::optional<Error> refused = {};
};

// CollateralStore is thread-safe. Only who needs a piece that is not at hand waits for a request,
// at most CollateralConfig::timeout for each of the vendor's services.
class CollateralStore {
  public:
    // create reads the pack. With URLs in `config` there must be a `fetch`. Borrows `clock`. Fails
    // with Code::invalid as check_urls does.
    static Result<std::unique_ptr<CollateralStore>> create(CollateralConfig config,
                                                           CollateralPack pack,
                                                           evidence::TrustAnchors anchors,
                                                           const Clock& clock, FetchUrl fetch = {});
    // of holds just these pieces: no folder, nothing is fetched. Borrows `clock`.
    static std::unique_ptr<CollateralStore> of(std::vector<VerifiedPiece> pieces,
                                               evidence::TrustAnchors anchors, const Clock& clock);
    ~CollateralStore();  // waits for a request under way

    // snp_crls: a VLEK's chain has the product's list and that of VLEKs, a VCEK's the first alone.
    HeldSnp snp_crls(evidence::SnpProduct product,
                     evidence::SnpSigner signer = evidence::SnpSigner::vcek);
    // tdx takes what tdx_platform_of says. Of platforms that the vendor does not know only so many
    // are asked for in a time; more are missing at once.
    HeldTdx tdx(const Fmspc& fmspc, PckCa ca);
    // sgx takes what sgx_platform_of says; the collateral is for verify_sgx.
    HeldTdx sgx(const Fmspc& fmspc, PckCa ca);

    // freshness tells of each piece: name, valid_from, valid_to, in_force, fetched, from (null if
    // nobody knows), and evaluation of Intel's documents; and of each problem: name and why.
    // {"pieces": [...], "problems": [...]}. Fetches nothing.
    Json freshness();

  private:
    struct Impl;
    explicit CollateralStore(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// describe_piece is what freshness() tells of one piece.
Json describe_piece(const VerifiedPiece& piece, Time now);

}  // namespace vouchsafe::attest
