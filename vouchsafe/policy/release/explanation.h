// Explanation: what became of every condition of a policy, as a tree, as text and as JSON.
//
// It quotes claims of the token: for the owner of the key and the operator's log, not for the
// network.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::policy {

// Finding is one node: a claim compared, the issuer compared, or a list of findings.
struct Finding {
    enum class Kind {
        policy,     // any of the authorities
        authority,  // issuer and conditions, both
        issuer,     // the authority's URL against the token's issuer
        all_of,
        any_of,
        claim,
    };
    Kind kind = Kind::claim;
    std::string path;       // where in the policy: "anyOf[0].allOf[1]"; "" for the policy itself
    std::string claim;      // claim: its path in the token; issuer: "iss"
    std::string operation;  // claim: "lessOrEquals" and so on; issuer: "equals"
    std::string expected;   // claim, issuer: the value, as show_json writes it
    std::string found;      // claim, issuer: the same; "nothing" if there is no such claim
    bool missing = false;   // claim: there is no such claim
    bool passed = false;
    size_t failures = 0;  // conditions that had to change for this node to pass; 0 if it passed
    std::vector<Finding> members;
};

struct Explanation {
    Finding root;  // Kind::policy

    bool passed() const { return root.passed; }
    // lines renders one condition per line, indented by depth, "ok" or "FAILED" in front. Printable
    // ASCII only, whatever the token held.
    std::vector<std::string> lines() const;
    Json to_json() const;
};

}  // namespace vouchsafe::policy
