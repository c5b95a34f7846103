#include "vouchsafe/vault/rule_uses.h"

#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::vault {

namespace {

constexpr std::string_view kCountTable = "vault_release_count";
constexpr std::string_view kUsedTable = "vault_used_token";
constexpr std::string_view kEndTable = "vault_used_token_end";
constexpr size_t kSweep = 16;  // records per use: more than one use adds, so the table shrinks

std::string end_key(int64_t end, std::string_view used) {
    return fmt::format("{:012}/{}", end, used);  // to the year 9999: text order is time order
}

// sweep removes tokens that verify no more, by nobody's clock.
Result<void> sweep(store::Transaction& tx, Time now) {
    for (const store::Record& record : TRY(tx.scan(kEndTable, "", "", kSweep))) {
        if (record.key >= end_key(to_unix(now - kClocksDiffer), "")) return {};
        TRY(tx.erase(kUsedTable, record.key.substr(record.key.find('/') + 1)));
        TRY(tx.erase(kEndTable, record.key));
    }
    return {};
}

Result<void> use_token(store::Transaction& tx, const std::string& rules_id, const TokenUse& use,
                       Time now, Checks& checks) {
    TRY(sweep(tx, now));
    const std::string used = rules_id + "/" + use.hash;
    const bool before = TRY(tx.get(kUsedTable, used)).has_value();
    TRY(checks.require(!before, "VAULT-RULES-SINGLE-USE", "jti", "a token that was not used yet",
                       before ? "used before" : "so"));
    TRY(tx.put(kUsedTable, used, as_bytes(std::to_string(use.end))));
    return tx.put(kEndTable, end_key(use.end, used), {});
}

}  // namespace

TokenUse token_use(const std::string& compact, const VerifiedClaims& token, Seconds skew) {
    const Json& claims = token.claims();
    const Json* jti = find_member(claims, "jti");
    const bool named = jti != nullptr && jti->is_string() && *jti != "";
    // As JSON, so that no issuer and jti look like another pair.
    const std::string name = named ? dump_json(Json::array({token.issuer(), *jti}))
                                   : compact.substr(0, compact.rfind('.'));
    const Json* exp = find_member(claims, "exp");  // verify_jwt required it
    return {encode_hex(crypto::sha256(as_bytes(name))), exp->get<int64_t>() + skew.count()};
}

Result<int64_t> releases_of(store::View& view, const std::string& rules_id) {
    if (rules_id.empty()) return 0;
    auto stored = TRY(view.get(kCountTable, rules_id));
    if (!stored) return 0;
    const std::string_view text = as_text(*stored);
    int64_t count = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail(Code::io, "the count of releases {} is damaged", rules_id);
    }
    return count;
}

Result<int64_t> count_release(store::Transaction& tx, const std::string& rules_id,
                              const ReleaseRules& rules, const TokenUse& use, Time now,
                              Checks& checks) {
    const int64_t before = TRY(releases_of(tx, rules_id));
    if (rules.max_releases) {
        TRY(checks.require(before < *rules.max_releases, "VAULT-RULES-QUOTA", "maxReleases",
                           fmt::format("at most {}", *rules.max_releases),
                           fmt::format("{} before this one", before)));
    }
    if (rules.single_use) TRY(use_token(tx, rules_id, use, now, checks));
    TRY(tx.put(kCountTable, rules_id, as_bytes(std::to_string(before + 1))));
    return before + 1;
}

}  // namespace vouchsafe::vault
