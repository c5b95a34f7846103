#include "app/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <iostream>

#include "app/show.h"

namespace vouchsafe::app {

namespace {

bool has_default(const std::string& value) {
    return !value.empty();
}

bool has_default(double) {
    return true;
}

constexpr size_t kHelpColumn = 30;  // where the texts of the help begin

// Help breaks the texts of options, so that their lines have 80 columns at most, also in a group,
// which is two columns further in.
class Help final : public CLI::Formatter {
  public:
    Help() { column_width(kHelpColumn); }
    std::string make_option_desc(const CLI::Option* option) const override {
        const std::string indent(kHelpColumn + 2, ' ');
        std::string text = wrapped(CLI::Formatter::make_option_desc(option), indent);
        text.pop_back();  // the line's end
        text = CLI::detail::find_and_replace(std::move(text), "\n" + indent, "\n");
        return text.substr(std::min(text.size(), indent.size()));
    }
};

// refuse_empty: an option that is given and says nothing was meant otherwise, as --key "$(...)" of
// a command that failed. It would count as not given.
void refuse_empty(CLI::Option& option) {
    option.check(CLI::Validator(
        [](const std::string& value) { return value.empty() ? "it has no value" : std::string(); },
        ""));
}

template <typename T>
Option add_option(CLI::App& app, const char* name, T& value, const char* text, const char* kind) {
    CLI::Option* option = app.add_option(name, value, text)->type_name(kind);
    if (has_default(value)) option->capture_default_str();
    refuse_empty(*option);
    return Option(*option);
}

// outline_of tells an option group's contents as its command's own.
void outline_of(const CLI::App& app, CommandOutline& out) {
    for (const CLI::Option* option : app.get_options()) {
        if (app.get_name().empty() && option == app.get_help_ptr()) continue;  // its command has it
        for (const std::string& name : option->get_lnames()) {
            out.options.push_back({name, option->get_description(), option->get_type_name(),
                                   option->get_expected_max() > 0});
        }
    }
    for (const CLI::App* sub : app.get_subcommands({})) {
        if (sub->get_name().empty()) {
            outline_of(*sub, out);
            continue;
        }
        CommandOutline command{sub->get_name(), sub->get_description(), {}, {}};
        outline_of(*sub, command);
        out.commands.push_back(std::move(command));
    }
}

// given_of tells an option group's contents as its command's own.
void given_of(const CLI::App& app, std::vector<GivenOption>& out) {
    for (const CLI::Option* option : app.get_options()) {
        if (option->count() == 0 || option->get_lnames().empty()) continue;
        bool is_flag = option->get_expected_max() == 0;
        out.push_back({option->get_lnames().front(), option->get_type_name(),
                       is_flag ? std::vector<std::string>() : option->results()});
    }
    for (const CLI::App* sub : app.get_subcommands({})) {
        if (sub->get_name().empty()) given_of(*sub, out);
    }
}

// find_empty_value returns the first word "--name=". CLI11 would take the word behind it for the
// value.
std::optional<std::string> find_empty_value(const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        if (word == "--") break;
        if (word.starts_with("--") && word.find('=') == word.size() - 1) return word;
    }
    return std::nullopt;
}

constexpr const char* kConfigOption = "--config";

// value_behind returns what stands behind an option, in this word or the next; nullopt if it is not
// given. What follows "--" is no option.
std::optional<std::string> value_behind(const std::vector<std::string>& words,
                                        const std::string& option) {
    for (size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        if (words[i].starts_with(option + "=")) return words[i].substr(option.size() + 1);
        if (words[i] != option) continue;
        return i + 1 < words.size() ? words[i + 1] : std::string();
    }
    return std::nullopt;
}

std::vector<std::string> words_of(const CLI::ConfigItem& item) {
    if (!item.parents.empty()) {
        throw CLI::ConfigError(
            fmt::format("the settings have a section [{}]; they have none", item.parents.front()));
    }
    std::vector<std::string> out;
    for (const std::string& value : item.inputs) {
        if (value.empty()) {
            throw CLI::ConfigError(fmt::format("the setting {} has no value", item.name));
        }
        out.push_back(fmt::format("--{}={}", item.name, value));  // flags take =true and =false
    }
    return out;
}

// with_settings adds the options of the file behind --config that the words do not give.
std::vector<std::string> with_settings(std::vector<std::string> words) {
    std::optional<std::string> file = value_behind(words, kConfigOption);
    if (!file || file->empty()) return words;
    std::vector<std::string> added;
    for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(*file)) {
        if (value_behind(words, "--" + item.name)) continue;
        for (std::string& word : words_of(item)) added.push_back(std::move(word));
    }
    auto end = std::ranges::find(words, "--");
    words.insert(end, added.begin(), added.end());
    return words;
}

// unknown_command says which command there is none of, if a word stands where one is wanted; else
// nullopt.
std::optional<std::string> unknown_command(const CLI::App& app) {
    const CLI::App* last = &app;
    std::string path;
    while (!last->get_subcommands().empty()) {
        last = last->get_subcommands().front();
        path += last->get_name() + " ";
    }
    if (last->get_require_subcommand_min() == 0) return std::nullopt;
    for (const std::string& word : app.remaining(true)) {
        if (!word.starts_with('-')) return path + printable(word);
    }
    return std::nullopt;
}

}  // namespace

Option& Option::required() {
    option_->required();
    return *this;
}

Option& Option::optional() {
    option_->required(false);
    return *this;
}

Option& Option::one_of(std::vector<std::string> values) {
    option_->type_name(fmt::format("{{{}}}", fmt::join(values, ",")));
    CLI::IsMember member(std::move(values));
    member.description("");
    option_->check(std::move(member));
    return *this;
}

Option& Option::separated_by(char separator) {
    option_->delimiter(separator);
    return *this;
}

Option& Option::from_environment(const char* variable) {
    option_->envname(variable);
    return *this;
}

Command Command::add(const char* name, const char* text) {
    app_->require_subcommand(1);
    return Command(*app_->add_subcommand(name, text), *chosen_);
}

Command Command::group(const char* title, const char* text) {
    return Command(*app_->add_option_group(title, text), *chosen_);
}

void Command::examples(const char* text) {
    app_->footer(text);
}

void Command::flag(const char* names, bool& value, const char* text) {
    app_->add_flag(names, value, text);
}

Option Command::option(const char* name, std::string& value, const char* text, const char* kind) {
    return add_option(*app_, name, value, text, kind);
}

Option Command::option(const char* name, int& value, const char* text, const char* kind) {
    return add_option(*app_, name, value, text, kind);
}

Option Command::option(const char* name, unsigned& value, const char* text, const char* kind) {
    return add_option(*app_, name, value, text, kind);
}

Option Command::option(const char* name, std::optional<unsigned>& value, const char* text,
                       const char* kind) {
    return Option(*app_->add_option(name, value, text)->type_name(kind));
}

Option Command::option(const char* name, double& value, const char* text, const char* kind) {
    return add_option(*app_, name, value, text, kind);
}

Option Command::option(const char* name, std::optional<double>& value, const char* text,
                       const char* kind) {
    return Option(*app_->add_option(name, value, text)->type_name(kind));
}

Option Command::option(const char* name, std::vector<std::string>& value, const char* text,
                       const char* kind) {
    CLI::Option* option = app_->add_option(name, value, text)->type_name(kind);
    if (!value.empty()) option->capture_default_str();
    refuse_empty(*option);
    return Option(*option->allow_extra_args(false));
}

Option Command::option(const char* name, std::map<std::string, std::string>& value,
                       const char* text) {
    auto take = [name, &value](const std::vector<std::string>& pairs) {
        for (const std::string& pair : pairs) {
            size_t equals = pair.find('=');
            if (equals == std::string::npos) throw CLI::ValidationError(name, "takes NAME=VALUE");
            value[pair.substr(0, equals)] = pair.substr(equals + 1);
        }
    };
    CLI::Option* option =
        app_->add_option_function<std::vector<std::string>>(name, std::move(take), text);
    return Option(*option->allow_extra_args(false)->type_name("NAME=VALUE"));
}

Option Command::argument(const char* name, std::string& value, const char* text) {
    return Option(*app_->add_option(name, value, text)->required()->type_name(""));
}

Option Command::argument(const char* name, std::vector<std::string>& values, const char* text) {
    return Option(*app_->add_option(name, values, text)->required()->type_name(""));
}

Option Command::rest(const char* name, std::vector<std::string>& values, const char* text) {
    app_->positionals_at_end();
    return Option(*app_->add_option(name, values, text)->type_name(""));
}

void Command::settings_file(std::string& file) {
    add_option(*app_, kConfigOption, file,
               "take settings from this file: lines name = value (TOML)", "FILE");
}

void Command::run(Runner runner) {
    app_->callback([chosen = chosen_, runner = std::move(runner)] { *chosen = runner; });
}

std::vector<GivenOption> Command::given() const {
    std::vector<GivenOption> out;
    given_of(*app_, out);
    return out;
}

Result<std::vector<std::string>> settings_words(const std::string& file) {
    std::vector<std::string> out;
    try {
        for (const CLI::ConfigItem& item : CLI::ConfigTOML().from_file(file)) {
            for (std::string& word : words_of(item)) out.push_back(std::move(word));
        }
    } catch (const CLI::ParseError& error) {
        return fail(Code::invalid, "{}", error.what());
    }
    return out;
}

CommandLine::CommandLine(const char* name, const char* text, const char* version,
                         const char* footer)
    : app_(std::make_unique<CLI::App>(text, name)) {
    app_->set_version_flag("--version", version);
    app_->footer(footer);
    app_->fallthrough();
    app_->formatter(std::make_shared<Help>());
}

CommandLine::~CommandLine() = default;

std::variant<Runner, int> CommandLine::parse(int argc, char** argv) {
    if (auto word = find_empty_value({argv + 1, argv + argc})) {
        std::cerr << *word << " has no value behind the =\n";
        return 2;
    }
    try {
        std::vector<std::string> words = with_settings({argv + 1, argv + argc});
        std::ranges::reverse(words);  // CLI11 takes them from the end
        app_->parse(std::move(words));
    } catch (const CLI::RequiredError& error) {
        auto unknown = unknown_command(*app_);
        if (!unknown) return app_->exit(error) == 0 ? 0 : 2;
        std::cerr << "there is no command '" << *unknown
                  << "'\nRun with --help for more information.\n";
        return 2;
    } catch (const CLI::ParseError& error) {
        return app_->exit(error) == 0 ? 0 : 2;
    }
    return chosen_;
}

Result<Runner> CommandLine::parse_words(std::vector<std::string> words) {
    if (auto word = find_empty_value(words)) {
        return fail(Code::invalid, "{} has no value behind the =", *word);
    }
    std::ranges::reverse(words);  // CLI11 takes them from the end
    try {
        app_->parse(std::move(words));
    } catch (const CLI::ParseError& error) {
        return fail(Code::invalid, "{}", error.what());
    }
    return chosen_;
}

CommandOutline CommandLine::outline() const {
    CommandOutline out{app_->get_name(), app_->get_description(), {}, {}};
    outline_of(*app_, out);
    return out;
}

}  // namespace vouchsafe::app
