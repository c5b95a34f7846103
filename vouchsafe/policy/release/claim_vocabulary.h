// What is known of the claims that release policies name: paths into tokens of Azure's vocabulary
// and ours. Private to policy/release/.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::policy {

// token_claim strips the place of a machine's claims in tokens of guests with a vTPM, and gives the
// name under which the claim is known.
std::string_view token_claim(std::string_view path);

// is_token_claim tells whether some token has such a claim. Claims that policies issue, runtime
// data and results in other vocabularies (EAR) can have any name.
bool is_token_claim(std::string_view path);

// nearest_claim is the known path that is at most a few slips away, "" if none is.
std::string nearest_claim(std::string_view path);

// is_callers_word tells whether nobody but the machine's own software vouches for the claim.
bool is_callers_word(std::string_view path);

// claim_kind is nullopt where it is not known.
std::optional<ClaimKind> claim_kind(std::string_view path);

bool is_debug_claim(std::string_view path);     // tells whether the host may read the memory
bool is_machine_claim(std::string_view path);   // tells one machine, owner or enclave from others
bool is_workload_claim(std::string_view path);  // tells what runs; machine claims do too

}  // namespace vouchsafe::policy
