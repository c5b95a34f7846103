// env: the variables by which unmodified programs use the lab.
#include "app/lab_directory.h"
#include "app/launch.h"
#include "app/show.h"
#include "vouchsafe/lab/front_door.h"

namespace vouchsafe::app {

namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;

struct EnvCommand {
    std::string dir;
    std::string shell = "sh";
    bool run = false;
    std::vector<std::string> argv;
};

// quoted puts a text between single quotes; what would end it is replaced.
std::string quoted(std::string_view text, std::string_view quote, bool backslashes) {
    std::string out = "'";
    for (char c : text) {
        if (c == '\'') {
            out += quote;
        } else if (c == '\\' && backslashes) {
            out += "\\\\";
        } else {
            out += c;
        }
    }
    return out + "'";
}

// line_for sets one variable in a shell's language.
std::string line_for(const std::string& shell, const std::string& name, const std::string& value) {
    if (shell == "fish") return fmt::format("set -gx {} {}\n", name, quoted(value, "\\'", true));
    if (shell == "powershell") {
        return fmt::format("$env:{} = {}\n", name, quoted(value, "''", false));
    }
    return fmt::format("export {}={}\n", name, quoted(value, "'\\''", false));
}

int print(const Context& context, const std::string& shell, const Variables& variables) {
    if (context.json) {
        Json json = Json::object();
        for (const auto& [name, value] : variables) json[name] = value;
        write_out(dump_json(json) + "\n");
        return 0;
    }
    std::string out;
    for (const auto& [name, value] : variables) out += line_for(shell, name, value);
    write_out(out);
    return 0;
}

// path_with puts the lab's ssh and scp first, once.
std::string path_with(const std::string& programs) {
    const char* given = std::getenv("PATH");
    const std::string path = given != nullptr ? given : "/usr/local/bin:/usr/bin:/bin";
    return path.starts_with(programs + ":") ? path : programs + ":" + path;
}

Result<int> run_env(const Context& context, const EnvCommand& command) {
    if (command.run && command.argv.empty()) {
        return fail(Code::invalid, "say behind --run what to run");
    }
    if (!command.run && !command.argv.empty()) {
        return fail(Code::invalid, "to run a command, put --run before it");
    }
    const Path path = lab_directory(command.dir);
    auto port = TRY(lab::kept_port(path));
    if (!port) {
        return fail(Code::not_found, "no lab has run in {}: start one with 'vouchsafe up'",
                    path.string());
    }
    auto running = TRY(find_running(path));
    if (!running && command.run) {
        return fail(Code::unavailable, "the lab in {} does not run: start it with 'vouchsafe up'",
                    path.string());
    }
    auto variables = lab::client_variables(path, *port);
    variables.emplace_back("PATH", path_with(lab::LabFiles(path).programs().string()));
    if (command.run) return become(command.argv, variables);
    if (!running) {
        write_err(fmt::format("note: the lab in {} does not run now; 'vouchsafe up' starts it\n",
                              printable(path.string())));
    }
    return print(context, command.shell, variables);
}

constexpr const char* kEnvExamples = R"help(Examples:
  eval "$(vouchsafe env)"                                       sh, bash, zsh
  vouchsafe env --shell fish | source
  vouchsafe env --shell powershell | Out-String | Invoke-Expression
  vouchsafe env --run az login
  vouchsafe env --run -- python3 encrypt_data.py data.csv MyVault KeyEncryptionKey
The variables point proxies and trusted authorities at the lab, and Azure's
command line at a folder of the lab for its sign-ins, so that yours are left
alone; ssh and scp find the lab's machines by their public addresses. The
variables stay right when the lab is started again.)help";

}  // namespace

void add_env(Command app, Context& context) {
    auto command = std::make_shared<EnvCommand>();
    Command env = app.add("env", "the variables by which other programs use the lab");
    env.examples(kEnvExamples);
    add_lab_directory(env, command->dir);
    env.option("--shell", command->shell, "whose language: sh, fish or powershell", "")
        .one_of({"sh", "fish", "powershell"});
    env.flag("--run", command->run, "run the command that follows with them");
    env.rest("COMMAND", command->argv, "with --run: the program and its words");
    env.run([&context, command] { return run_env(context, *command); });
}

}  // namespace vouchsafe::app
