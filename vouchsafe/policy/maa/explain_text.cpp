#include "vouchsafe/policy/maa/explain.h"

namespace vouchsafe::policy {

namespace {

std::string_view verdict_name(AttestationOutcome::Verdict verdict) {
    switch (verdict) {
        case AttestationOutcome::Verdict::permitted:
            return "permitted";
        case AttestationOutcome::Verdict::denied:
            return "denied";
        case AttestationOutcome::Verdict::not_permitted:
            return "not permitted";
        case AttestationOutcome::Verdict::failed:
            return "failed";
    }
    return "";
}

std::string rule_line(const RuleFinding& rule) {
    std::string_view fate = !rule.problem.empty() ? "failed to run"
                            : rule.fired          ? "fired"
                                                  : "did not fire";
    if (!rule.ran) fate = rule.fired ? "did not run; would fire" : "did not run; would not fire";
    return fmt::format("{}, rule {} (line {}): {} {}{}", section_name(rule.section), rule.index + 1,
                       rule.at.line, rule.action, fate, rule.decided ? ": this decided" : "");
}

void condition_lines(const ConditionFinding& condition, std::vector<std::string>& out) {
    out.push_back(fmt::format("  {} {}", condition.holds ? "ok    " : "FAILED", condition.text));
    if (!condition.problem.empty()) out.push_back("           " + condition.problem);
    for (const TestFinding& test : condition.tests) {
        bool names = test.property == "type" && test.passed;
        if (names && condition.tests.size() > 1) continue;  // the others name the claim too
        out.push_back(fmt::format("           {}: {} {} {}, found {}", test.claim, test.property,
                                  test.operation, test.expected, test.found));
    }
}

std::string change_line(const ClaimChange& change) {
    return fmt::format("  {}: found {}, wanted {} (line {}, column {}){}", change.claim,
                       change.found, change.wanted, change.at.line, change.at.column,
                       change.made_by_policy ? "; a rule of the policy makes this claim" : "");
}

Json position_json(TextPosition at) {
    return {{"line", at.line}, {"column", at.column}};
}

Json condition_json(const ConditionFinding& condition) {
    Json out = {{"text", condition.text},
                {"at", position_json(condition.at)},
                {"negated", condition.negated},
                {"holds", condition.holds}};
    if (!condition.problem.empty()) out["problem"] = condition.problem;
    out["tests"] = Json::array();
    for (const TestFinding& test : condition.tests) {
        out["tests"].push_back({{"claim", test.claim},
                                {"property", test.property},
                                {"operator", test.operation},
                                {"expected", test.expected},
                                {"found", test.found},
                                {"passed", test.passed}});
    }
    return out;
}

Json rule_json(const RuleFinding& rule) {
    Json out = {{"block", section_name(rule.section)},
                {"rule", rule.index + 1},
                {"at", position_json(rule.at)},
                {"action", rule.action},
                {"ran", rule.ran},
                {"fired", rule.fired},
                {"decided", rule.decided}};
    if (!rule.problem.empty()) out["problem"] = rule.problem;
    out["conditions"] = Json::array();
    for (const ConditionFinding& condition : rule.conditions) {
        out["conditions"].push_back(condition_json(condition));
    }
    out["made"] = rule.made;
    return out;
}

}  // namespace

std::vector<std::string> AttestationExplanation::lines() const {
    std::vector<std::string> out = {
        fmt::format("{}: {}", permitted() ? "PERMITTED" : "REFUSED", reason)};
    for (const RuleFinding& rule : rules) {
        out.push_back(rule_line(rule));
        if (!rule.problem.empty()) out.push_back("  " + rule.problem);
        for (const ConditionFinding& condition : rule.conditions) condition_lines(condition, out);
        for (const std::string& made : rule.made) out.push_back("  made   " + made);
    }
    if (!smallest_change.empty()) out.emplace_back("smallest change that would pass:");
    for (const ClaimChange& change : smallest_change) out.push_back(change_line(change));
    if (!change_note.empty()) out.push_back("note: " + change_note);
    return out;
}

Json AttestationExplanation::to_json() const {
    Json out = {{"verdict", verdict_name(verdict)}, {"reason", reason}};
    out["rules"] = Json::array();
    for (const RuleFinding& rule : rules) out["rules"].push_back(rule_json(rule));
    if (permitted()) return out;
    Json& changes = out["smallestChange"] = Json::array();
    for (const ClaimChange& change : smallest_change) {
        changes.push_back({{"claim", change.claim},
                           {"property", change.property},
                           {"found", change.found},
                           {"wanted", change.wanted},
                           {"madeByPolicy", change.made_by_policy},
                           {"at", position_json(change.at)}});
    }
    out["changeVerified"] = change_verified;
    if (!change_note.empty()) out["changeNote"] = change_note;
    return out;
}

}  // namespace vouchsafe::policy
