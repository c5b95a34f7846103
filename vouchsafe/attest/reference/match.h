// Comparing what evidence says with sets of reference values. Pure.
#pragma once

#include "vouchsafe/attest/reference/measured.h"
#include "vouchsafe/base/json_fwd.h"

namespace vouchsafe::attest {

// Mismatch is one thing by which evidence is not what a set says; for the operator's log.
struct Mismatch {
    std::string field;     // "snp.measurement", "pcrs.7", "validity"
    std::string expected;  // "one of 3 digests"
    std::string found;
};

// compare returns what does not match, in the format's order; nothing: the evidence matches wholly.
// Outside of its validity a set matches nothing, and that is then the only thing told. That the set
// applies to this kind of evidence is the caller's to know. A removal matches nothing.
std::vector<Mismatch> compare(const ReferenceSet& set, const Measured& measured, Time now);

// ReferenceFindings is what came of comparing one piece of evidence with all sets.
struct ReferenceFindings {
    struct Missed {
        std::string set;  // "prod-kernel:7"
        std::vector<Mismatch> mismatches;
    };
    std::vector<std::string> matched;   // names, in order
    std::vector<std::string> versions;  // the same as "name:version"
    std::vector<Missed> missed;         // at most kMaxMissedTold
    size_t not_told = 0;                // further sets that did not match

    bool empty() const { return matched.empty() && missed.empty() && not_told == 0; }
    // add counts one set in.
    void add(const ReferenceSet& set, std::vector<Mismatch> mismatches);
    // to_json is for the audit log: `matched`, and unless there is nothing to tell `missed` with
    // set, field, expected and found of at most kMaxMismatchesTold each, and `lines` for people.
    Json to_json() const;
    std::vector<std::string> lines() const;  // printable ASCII
};
inline constexpr size_t kMaxMissedTold = 16;     // sets
inline constexpr size_t kMaxMismatchesTold = 4;  // of one set

// add_reference_claims adds x-vouchsafe-reference-values and x-vouchsafe-reference-value-versions,
// if something matched.
void add_reference_claims(Json& claims, const ReferenceFindings& findings);

}  // namespace vouchsafe::attest
