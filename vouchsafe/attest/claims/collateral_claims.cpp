#include <algorithm>

#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

void add_collateral_claims(Json& claims, const std::vector<PiecePtr>& pieces, Time now) {
    if (pieces.empty()) return;
    Json told = Json::object();
    Time ends = pieces.front()->valid_to();
    std::optional<Time> got = now;
    for (const PiecePtr& piece : pieces) {
        Json times{{"issued", to_unix(piece->issued())}, {"valid-to", to_unix(piece->valid_to())}};
        ends = std::min(ends, piece->valid_to());
        const auto& fetched = piece->piece().fetched;
        if (fetched) times["fetched"] = to_unix(*fetched);
        got = fetched && got ? std::optional(std::min(*fetched, *got)) : std::nullopt;
        told[piece->name().text()] = std::move(times);
    }
    claims["x-vouchsafe-collateral"] = std::move(told);
    claims["x-vouchsafe-collateral-valid-to"] = to_unix(ends);
    if (got) claims["x-vouchsafe-collateral-age"] = to_unix(now) - to_unix(*got);
}

}  // namespace vouchsafe::attest
