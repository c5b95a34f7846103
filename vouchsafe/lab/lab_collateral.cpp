#include "vouchsafe/lab/lab_collateral.h"

namespace vouchsafe::lab {

attest::CollateralPack collateral_pack_of(const Path& data_directory) {
    return attest::CollateralPack(data_directory / "collateral");
}

Result<void> ensure_lab_collateral(const Path& data_directory, const SimulatedRoot& root) {
    const auto name = attest::CollateralName::amd_vcek_crl(evidence::SnpProduct::milan);
    const attest::CollateralPack pack = collateral_pack_of(data_directory);
    std::error_code ignored;
    if (std::filesystem::exists(pack.folder() / name.text(), ignored)) return {};
    crypto::Crl list = TRY(root.issue_ark_list());
    attest::CollateralPiece piece{name, list.der()};
    piece.source = "made by this lab";
    piece.fetched = list.this_update();
    const evidence::TrustAnchors anchors = root.anchors();
    const attest::PieceTerms terms{anchors, nullptr, list.this_update()};
    Checks checks;
    const auto verified = TRY(attest::verify_piece(std::move(piece), terms, checks));
    TRY(pack.keep({&verified, 1}, terms, attest::Replace::older));
    return {};
}

}  // namespace vouchsafe::lab
