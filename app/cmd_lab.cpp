// status, logs, down, reset: a lab that runs, or ran, in a directory.
#include <unistd.h>

#include <iostream>
#include <thread>

#include "app/lab_directory.h"
#include "app/request_log.h"
#include "app/show.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/reset.h"
#include "vouchsafe/lab/vm_list.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::app {

namespace {

constexpr size_t kMaxLog = 64 << 20;  // of what is read; it is written smaller

struct LabCommand {
    std::string dir;
    unsigned lines = 50;
    bool follow = false;
    bool yes = false;
};

// answers tells whether the door of a running lab does.
bool answers(uint16_t port) {
    net::ClientOptions options;
    options.use_proxy = false;
    options.timeout = std::chrono::milliseconds(2'000);
    net::ClientRequest request;
    request.url = fmt::format("http://127.0.0.1:{}/", port);
    auto answer = net::Client(options).send(request);
    return answer && answer->status == 200;
}

using Machines = std::vector<lab::ListedVm>;

Json state_json(const Path& lab, const std::optional<lab::LabState>& state,
                const Machines& machines, bool running, bool well) {
    Json json{{"directory", lab.string()}, {"running", running}, {"answers", well}};
    if (!state) return json;
    json["machines"] = Json::array();
    for (const lab::ListedVm& vm : machines) {
        json["machines"].push_back({{"name", vm.name},
                                    {"group", vm.group},
                                    {"id", vm.id},
                                    {"power", vm.power},
                                    {"reason", vm.reason},
                                    {"security_type", vm.security_type},
                                    {"tier", vm.tier},
                                    {"private_ip", vm.private_ip},
                                    {"public_ip", vm.public_ip}});
    }
    json["pid"] = state->process.pid;
    json["port"] = state->port;
    json["since"] = format_rfc3339(state->since);
    json["pass_through"] = state->pass_through;
    json["hosts"] = state->hosts;
    json["killed"] = !running;
    return json;
}

// machine_lines are one line a machine, each with the line's end before it.
std::string machine_lines(const Context& context, const Machines& machines) {
    size_t width = 0;
    for (const lab::ListedVm& vm : machines) width = std::max(width, vm.name.size());
    std::string out;
    for (const lab::ListedVm& vm : machines) {
        const bool runs = vm.power == "running";
        out +=
            fmt::format("\n           {:<{}}  {}  {}{}, in {}", printable(vm.name), width,
                        runs                ? styled("running", Style::good, context.color_out)
                        : vm.reason.empty() ? vm.power
                                            : styled(vm.power, Style::bad, context.color_out),
                        vm.security_type, vm.heavy() ? " booted by QEMU" : "", printable(vm.group));
        if (!vm.private_ip.empty()) out += ", " + printable(vm.private_ip);
        if (!vm.public_ip.empty()) out += ", " + printable(vm.public_ip);
        if (!vm.reason.empty()) out += ": " + printable(vm.reason);
    }
    return out;
}

std::string state_text(const Context& context, const Path& lab,
                       const std::optional<lab::LabState>& state, const Machines& machines,
                       bool running, bool well) {
    if (!state) {
        return fmt::format("no lab runs in {}; 'vouchsafe up{}' starts one\n",
                           printable(lab.string()), dir_words(lab));
    }
    if (!running) {
        return fmt::format(
            "no lab runs in {}: process {} was killed; 'vouchsafe up' takes it up again\n",
            printable(lab.string()), state->process.pid);
    }
    std::string hosts;
    for (const std::string& host : state->hosts) hosts += "\n           " + printable(host);
    return fmt::format(
        "{}, process {}, since {}\nport       {}\ndirectory  {}\nhosts      {}\nforeign    {}\n"
        "machines   {}\n",
        well ? styled("running", Style::good, context.color_out)
             : styled("running, but its door does not answer", Style::bad, context.color_out),
        state->process.pid, format_rfc3339(state->since), state->port, printable(lab.string()),
        hosts.empty() ? "none" : hosts.substr(12),
        state->pass_through ? "https is passed through" : "refused",
        machines.empty() ? "none" : machine_lines(context, machines).substr(12));
}

Result<int> run_status(const Context& context, const LabCommand& command) {
    const Path path = lab_directory(command.dir);
    auto state = TRY(lab::read_lab_state(path));
    bool running = state && lab::is_running(state->process);
    bool well = running && answers(state->port);
    Machines machines;
    if (running) machines = TRY(lab::read_vm_list(path));
    write_out(context.json ? dump_json(state_json(path, state, machines, running, well)) + "\n"
                           : state_text(context, path, state, machines, running, well));
    return well ? 0 : code_info(Code::unavailable).exit_code;
}

// last_lines returns the last `count` lines of a text.
std::string_view last_lines(std::string_view text, size_t count) {
    size_t at = text.size();
    for (size_t i = 0; i < count && at > 0; ++i) {
        size_t end = at >= 2 ? text.rfind('\n', at - 2) : std::string_view::npos;
        at = end == std::string_view::npos ? 0 : end + 1;
    }
    return count == 0 ? std::string_view() : text.substr(at);
}

// follow_file writes what is added to a file from `at` on, and goes on with the next one when it is
// renamed, until a signal ends the program.
[[noreturn]] void follow_file(const Path& file, uint64_t at) {
    for (;;) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        std::error_code error;
        uint64_t size = std::filesystem::file_size(file, error);
        if (error || size == at) continue;
        auto text = read_text_file(file, kMaxLog);
        if (!text) continue;
        if (text->size() < at) at = 0;
        write_out(std::string_view(*text).substr(at));
        at = text->size();
    }
}

Result<int> run_logs(const Context&, const LabCommand& command) {
    const Path file = lab::LabFiles(lab_directory(command.dir)).requests();
    auto text = read_text_file(file, kMaxLog);
    if (!text && text.error().code == Code::not_found) {
        return fail(Code::not_found, "no lab has run in {}: start one with 'vouchsafe up'",
                    lab_directory(command.dir).string());
    }
    std::string now = TRY(std::move(text));
    std::string before = read_text_file(RequestLog::previous(file), kMaxLog).value_or("");
    write_out(last_lines(before + now, command.lines));
    if (command.follow) follow_file(file, now.size());
    return 0;
}

Result<int> run_down(const Context& context, const LabCommand& command) {
    constexpr std::chrono::milliseconds kGrace{10'000};
    const Path path = lab_directory(command.dir);
    auto state = TRY(lab::read_lab_state(path));
    Result<void> ended = fail(Code::not_found, "no lab runs");
    if (state) ended = lab::end_process(state->process, kGrace);
    bool was_running = ended.has_value();
    if (!ended && ended.error().code != Code::not_found) return fail(ended.error());
    // What a killed lab left; but not what another one has written since.
    auto left = lab::read_lab_state(path);
    if (state && left && *left && (*left)->process == state->process) lab::remove_lab_state(path);
    if (context.json) {
        write_out(dump_json({{"directory", path.string()}, {"ended", was_running}}) + "\n");
    } else {
        write_err(was_running ? fmt::format("the lab has ended (process {}); everything in it is "
                                            "kept\n",
                                            state->process.pid)
                              : fmt::format("no lab runs in {}\n", printable(path.string())));
    }
    return 0;
}

// confirmed asks at the terminal; nobody there means no.
bool confirmed(const Path& path) {
    if (::isatty(STDIN_FILENO) != 1) return false;
    write_err(
        fmt::format("This removes every key, vault, machine and record of the lab in {}.\n"
                    "Type yes to go on: ",
                    printable(path.string())));
    std::string answer;
    return std::getline(std::cin, answer) && answer == "yes";
}

Result<int> run_reset(const Context& context, const LabCommand& command) {
    const Path path = lab_directory(command.dir);
    auto running = find_running(path);
    if (running && *running) {
        return fail(already_running(
            path, **running, fmt::format("end it first with 'vouchsafe down{}'", dir_words(path))));
    }
    TRY(lab::check_resettable(path));
    if (!command.yes && !confirmed(path)) {
        return fail(Code::invalid, "nothing was removed: say --yes, or type yes at a terminal");
    }
    auto left = TRY(lab::reset_lab(path));
    if (context.json) {
        write_out(dump_json({{"directory", path.string()}, {"left", left}}) + "\n");
        return 0;
    }
    write_err(fmt::format("the lab in {} is gone; 'vouchsafe up' makes a new one\n",
                          printable(path.string())));
    for (const std::string& name : left) {
        write_err(fmt::format("  left, because it is not the lab's: {}\n", printable(name)));
    }
    return 0;
}

using Action = Result<int> (*)(const Context&, const LabCommand&);

Command add_one(Command app, Context& context, const char* name, const char* text,
                const std::shared_ptr<LabCommand>& command, Action action) {
    Command made = app.add(name, text);
    add_lab_directory(made, command->dir);
    made.run([&context, command, action] { return action(context, *command); });
    return made;
}

}  // namespace

void add_lab(Command app, Context& context) {
    auto command = std::make_shared<LabCommand>();
    add_one(app, context, "status", "whether the lab runs, where, and what it serves", command,
            run_status)
        .examples(
            "Examples:\n  vouchsafe status\n  vouchsafe --json status | jq .port\n"
            "Exit code 3 if it does not run, or its door does not answer.");
    Command logs = add_one(app, context, "logs", "what was asked of the lab, one line a request",
                           command, run_logs);
    logs.option("--lines", command->lines, "so many of the last ones", "N");
    logs.flag("-f,--follow", command->follow, "and those that come, until Ctrl-C");
    logs.examples("Examples:\n  vouchsafe logs --follow\n  vouchsafe logs --lines 1000 | grep 403");
    add_one(app, context, "down", "end the lab; everything in it is kept", command, run_down)
        .examples("Examples:\n  vouchsafe down\nA lab that does not run is no failure.");
    Command reset = add_one(app, context, "reset",
                            "remove the lab with all its keys, for a new one", command, run_reset);
    reset.flag("--yes", command->yes, "do not ask");
    reset.examples("Examples:\n  vouchsafe down && vouchsafe reset --yes && vouchsafe up --detach");
}

}  // namespace vouchsafe::app
