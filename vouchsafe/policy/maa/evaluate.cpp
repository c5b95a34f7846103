#include "vouchsafe/policy/maa/evaluate.h"

#include "vouchsafe/policy/maa/engine.h"

namespace vouchsafe::policy {

namespace {

std::string place_of(PolicySection section, size_t index, TextPosition at) {
    return fmt::format("{}, rule {} (line {}, column {})", section_name(section), index + 1,
                       at.line, at.column);
}

// Evaluation is one run of a policy.
class Evaluation {
  public:
    Evaluation(const AttestationPolicy& policy, PolicyTrace* trace)
        : policy_(policy), trace_(trace) {}

    Result<AttestationOutcome> run(std::vector<Claim> incoming) {
        TRY(engine_.start(std::move(incoming)));
        TRY(configure());
        if (!out_.decided_in) TRY(authorize());
        if (out_.permitted()) TRY(issue());
        if (trace_ != nullptr) trace_->claims = engine_.claims();
        return std::move(out_);
    }

    Result<PolicyProperties> run_configuration(const std::vector<Claim>& incoming) {
        TRY(engine_.start(incoming));
        TRY(configure());
        if (out_.decided_in) return fail(Code::invalid, "attestation policy: {}", out_.reason);
        return std::move(out_.configuration);
    }

  private:
    using Verdict = AttestationOutcome::Verdict;

    void decide(Verdict verdict, const RuleTrace& rule, std::string_view why) {
        out_.verdict = verdict;
        out_.decided_in = rule.section;
        out_.decided_by = rule.index;
        out_.decided_at = rule.at;
        out_.reason = fmt::format("{}: {}", why, place_of(rule.section, rule.index, rule.at));
        if (!rule.problem.empty()) out_.reason += ": " + rule.problem;
    }

    Result<RuleTrace> run_rule(const RuleBlock& block, size_t index) {
        RuleTrace rule = TRY(engine_.run(block.rules[index]));
        rule.section = block.section;
        rule.index = index;
        if (trace_ != nullptr) trace_->rules.push_back(rule);
        return rule;
    }

    Result<void> configure() {
        const RuleBlock* block = policy_.block(PolicySection::configuration);
        for (size_t i = 0; block != nullptr && i < block->rules.size(); ++i) {
            RuleTrace rule = TRY(run_rule(*block, i));
            if (!rule.problem.empty()) {
                decide(Verdict::failed, rule, "a rule failed to run");
                return {};
            }
            for (const Claim& made : rule.made) set_property(out_.configuration, made);
        }
        return {};
    }

    Result<void> authorize() {
        const RuleBlock& block = *policy_.block(PolicySection::authorization);
        for (size_t i = 0; i < block.rules.size(); ++i) {
            RuleTrace rule = TRY(run_rule(block, i));
            if (!rule.problem.empty()) {
                decide(Verdict::failed, rule, "a rule failed to run");
                return {};
            }
            if (!rule.fired) continue;
            if (block.rules[i].action.kind == ActionKind::deny) {
                decide(Verdict::denied, rule, "a deny() fired");
                return {};
            }
            if (block.rules[i].action.kind == ActionKind::permit && !out_.decided_in) {
                decide(Verdict::permitted, rule, "permitted");
            }
        }
        if (!out_.decided_in) out_.reason = "no permit() fired in authorizationrules";
        return {};
    }

    Result<void> issue() {
        const RuleBlock* block = policy_.block(PolicySection::issuance);
        std::vector<Claim> issued;
        for (size_t i = 0; block != nullptr && i < block->rules.size(); ++i) {
            RuleTrace rule = TRY(run_rule(*block, i));
            ActionKind kind = block->rules[i].action.kind;
            for (Claim& made : rule.made) {
                if (kind == ActionKind::issue_property) set_property(out_.properties, made);
                if (kind == ActionKind::issue) issued.push_back(std::move(made));
            }
            if (issued.size() > kMaxClaims) {
                return fail(Code::invalid, "evaluating the policy issues more than {} claims",
                            kMaxClaims);
            }
        }
        out_.issued = claims_to_json(issued);
        return {};
    }

    const AttestationPolicy& policy_;
    PolicyTrace* trace_;
    RuleEngine engine_;
    AttestationOutcome out_;
};

}  // namespace

Result<AttestationOutcome> evaluate(const AttestationPolicy& policy, std::vector<Claim> incoming,
                                    PolicyTrace* trace) {
    return with_context(Evaluation(policy, trace).run(std::move(incoming)), "attestation policy");
}

Result<PolicyProperties> configure(const AttestationPolicy& policy,
                                   const std::vector<Claim>& incoming) {
    return Evaluation(policy, nullptr).run_configuration(incoming);
}

}  // namespace vouchsafe::policy
