#include "vouchsafe/policy/explanation.h"

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

// ascii_json is compact JSON in printable ASCII: nothing a terminal would act upon.
std::string ascii_json(const Json& value) {
    std::string out;
    for (char c : value.dump(-1, ' ', true, Json::error_handler_t::replace)) {
        if (c == '\x7f') {
            out += "\\u007f";
        } else {
            out += c;
        }
    }
    return out;
}

std::string printable(std::string_view text) {
    std::string quoted = ascii_json(Json(text));
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

std::string shown(const Json& value) {
    std::string out = ascii_json(value);
    if (out.size() > kMaxShown) out = out.substr(0, kMaxShown - 3) + "...";
    return out;
}

}  // namespace vouchsafe::policy
