// explain: the catalogue of checks.

#include "app/show.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

struct ExplainCommand {
    std::string code;
    bool list = false;
};

Json info_json(const CheckInfo& info) {
    return {{"code", info.code},
            {"error", code_info(info.error).name},
            {"what", info.what},
            {"source", info.source},
            {"remedy", info.remedy}};
}

Result<int> show_list(const Context& context) {
    Json list = Json::array();
    std::string text;
    for (const CheckInfo& info : check_catalog()) {
        list.push_back(info_json(info));
        text += fmt::format("{:<26} {}\n", info.code, info.what);
    }
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

Result<int> run_explain(const Context& context, const ExplainCommand& command) {
    if (command.list) return show_list(context);
    if (command.code.empty()) {
        return fail(Code::invalid, "give a code such as SNP-POLICY-DEBUG, or --list");
    }
    std::string upper;
    for (char c : command.code) upper += c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c;
    const CheckInfo* info = find_check_info(upper);
    if (info == nullptr) {
        return fail(Code::invalid, "there is no check '{}'; 'vouchsafe explain --list' shows all",
                    command.code);
    }
    if (context.json) {
        write_out(dump_json(info_json(*info)) + "\n");
        return 0;
    }
    write_out(fmt::format("{}\n  checks  {}\n  source  {}\n  remedy  {}\n",
                          styled(info->code, Style::bold, context.color_out), info->what,
                          info->source, info->remedy));
    return 0;
}

}  // namespace

void add_explain(Command app, Context& context) {
    auto command = std::make_shared<ExplainCommand>();
    Command explain = app.add("explain", "what a check's code means and what to do");
    explain.examples("Examples:\n  vouchsafe explain SNP-POLICY-DEBUG\n  vouchsafe explain --list");
    explain.argument("CODE", command->code, "a check's code").optional();
    explain.flag("--list", command->list, "all of them");
    explain.run([&context, command] { return run_explain(context, *command); });
}

}  // namespace vouchsafe::app
