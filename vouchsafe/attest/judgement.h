// Judgement: what becomes of the evidence in one request. The service judges so, and whoever keeps
// what a judgement rested on (appraisal_bundle.h) can have it judged again. Nothing is stored,
// signed or sent here.
#pragma once

#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/policy/policy_book.h"
#include "vouchsafe/attest/reference/reference_book.h"
#include "vouchsafe/policy/maa/known_claims.h"

namespace vouchsafe::attest {

// Hearing is what evidence is held against.
struct Hearing {
    Terms terms;          // built_in_policy and configuration are set here by `policy`
    SharedPolicy policy;  // in force for this kind; nullptr: there is none, which is a refusal
    ReferenceBook::Sets references;  // in force; nullptr: none
};

struct Judgement {
    Appraisal appraisal;  // its claims with those of collateral, reference values and policy
    SharedPolicy policy;  // that decided: the one in force, or the draft in the request
    bool draft = false;
    policy::PolicyProperties properties;  // that the policy set
};

// appraise_for_rules appraises the body of a request, with the claims that a policy may demand
// beside what was measured: how fresh the collateral and the evidence are. Reference values are not
// compared. Fails as appraise does. Thread-safe.
Result<Appraisal> appraise_for_rules(policy::AttestationTarget target, std::string_view body,
                                     Terms terms, Checks& checks);

// judge_evidence appraises the body of a request, compares what was measured with the reference
// values, and applies the policy. Fails as appraise does, with ATTEST-POLICY or
// ATTEST-POLICY-FORM; `checks` holds all that were made. `details` gets what is worth keeping
// beside them: "policy", why it refused, and "reference-values", what did not match. A challenge is
// not spent. Thread-safe.
Result<Judgement> judge_evidence(policy::AttestationTarget target, std::string_view body,
                                 const Hearing& hearing, Checks& checks, Json& details);

}  // namespace vouchsafe::attest
