// Packs of collateral in one file, and the names in them. Oracle: what was read, written again,
// reads back the same; and no piece that is not recorded verifies.
#include <algorithm>

#include "fuzz/recorded.h"
#include "vouchsafe/attest/collateral/collateral_pack.h"

using namespace vouchsafe;
using namespace vouchsafe::attest;

namespace {

const std::vector<Bytes>& genuine() {
    static const std::vector<Bytes> kGenuine = {
        fuzz::recorded("tdx/collateral/root-2023.crl.der"),
        fuzz::recorded("tdx/collateral/root-2026.crl.der"),
        fuzz::recorded("tdx/collateral/qeidentity-td-2026.json"),
    };
    return kGenuine;
}

// A piece verifies only if its signed part is a recorded one: white space around Intel's signed
// object is nobody's.
void judge(const CollateralPiece& piece) {
    constexpr Time kNow{Seconds{1'774'000'000}};  // March 2026
    Checks checks;
    auto verified = verify_piece(piece, {evidence::vendor_anchors(), nullptr, kNow}, checks);
    fuzz::require_reason(verified);
    if (!verified) return;
    bool document = piece.name.kind == CollateralName::Kind::qe_identity;
    fuzz::require(document ||
                  std::ranges::find(genuine(), verified->piece().bytes) != genuine().end());
    fuzz::require(!document || verified->issued() == Time{Seconds{1'773'699'363}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto text = as_text(ByteView(data, size));
    if (auto name = CollateralName::parse(text)) fuzz::require(name->text() == text);
    auto pieces = parse_pack_file(text);
    if (!pieces) return 0;
    std::string again = encode_pack_file(*pieces, Time{});
    auto reread = parse_pack_file(again);
    fuzz::require(reread && encode_pack_file(*reread, Time{}) == again);
    for (const CollateralPiece& piece : *pieces) judge(piece);
    return 0;
}
