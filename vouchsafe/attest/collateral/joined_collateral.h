// Pieces of Intel's that one verification takes together, and what is told of them.
#pragma once

#include <memory>

#include "vouchsafe/attest/collateral/collateral_piece.h"

namespace vouchsafe::attest {

using PiecePtr = std::shared_ptr<const VerifiedPiece>;

// TdxParts is what one VerifiedTdxCollateral is made of; nullptr is what is not at hand.
struct TdxParts {
    evidence::IntelTee tee = evidence::IntelTee::tdx;
    PiecePtr root_crl, pck_crl, tcb_info, qe_identity;
    bool operator==(const TdxParts&) const = default;
};
evidence::TdxCollateral join(const TdxParts& parts);

// UsedDocuments are hex SHA-256 of what was verified together: Intel's documents as served, their
// signers' chains in PEM, the root's list in DER; "" of what is not there.
struct UsedDocuments {
    std::string tcb_info, tcb_info_chain, qe_identity, qe_identity_chain, root_crl;
};
UsedDocuments used_documents(const TdxParts& parts);

}  // namespace vouchsafe::attest
