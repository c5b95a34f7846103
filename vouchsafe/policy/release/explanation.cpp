#include "vouchsafe/policy/release/explanation.h"

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::policy {

namespace {

std::string_view kind_name(Finding::Kind kind) {
    switch (kind) {
        case Finding::Kind::policy:
            return "policy";
        case Finding::Kind::authority:
            return "authority";
        case Finding::Kind::issuer:
            return "issuer";
        case Finding::Kind::all_of:
            return "allOf";
        case Finding::Kind::any_of:
            return "anyOf";
        case Finding::Kind::claim:
            return "claim";
    }
    return "";
}

std::string printable(std::string_view text) {
    std::string quoted = show_json(text, SIZE_MAX);
    return quoted.substr(1, quoted.size() - 2);
}

std::string sentence(const Finding& finding) {
    switch (finding.kind) {
        case Finding::Kind::policy:
            return "policy: any of its authorities";
        case Finding::Kind::authority:
            return finding.path + " authority: issuer and conditions";
        case Finding::Kind::all_of:
            return finding.path + ": all of";
        case Finding::Kind::any_of:
            return finding.path + ": any of";
        case Finding::Kind::issuer:
        case Finding::Kind::claim:
            return fmt::format("{}: {} {} {}, found {}", finding.path, printable(finding.claim),
                               finding.operation, finding.expected, finding.found);
    }
    return "";
}

void render(const Finding& finding, size_t depth, std::vector<std::string>& out) {
    out.push_back(fmt::format("{} {}{}", finding.passed ? "ok    " : "FAILED",
                              std::string(depth * 2, ' '), sentence(finding)));
    for (const Finding& member : finding.members) render(member, depth + 1, out);
}

Json node(const Finding& finding) {
    Json out = {
        {"kind", kind_name(finding.kind)}, {"path", finding.path}, {"passed", finding.passed}};
    if (!finding.claim.empty()) {
        out["claim"] = finding.claim;
        out["operator"] = finding.operation;
        out["expected"] = finding.expected;
        out["found"] = finding.found;
        return out;
    }
    out["members"] = Json::array();
    for (const Finding& member : finding.members) out["members"].push_back(node(member));
    return out;
}

}  // namespace

std::vector<std::string> Explanation::lines() const {
    std::vector<std::string> out;
    render(root, 0, out);
    return out;
}

Json Explanation::to_json() const {
    return node(root);
}

}  // namespace vouchsafe::policy
