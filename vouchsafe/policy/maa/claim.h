// Claims: what rules of an attestation policy look at and make (azure-api C.6).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::policy {

// ClaimValue is a String, an Integer or a Boolean. Values of different types are never equal.
using ClaimValue = std::variant<std::string, int64_t, bool>;

std::string_view value_type_name(const ClaimValue& value);  // "String", "Integer" or "Boolean"
Json value_to_json(const ClaimValue& value);

enum class ClaimIssuer {
    attestation_service,  // read from evidence that was verified
    attestation_policy,   // made by add() or issue()
    custom_claim,         // sent by the client, unverified
};
std::string_view issuer_name(ClaimIssuer issuer);  // "AttestationService" and so on

struct Claim {
    std::string type;  // its name
    ClaimValue value;
    ClaimIssuer issuer = ClaimIssuer::custom_claim;
    // A claim that is read-only may be compared, but neither it nor what is computed from it may be
    // issued.
    bool read_only = false;

    bool operator==(const Claim&) const = default;
};

// The claims of Azure's service that are read-only (policy version 1.2: "PCRs are read-only").
inline constexpr std::string_view kReadOnlyClaims[] = {"pcrs"};

// claims_from_json makes claims of the members of a JSON object, in the order of their names. What
// becomes of a member:
//
//   string, true, false, integer of 64 bits with sign   a claim of that value
//   any other number                                    a String claim, the number as JSON text
//   null, and an empty array                            no claim
//   array of strings, numbers, booleans and nulls       one claim for each element that is not null
//   object, array with an object or array in it         a String claim, compact JSON text, members
//                                                       sorted by name: for JmesPath()
//
// The last is our decision where Azure's documents are silent: in 1.0 and 1.1 nothing can look into
// such a claim, in 1.2 JmesPath() can. Claims of `issuer` AttestationService named in
// kReadOnlyClaims are read-only. Code::invalid if it is no object or has a member without a name.
Result<std::vector<Claim>> claims_from_json(const Json& object, ClaimIssuer issuer);

// claims_to_json is the object of the claims as a token carries them: one claim of a type is its
// value, several are an array in the order they were made, without repetitions.
Json claims_to_json(const std::vector<Claim>& claims);

// show_claim writes `type == "x", value == true, issuer == "AttestationService"`, printable ASCII.
std::string show_claim(const Claim& claim);

}  // namespace vouchsafe::policy
