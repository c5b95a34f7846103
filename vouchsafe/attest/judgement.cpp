#include "vouchsafe/attest/judgement.h"

#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/attest/policy/judge.h"
#include "vouchsafe/attest/reference/match.h"

namespace vouchsafe::attest {

using policy::AttestationTarget;

namespace {

// What the policy sets before there is evidence: how a TPM's is to be appraised.
Result<policy::PolicyProperties> configuration_of(const ActivePolicy& policy, Checks& checks) {
    auto set = policy::configure(policy.rules);
    TRY(checks.require(set.has_value(), "ATTEST-POLICY", "configurationrules", "rules that run",
                       set ? "they do" : set.error().message));
    return set;
}

ReferenceFindings compare_with(const ReferenceBook::Sets& sets, AttestationTarget target,
                               const Measured& measured, Time now) {
    ReferenceFindings out;
    if (sets == nullptr) return out;
    for (const ReferenceSet& set : *sets) {
        if (set.applies_to(target)) out.add(set, compare(set, measured, now));
    }
    return out;
}

Result<SharedPolicy> read_draft_of(const Appraisal& appraisal, Checks& checks) {
    auto read = read_draft(appraisal.draft_policy);
    TRY(checks.require(read.has_value(), "ATTEST-POLICY-FORM", "draftPolicyForAttestation",
                       "a policy", read ? "one" : read.error().message));
    return read;
}

// A TPM's challenge is a part of its protocol, and in its report nobody looks for it.
void add_freshness(Appraisal& appraisal, AttestationTarget target) {
    if (!appraisal.challenge || target == AttestationTarget::tpm) return;
    const auto& guests = appraisal.seal_to ? appraisal.seal_to : appraisal.guest_key;
    add_freshness_claims(appraisal.claims, *appraisal.challenge, guests);
}

}  // namespace

Result<Appraisal> appraise_for_rules(AttestationTarget target, std::string_view body, Terms terms,
                                     Checks& checks) {
    std::vector<PiecePtr> used;
    if (terms.used_collateral == nullptr) terms.used_collateral = &used;
    Appraisal appraisal = TRY(appraise_for(target)(body, terms, checks));
    add_collateral_claims(appraisal.claims, *terms.used_collateral, terms.now);
    add_freshness(appraisal, target);
    return appraisal;
}

Result<Judgement> judge_evidence(AttestationTarget target, std::string_view body,
                                 const Hearing& hearing, Checks& checks, Json& details) {
    if (hearing.policy == nullptr) {
        return checks.refuse("ATTEST-POLICY", "policy", "one that an administrator set", "none");
    }
    Terms terms = hearing.terms;
    terms.built_in_policy = hearing.policy->built_in;
    if (target == AttestationTarget::tpm) {
        terms.configuration = TRY(configuration_of(*hearing.policy, checks));
    }
    Appraisal appraisal = TRY(appraise_for_rules(target, body, std::move(terms), checks));
    ReferenceFindings found =
        compare_with(hearing.references, target, appraisal.measured, hearing.terms.now);
    add_reference_claims(appraisal.claims, found);
    if (!found.empty()) details["reference-values"] = found.to_json();

    const bool draft = !appraisal.draft_policy.empty();
    SharedPolicy policy = hearing.policy;
    if (draft) policy = TRY(read_draft_of(appraisal, checks));
    Json for_rules = std::move(appraisal.for_rules);
    if (!for_rules.empty()) for_rules.update(appraisal.claims);
    Json explanation;
    // A draft is its sender's to explain (vouchsafe policy test), at his own cost.
    auto outcome = judge(*policy, for_rules.empty() ? appraisal.claims : for_rules,
                         draft ? nullptr : &explanation, checks);
    if (!explanation.is_null()) details["policy"] = std::move(explanation);
    if (!outcome) return fail(outcome.error());
    add_policy_claims(appraisal.claims, *policy, outcome->issued);
    return Judgement{std::move(appraisal), std::move(policy), draft,
                     std::move(outcome->properties)};
}

}  // namespace vouchsafe::attest
