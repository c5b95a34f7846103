// Packs in one file, for carrying them to machines without a network.
#include <algorithm>

#include "vouchsafe/attest/collateral/collateral_pack.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kPackSchema = "vouchsafe/collateral/1";
constexpr size_t kMaxSource = 2048;

Result<void> expect_members(const Json& object, std::initializer_list<std::string_view> known) {
    if (!object.is_object()) return fail(Code::invalid, "a piece that is no object");
    for (const auto& [name, value] : object.items()) {
        if (std::ranges::find(known, std::string_view(name)) == known.end()) {
            return fail(Code::invalid, "a member {} that is not known", show_json(name));
        }
    }
    return {};
}

Json encode_piece(const CollateralPiece& piece) {
    Json out{{"name", piece.name.text()}, {"bytes", encode_base64(piece.bytes)}};
    if (!piece.issuer_chain.empty()) out["issuer_chain"] = piece.issuer_chain;
    if (!piece.source.empty()) out["from"] = piece.source;
    if (piece.fetched) out["fetched"] = format_rfc3339(*piece.fetched);
    return out;
}

Result<CollateralPiece> parse_piece(const Json& json) {
    TRY(expect_members(json, {"name", "bytes", "issuer_chain", "from", "fetched"}));
    CollateralPiece out;
    out.name = TRY(CollateralName::parse(TRY(json_string(json, "name"))));
    out.bytes = TRY(decode_base64(TRY(json_string(json, "bytes"))));
    out.issuer_chain = TRY(json_optional_string(json, "issuer_chain")).value_or("");
    out.source = TRY(json_optional_string(json, "from")).value_or("");
    if (auto fetched = TRY(json_optional_string(json, "fetched"))) {
        out.fetched = TRY(parse_rfc3339(*fetched));
    }
    if (out.bytes.size() > kMaxCollateralBytes || out.issuer_chain.size() > kMaxCollateralChain ||
        out.source.size() > kMaxSource) {
        return fail(Code::invalid, "{} is too long", out.name.text());
    }
    if (!out.name.has_issuer_chain() && !out.issuer_chain.empty()) {
        return fail(Code::invalid, "{} has no issuer chain", out.name.text());
    }
    return out;
}

// newest_root_crl is the list of Intel's root that the pieces of a pack are held against: the
// pack's or the folder's.
Result<std::optional<crypto::Crl>> newest_root_crl(const std::vector<CollateralPiece>& pieces,
                                                   const VerifiedCollateral& held,
                                                   const PieceTerms& terms, Checks& checks) {
    const VerifiedPiece* newest = held.find(CollateralName::root_crl());
    std::optional<crypto::Crl> out;
    if (newest != nullptr) out = newest->crl();
    for (const CollateralPiece& piece : pieces) {
        if (piece.name != CollateralName::root_crl()) continue;
        VerifiedPiece verified = TRY(verify_piece(piece, terms, checks));
        if (newest == nullptr || !verified.older_than(*newest)) out = verified.crl();
    }
    return out;
}

// VerifiedPack is what verified of a pack file, and the root's list that it was held against.
struct VerifiedPack {
    std::vector<VerifiedPiece> pieces;
    std::optional<crypto::Crl> root_crl;

    PieceTerms terms(const evidence::TrustAnchors& anchors, Time now) const {
        return {anchors, root_crl ? &*root_crl : nullptr, now};
    }
};

Result<VerifiedPack> verify_pack(std::string_view text, const VerifiedCollateral& held,
                                 const evidence::TrustAnchors& anchors, Time now, Checks& checks) {
    auto parsed = parse_pack_file(text);
    TRY(checks.require(parsed.has_value(), "COLLATERAL-FORM", "pack", std::string(kPackSchema),
                       parsed ? fmt::format("{} pieces", parsed->size()) : parsed.error().message));
    std::vector<CollateralPiece> pieces = TRY(std::move(parsed));
    VerifiedPack out;
    out.root_crl = TRY(newest_root_crl(pieces, held, {anchors, nullptr, now}, checks));
    const PieceTerms terms = out.terms(anchors, now);
    for (CollateralPiece& piece : pieces) {
        out.pieces.push_back(TRY(verify_piece(std::move(piece), terms, checks)));
    }
    return out;
}

}  // namespace

std::string encode_pack_file(const std::vector<CollateralPiece>& pieces, Time made) {
    Json json{{"schema", kPackSchema}, {"made", format_rfc3339(made)}, {"pieces", Json::array()}};
    for (const CollateralPiece& piece : pieces) json["pieces"].push_back(encode_piece(piece));
    return dump_json_pretty(json) + "\n";
}

Result<std::vector<CollateralPiece>> parse_pack_file(std::string_view text) {
    Json json = TRY(parse_json_object(text, {.max_bytes = kMaxPackFile}));
    TRY(expect_members(json, {"schema", "made", "pieces"}));
    std::string schema = TRY(json_string(json, "schema"));
    if (schema != kPackSchema) {
        return fail(Code::invalid, "the schema is {}, not {}", show_json(schema), kPackSchema);
    }
    TRY(parse_rfc3339(TRY(json_string(json, "made"))));
    const Json* pieces = TRY(json_array(json, "pieces"));
    if (pieces->size() > CollateralPack::kMaxPieces) return fail(Code::invalid, "too many pieces");
    std::vector<CollateralPiece> out;
    for (const Json& piece : *pieces) {
        out.push_back(TRY(parse_piece(piece)));
        for (size_t i = 0; i + 1 < out.size(); ++i) {
            if (out[i].name != out.back().name) continue;
            return fail(Code::invalid, "{} is there twice", out[i].name.text());
        }
    }
    return out;
}

Result<std::vector<VerifiedPiece>> verify_pack_file(std::string_view text,
                                                    const evidence::TrustAnchors& anchors, Time now,
                                                    Checks& checks) {
    VerifiedPack pack = TRY(verify_pack(text, {}, anchors, now, checks));
    return std::move(pack.pieces);
}

Result<std::vector<KeptPiece>> import_pack_file(const CollateralPack& pack, std::string_view text,
                                                const evidence::TrustAnchors& anchors,
                                                Replace replace, Time now, Checks& checks) {
    VerifiedPack verified =
        TRY(verify_pack(text, pack.load_verified(anchors, now), anchors, now, checks));
    auto kept = TRY(pack.keep(verified.pieces, verified.terms(anchors, now), replace));
    auto left = [](const KeptPiece& one) { return one.outcome == KeptPiece::Outcome::left; };
    if (kept.empty() || !std::ranges::all_of(kept, left)) return kept;
    const Check& older = *kept.front().older;
    return checks.refuse(older.code, older.field, older.expected, older.found);
}

}  // namespace vouchsafe::attest
