// policy lint, explain: for the release policies of keys.
#include "app/cmd_policy.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/release/evaluate.h"
#include "vouchsafe/policy/release/release_change.h"
#include "vouchsafe/policy/release/release_lint.h"

namespace vouchsafe::app {

namespace {

// policy_text finds the policy in an envelope ("data"), a key ("release_policy") or on its own.
Result<std::string> policy_text(const std::string& text) {
    Result<Json> json = parse_json_object(text);
    const Json* envelope = json ? find_member(*json, "release_policy") : nullptr;
    if (envelope == nullptr && json) envelope = &*json;
    const Json* data = envelope == nullptr ? nullptr : find_member(*envelope, "data");
    if (data == nullptr || !data->is_string()) return text;
    return to_text(TRY(with_context(decode_base64_any(data->get<std::string>()), "data")));
}

Result<policy::ReleasePolicy> read_release_policy(const std::string& text,
                                                  const std::string& file) {
    return with_context(policy::ReleasePolicy::parse(TRY(with_context(policy_text(text), file))),
                        file);
}

std::string change_text(const policy::ReleaseChange& change) {
    std::string out = "the smallest change that would pass:\n";
    for (const policy::ConditionChange& one : change.conditions) {
        out += fmt::format("  {}, found {}\n    from {}\n    to   {}\n", one.path,
                           printable(one.found), printable(one.old_condition),
                           printable(one.new_condition));
    }
    return out;
}

}  // namespace

bool is_release_policy(std::string_view text) {
    const size_t begin = text.find_first_not_of(" \t\r\n");
    return begin != std::string_view::npos && text[begin] == '{';
}

Result<int> lint_release_policy(const Context& context, const std::string& text,
                                const std::string& file) {
    const policy::ReleasePolicy parsed = TRY(read_release_policy(text, file));
    const auto warnings = policy::lint_release(parsed);
    Json list = Json::array();
    std::string lines;
    for (const policy::ReleaseWarning& warning : warnings) {
        list.push_back({{"code", warning.code},
                        {"path", warning.path},
                        {"message", warning.message},
                        {"remedy", warning.remedy}});
        lines += fmt::format("{}  {}\n", warning.path,
                             styled(warning.code, Style::bold, context.color_out));
        lines += wrapped(warning.message, "    ") + wrapped("remedy: " + warning.remedy, "    ");
    }
    if (warnings.empty()) lines = "nothing to warn of\n";
    write_out(context.json ? dump_json({{"warnings", std::move(list)}}) + "\n" : lines);
    return warnings.empty() ? 0 : 1;
}

Result<int> explain_release_policy(const Context& context, const std::string& text,
                                   const std::string& file, const Json& claims) {
    const policy::ReleasePolicy parsed = TRY(read_release_policy(text, file));
    const std::string issuer = text_or_empty(claims, "iss");
    const policy::Explanation explained = policy::explain_claims(parsed, issuer, claims);
    const auto change = policy::smallest_change(parsed, issuer, claims);
    if (context.json) {
        Json out = {{"permitted", explained.passed()}, {"explanation", explained.to_json()}};
        if (change) out["change"] = change->to_json();
        write_out(dump_json(out) + "\n");
        return explained.passed() ? 0 : 1;
    }
    for (const std::string& line : explained.lines()) write_out(line + "\n");
    if (change) write_out(change_text(*change));
    return explained.passed() ? 0 : 1;
}

}  // namespace vouchsafe::app
