// completion: shell completion, generated from the command line itself.
#include <CLI/CLI.hpp>

#include "app/show.h"

namespace vouchsafe::app {

namespace {

// Words a command can be followed by: its subcommands and its long options.
std::string words_of(const CLI::App& command) {
    std::string words;
    for (const CLI::App* sub : command.get_subcommands({})) {
        if (!sub->get_name().empty()) words += sub->get_name() + " ";
    }
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) words += "--" + name + " ";
    }
    for (const CLI::App* group : command.get_subcommands({})) {
        if (group->get_name().empty()) words += words_of(*group);
    }
    return words;
}

// cases writes one line "path) words ;;" for every command below `command`.
std::string cases(const CLI::App& command, const std::string& path) {
    std::string out = fmt::format("        '{}') words='{}' ;;\n", path, words_of(command));
    for (const CLI::App* sub : command.get_subcommands({})) {
        if (!sub->get_name().empty()) {
            out += cases(*sub, path.empty() ? sub->get_name() : path + " " + sub->get_name());
        }
    }
    return out;
}

std::string bash(const CLI::App& app) {
    return fmt::format(
        R"(# vouchsafe completion for bash: source <(vouchsafe completion bash)
_vouchsafe() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} path= word words=
    for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
        [[ $word == -* ]] && continue
        case "${{path:+$path }}$word" in
{}            *) ;;
        esac
    done
    case "$path" in
{}    esac
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    [[ ${{#COMPREPLY[@]}} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$current"))
}}
complete -o filenames -F _vouchsafe vouchsafe
)",
        [&] {
            std::string out;
            auto walk = [&](auto& self, const CLI::App& command, const std::string& path) -> void {
                for (const CLI::App* sub : command.get_subcommands({})) {
                    if (sub->get_name().empty()) continue;
                    std::string name =
                        path.empty() ? sub->get_name() : path + " " + sub->get_name();
                    out += fmt::format("            '{0}') path='{0}' ;;\n", name);
                    self(self, *sub, name);
                }
            };
            walk(walk, app, "");
            return out;
        }(),
        cases(app, ""));
}

std::string fish(const CLI::App& command, const std::string& path) {
    std::string out;
    std::string condition = path.empty() ? "__fish_use_subcommand"
                                         : fmt::format("__fish_seen_subcommand_from {}", path);
    for (const CLI::App* sub : command.get_subcommands({})) {
        if (sub->get_name().empty()) {
            out += fish(*sub, path);
            continue;
        }
        out += fmt::format("complete -c vouchsafe -n '{}' -a {} -d '{}'\n", condition,
                           sub->get_name(), sub->get_description());
        out += fish(*sub, sub->get_name());
    }
    for (const CLI::Option* option : command.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            std::string text = option->get_description();
            std::erase(text, '\'');
            out +=
                fmt::format("complete -c vouchsafe -n '{}' -l {} -d '{}'\n", condition, name, text);
        }
    }
    return out;
}

}  // namespace

void add_completion(CLI::App& app, Context& context) {
    auto shell = std::make_shared<std::string>();
    auto* completion = app.add_subcommand("completion", "shell completion for bash, zsh or fish");
    completion->footer(
        "Examples:\n  source <(vouchsafe completion bash)\n"
        "  vouchsafe completion fish > ~/.config/fish/completions/vouchsafe.fish");
    completion->add_option("SHELL", *shell, "bash, zsh or fish")
        ->required()
        ->check(CLI::IsMember({"bash", "zsh", "fish"}))
        ->type_name("");
    completion->callback([&app, &context, shell] {
        context.run = [&app, shell]() -> Result<int> {
            if (*shell == "fish") {
                write_out(fish(app, ""));
            } else {
                if (*shell == "zsh") write_out("autoload -U +X bashcompinit && bashcompinit\n");
                write_out(bash(app));
            }
            return 0;
        };
    });
}

}  // namespace vouchsafe::app
