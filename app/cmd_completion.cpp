// completion: shell completion, generated from the command line itself.
#include "app/context.h"
#include "app/show.h"

namespace vouchsafe::app {

namespace {

std::string below(const std::string& path, const CommandOutline& command) {
    return path.empty() ? command.name : path + " " + command.name;
}

// Words a command can be followed by: its subcommands and its long options.
std::string words_of(const CommandOutline& command) {
    std::string words;
    for (const CommandOutline& sub : command.commands) words += sub.name + " ";
    for (const OptionOutline& option : command.options) words += "--" + option.name + " ";
    return words;
}

// word_cases writes one line "path) words ;;" for `command` and every command below it.
std::string word_cases(const CommandOutline& command, const std::string& path) {
    std::string out = fmt::format("        '{}') words='{}' ;;\n", path, words_of(command));
    for (const CommandOutline& sub : command.commands) out += word_cases(sub, below(path, sub));
    return out;
}

// path_cases writes one line that recognises each command below `command`.
std::string path_cases(const CommandOutline& command, const std::string& path) {
    std::string out;
    for (const CommandOutline& sub : command.commands) {
        std::string name = below(path, sub);
        out += fmt::format("            '{0}') path='{0}' ;;\n", name) + path_cases(sub, name);
    }
    return out;
}

std::string bash(const CommandOutline& root) {
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
        path_cases(root, ""), word_cases(root, ""));
}

// fish_quoted puts a text in single quotes as fish reads them.
std::string fish_quoted(std::string_view text) {
    std::string out = "'";
    for (char c : text) out += c == '\'' || c == '\\' ? std::string{'\\', c} : std::string{c};
    return out + "'";
}

// fish writes one line for every word that may follow `command`; `seen` is true after its words.
std::string fish(const CommandOutline& command, const std::string& seen) {
    std::string out;
    std::string condition = seen.empty() ? "__fish_use_subcommand" : seen;
    for (const CommandOutline& sub : command.commands) {
        out += fmt::format("complete -c vouchsafe -n '{}' -a {} -d {}\n", condition, sub.name,
                           fish_quoted(sub.text));
        std::string word = "__fish_seen_subcommand_from " + sub.name;
        out += fish(sub, seen.empty() ? word : seen + "; and " + word);
    }
    for (const OptionOutline& option : command.options) {
        out += fmt::format("complete -c vouchsafe -n '{}' -l {} -d {}\n", condition, option.name,
                           fish_quoted(option.text));
    }
    return out;
}

}  // namespace

void add_completion(CommandLine& line) {
    auto shell = std::make_shared<std::string>();
    Command completion = line.root().add("completion", "shell completion for bash, zsh or fish");
    completion.examples(
        "Examples:\n  source <(vouchsafe completion bash)\n"
        "  vouchsafe completion fish > ~/.config/fish/completions/vouchsafe.fish");
    completion.argument("SHELL", *shell, "bash, zsh or fish").one_of({"bash", "zsh", "fish"});
    completion.run([&line, shell]() -> Result<int> {
        CommandOutline root = line.outline();
        if (*shell == "fish") {
            write_out(fish(root, ""));
            return 0;
        }
        if (*shell == "zsh") write_out("autoload -U +X bashcompinit && bashcompinit\n");
        write_out(bash(root));
        return 0;
    });
}

}  // namespace vouchsafe::app
