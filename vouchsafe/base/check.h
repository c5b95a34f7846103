// Checks: what a verifier looked at, and why it said no.
//
// Every check has a stable code from one table (check_catalog.cpp) that also says what the rule is,
// where it comes from and what to do when it fails. `vouchsafe explain --list` prints that table.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vouchsafe {

enum class Code;

// CheckInfo is one row of the catalogue. All views point at string literals.
struct CheckInfo {
    std::string_view code;    // "SNP-POLICY-DEBUG"; never reused for another meaning
    Code error;               // the kind of error its failure is
    std::string_view what;    // what is compared, one sentence
    std::string_view source;  // the rule's origin: specification and section
    std::string_view remedy;  // what a person can do about a failure
};

// check_catalog returns every check this program can make, in a fixed order.
std::span<const CheckInfo> check_catalog();

// find_check_info returns the row of `code`, or nullptr if there is none.
const CheckInfo* find_check_info(std::string_view code);

// Check is one comparison that was made. `expected` and `found` are for people and never contain
// secrets.
struct Check {
    std::string code;
    std::string field;  // the claim, register or field, e.g. "policy.debug"
    std::string expected;
    std::string found;
    bool passed = false;
};

}  // namespace vouchsafe
