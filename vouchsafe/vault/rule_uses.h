// Uses of a key with release rules, counted in the transaction that records the release: how many
// releases there were, and which tokens were used. Private to vault/.
//
//   table                    key                          value
//   vault_release_count      {rules id}                   how many releases
//   vault_used_token         {rules id}/{token hash}      when the token ends
//   vault_used_token_end     {end}/{rules id}/{hash}      ""; for sweeping
//
// They belong to the rules' id, which goes with the key where it goes, into backups and out of
// them: restoring a key gives no release back.
#pragma once

#include <string>

#include "vouchsafe/store/store.h"
#include "vouchsafe/vault/release_rules.h"

namespace vouchsafe::vault {

// How far the clocks of replicas may differ, or one be set back, without a used token being good
// again: so long it is remembered after its end.
inline constexpr Seconds kClocksDiffer{3600};

// TokenUse tells a token from others of its issuer.
struct TokenUse {
    std::string hash;  // of issuer and jti, or of what is signed if it has no jti
    int64_t end = 0;   // from then on the token verifies no more
};
// token_use takes a token that has been verified, with its claims. Where there is no jti, the
// signature is not hashed: some can be changed and still hold.
TokenUse token_use(const std::string& compact, const VerifiedClaims& token, Seconds skew);

// count_release makes VAULT-RULES-QUOTA and VAULT-RULES-SINGLE-USE, if the rules have them, and
// counts the release: exactly once if the transaction is committed, not at all if not. It returns
// the number of this release, from 1.
Result<int64_t> count_release(store::Transaction& tx, const std::string& rules_id,
                              const ReleaseRules& rules, const TokenUse& use, Time now,
                              Checks& checks);

// releases_of returns how many were counted.
Result<int64_t> releases_of(store::View& view, const std::string& rules_id);

}  // namespace vouchsafe::vault
