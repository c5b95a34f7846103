// The command line as plain values and functions: the one door to CLI11, whose templates are then
// compiled once and not in every command. Not thread-safe; values and texts given here must live
// until the chosen command has run.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "vouchsafe/base/result.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace vouchsafe::app {

// Runner is what a chosen command does. It returns the exit code.
using Runner = std::function<Result<int>()>;

// Option is a handle of one option or argument; copy it freely.
class Option {
  public:
    explicit Option(CLI::Option& option) : option_(&option) {}
    Option& required();
    Option& optional();
    Option& one_of(std::vector<std::string> values);
    // separated_by: a list's values may also come in one, with this between them.
    Option& separated_by(char separator);
    // from_environment: the variable's value where the option is not given.
    Option& from_environment(const char* variable);

  private:
    CLI::Option* option_;
};

// GivenOption is an option that the command line has, with what it was given.
struct GivenOption {
    std::string name;  // without the hyphens
    std::string kind;  // of its value, as its help names it: "FILE"
    std::vector<std::string> values;
};

// Command is a handle of one command, or of a titled group of options in its help; copy it freely.
// A command that has commands of its own needs one of them.
class Command {
  public:
    Command(CLI::App& app, Runner& chosen) : app_(&app), chosen_(&chosen) {}

    Command add(const char* name, const char* text);
    Command group(const char* title, const char* text = "");
    // examples is shown at the end of the help.
    void examples(const char* text);
    void flag(const char* names, bool& value, const char* text);
    // option takes --NAME VALUE. What `value` holds beforehand is shown as the default. `kind`
    // names the value in the help, "" for none. The option of a list may be repeated.
    Option option(const char* name, std::string& value, const char* text, const char* kind);
    Option option(const char* name, int& value, const char* text, const char* kind);
    Option option(const char* name, unsigned& value, const char* text, const char* kind);
    Option option(const char* name, std::optional<unsigned>& value, const char* text,
                  const char* kind);
    Option option(const char* name, double& value, const char* text, const char* kind);
    Option option(const char* name, std::optional<double>& value, const char* text,
                  const char* kind);
    Option option(const char* name, std::vector<std::string>& value, const char* text,
                  const char* kind);
    // The option of a map takes NAME=VALUE and may be repeated.
    Option option(const char* name, std::map<std::string, std::string>& value, const char* text);
    // argument takes its value by place and is required.
    Option argument(const char* name, std::string& value, const char* text);
    // The argument of a list takes what is left, after "--" where it looks like options.
    Option argument(const char* name, std::vector<std::string>& values, const char* text);
    // rest takes every word from the first one on that is no option of this command, also if it
    // looks like one: the words of another program. Not required.
    Option rest(const char* name, std::vector<std::string>& values, const char* text);
    // settings_file adds --config FILE: lines "name = value" (TOML), as if the command had been
    // called with --name=value; what the command line gives itself goes first. A list gives an
    // option several times. Sections are refused, empty values, and names that the command does not
    // have.
    void settings_file(std::string& file);
    void run(Runner runner);
    // given tells the options of this command that were given. After parsing.
    std::vector<GivenOption> given() const;

  private:
    CLI::App* app_;
    Runner* chosen_;  // the CommandLine's
};

// What a command line offers, for shell completion.
struct OptionOutline {
    std::string name;  // without the hyphens
    std::string text;
    std::string kind;  // of its value, as its help names it: "FILE"
    bool takes_value = false;
};
struct CommandOutline {
    std::string name;
    std::string text;
    std::vector<OptionOutline> options;
    std::vector<CommandOutline> commands;
};

// settings_words gives the words "--name=value" of a settings file (Command::settings_file), for
// parse_words. Code::invalid if it cannot be read or is none.
Result<std::vector<std::string>> settings_words(const std::string& file);

class CommandLine {
  public:
    CommandLine(const char* name, const char* text, const char* version, const char* footer);
    ~CommandLine();
    CommandLine(const CommandLine&) = delete;
    CommandLine& operator=(const CommandLine&) = delete;

    Command root() { return Command(*app_, chosen_); }
    // parse fills the values and returns what to run. Help, version and usage errors are printed
    // here: then it returns the exit code, 0 or 2.
    std::variant<Runner, int> parse(int argc, char** argv);
    // parse_words is parse for words that no person typed: it prints nothing, and fails with
    // Code::invalid, also for help. `words` are without the program's name.
    Result<Runner> parse_words(std::vector<std::string> words);
    CommandOutline outline() const;

  private:
    std::unique_ptr<CLI::App> app_;
    Runner chosen_;
};

}  // namespace vouchsafe::app
