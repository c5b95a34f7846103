#include "vouchsafe/policy/maa/explain.h"

#include <algorithm>

#include "vouchsafe/policy/maa/change.h"

namespace vouchsafe::policy {

namespace {

// Explainer runs every rule of a policy and looks at its conditions before each.
class Explainer {
  public:
    Explainer(const AttestationPolicy& policy, const std::vector<Claim>& incoming)
        : policy_(policy), incoming_(incoming) {
        for (const RuleBlock& block : policy.blocks()) {
            for (const PolicyRule& rule : block.rules) {
                const std::optional<PolicyExpression>& type = rule.action.type;
                if (type && type->kind == PolicyExpression::Kind::literal) {
                    made_.insert(std::get<std::string>(type->literal));
                }
            }
        }
    }

    Result<AttestationExplanation> run() {
        PolicyTrace trace;
        outcome_ = TRY(evaluate(policy_, incoming_, &trace));
        ran_ = trace.rules.size();
        out_.verdict = outcome_.verdict;
        out_.reason = outcome_.reason;
        TRY(engine_.start(incoming_));
        for (const RuleBlock& block : policy_.blocks()) {
            if (block.section == PolicySection::issuance && !outcome_.permitted()) break;
            for (size_t i = 0; i < block.rules.size(); ++i) TRY(rule(block, i));
        }
        if (!outcome_.permitted()) change();
        return std::move(out_);
    }

  private:
    Result<void> rule(const RuleBlock& block, size_t index) {
        const PolicyRule& syntax = block.rules[index];
        RuleFinding finding;
        finding.section = block.section;
        finding.index = index;
        finding.at = syntax.at;
        finding.action = action_name(syntax.action.kind);
        finding.ran = out_.rules.size() < ran_;
        finding.decided = outcome_.decided_in == block.section && outcome_.decided_by == index;
        std::vector<ConditionView> views = TRY(conditions(syntax, finding));
        RuleTrace trace = TRY(engine_.run(syntax));
        finding.fired = trace.fired;
        finding.problem = trace.problem;
        for (const Claim& claim : trace.made) finding.made.push_back(show_claim(claim));
        if (block.section == PolicySection::authorization) choices(syntax, finding, views);
        out_.rules.push_back(std::move(finding));
        return {};
    }

    Result<std::vector<ConditionView>> conditions(const PolicyRule& syntax, RuleFinding& finding) {
        // Where the rule fires, conditions are shown with the claims for which it does.
        Bindings firing;
        if (Result<std::vector<Bindings>> all = engine_.combinations(syntax)) {
            if (!all->empty()) firing = all->front();
        } else if (engine_.exceeded()) {
            return fail(all.error());
        }
        Bindings bound;
        std::vector<ConditionView> views;
        for (const ClaimCondition& condition : syntax.conditions) {
            ConditionFinding shown;
            ConditionView seen = TRY(view(condition, bound, shown.problem));
            if (!condition.identifier.empty() && !condition.negated) {
                BoundClaims& place = bound[condition.identifier];
                place.all = {seen.matches.begin(), seen.matches.end()};
                auto known = firing.find(condition.identifier);
                if (known != firing.end() && known->second.one) {
                    place.one = known->second.one;
                } else if (!seen.matches.empty()) {
                    place.one = seen.matches[0];
                }
            }
            describe(seen, shown);
            finding.conditions.push_back(std::move(shown));
            views.push_back(std::move(seen));
        }
        return views;
    }

    Result<ConditionView> view(const ClaimCondition& condition, const Bindings& bound,
                               std::string& problem) {
        ConditionView out;
        out.condition = &condition;
        for (const PropertyTest& test : condition.tests) {
            Result<PolicyValues> values = engine_.value_of(test.expected, bound);
            if (!values && engine_.exceeded()) return fail(values.error());
            std::optional<ClaimValue> expected;
            if (!values) problem = values.error().message;
            if (values && values->list.size() == 1) expected = values->list[0];
            out.expected.push_back(std::move(expected));
        }
        size_t best = 0;
        for (size_t index = 0; index < engine_.claims().size(); ++index) {
            const Claim& claim = engine_.claims()[index];
            size_t passed = 0;
            bool right_type = true;
            TRY(engine_.spend(condition.tests.size()));
            for (size_t i = 0; i < condition.tests.size(); ++i) {
                const PropertyTest& test = condition.tests[i];
                bool passes = out.expected[i] && RuleEngine::passes(claim, test, *out.expected[i]);
                passed += passes ? 1 : 0;
                right_type = right_type && (passes || test.property != ClaimProperty::type);
            }
            if (passed == condition.tests.size()) out.matches.push_back(index);
            if (right_type && passed >= best + (out.closest ? 1 : 0)) {
                best = passed;
                out.closest = index;
            }
        }
        out.holds = out.matches.empty() == condition.negated;
        return out;
    }

    void describe(const ConditionView& view, ConditionFinding& shown) const {
        shown.text = printable_ascii(condition_text(*view.condition));
        shown.at = view.condition->at;
        shown.negated = view.condition->negated;
        shown.holds = view.holds && shown.problem.empty();
        const Claim* claim = view.closest ? &engine_.claims()[*view.closest] : nullptr;
        std::string name = claim != nullptr ? claim->type : "any claim";
        for (size_t i = 0; claim == nullptr && i < view.expected.size(); ++i) {
            const PropertyTest& test = view.condition->tests[i];
            const auto* text =
                view.expected[i] ? std::get_if<std::string>(&*view.expected[i]) : nullptr;
            bool names = test.property == ClaimProperty::type &&
                         test.comparison == Comparison::equal && text != nullptr;
            if (names) name = *text;
        }
        for (size_t i = 0; i < view.expected.size(); ++i) {
            const PropertyTest& test = view.condition->tests[i];
            TestFinding finding;
            finding.claim = printable_ascii(name);
            finding.property = property_name(test.property);
            finding.operation = comparison_text(test.comparison);
            finding.expected = view.expected[i] ? show_json(value_to_json(*view.expected[i]))
                                                : printable_ascii(expression_text(test.expected));
            finding.found = "nothing";
            if (claim != nullptr) {
                finding.found = show_json(value_to_json(value_of_property(*claim, test.property)));
                finding.passed =
                    view.expected[i] && RuleEngine::passes(*claim, test, *view.expected[i]);
            }
            shown.tests.push_back(std::move(finding));
        }
    }

    // mark_made: a claim that is missing, and that a rule makes, is not for the evidence to have.
    EditedClaim mark_made(EditedClaim edited) const {
        bool made = !edited.remove && edited.insert && made_.contains(edited.insert->type);
        edited.shown.made_by_policy = edited.shown.made_by_policy || made;
        return edited;
    }

    // choices notes what would make a permit fire, or lift a deny that fires.
    void choices(const PolicyRule& syntax, const RuleFinding& finding,
                 const std::vector<ConditionView>& views) {
        if (syntax.action.kind == ActionKind::permit) {
            if (finding.fired) permitted_ = true;
            ChangeSet all;
            for (const ConditionView& view : views) {
                if (view.holds) continue;
                std::optional<ChangeSet> change = changes_to_hold(view, engine_.claims());
                if (!change) return;
                for (EditedClaim& edited : *change) all.push_back(mark_made(std::move(edited)));
            }
            permits_.push_back(std::move(all));
        }
        if (syntax.action.kind != ActionKind::deny || !finding.fired) return;
        RuleChoices ways;
        for (const ConditionView& view : views) {
            auto change = changes_to_fail(view, engine_.claims());
            if (!change) continue;
            ways.emplace_back();
            for (EditedClaim& edited : *change) ways.back().push_back(mark_made(std::move(edited)));
        }
        denies_.push_back(std::move(ways));
    }

    void change() {
        if (outcome_.verdict == AttestationOutcome::Verdict::failed) {
            out_.change_note = "the policy itself has to change: a rule fails to run";
            return;
        }
        if (!permitted_ && permits_.empty()) {
            out_.change_note =
                "no small change of claims would pass: no permit() can be made to fire";
            return;
        }
        find_smallest_change(policy_, incoming_, permitted_ ? RuleChoices{} : permits_, denies_,
                             out_);
    }

    const AttestationPolicy& policy_;
    const std::vector<Claim>& incoming_;
    RuleEngine engine_{kMaxExplainSteps};
    AttestationOutcome outcome_;
    AttestationExplanation out_;
    std::set<std::string, std::less<>> made_;  // names that rules give to claims
    size_t ran_ = 0;
    bool permitted_ = false;
    RuleChoices permits_;
    std::vector<RuleChoices> denies_;
};

}  // namespace

Result<AttestationExplanation> explain(const AttestationPolicy& policy,
                                       const std::vector<Claim>& incoming) {
    return with_context(Explainer(policy, incoming).run(), "explaining");
}

}  // namespace vouchsafe::policy
