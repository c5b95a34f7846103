// up: every service of a lab behind one front door, in the foreground or detached.
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <condition_variable>
#include <thread>

#include "app/interrupt.h"
#include "app/lab_directory.h"
#include "app/launch.h"
#include "app/request_log.h"
#include "app/serve_run.h"
#include "app/show.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/lab/front_door.h"

namespace vouchsafe::app {

namespace {

struct UpCommand {
    std::string dir;
    std::optional<unsigned> port;
    bool detach = false;
    bool pass_through = false;
};

Result<void> check_port(const UpCommand& command) {
    if (!command.port || (*command.port >= 1 && *command.port <= 65535)) return {};
    return fail(Code::invalid, "--port is 1 to 65535");
}

// refuse_second fails if a lab runs in the directory. A state that cannot be read is nobody's.
Result<void> refuse_second(const Path& lab) {
    auto running = find_running(lab);
    if (!running || !*running) return {};
    return fail(
        already_running(lab, **running,
                        fmt::format("use it with 'vouchsafe env{0}', end it with 'vouchsafe "
                                    "down{0}'",
                                    dir_words(lab))));
}

void tell_taken_up(const Path& lab) {
    auto state = lab::read_lab_state(lab);
    if (!state || !*state) return;
    write_err(fmt::format("the lab that ran here (process {}) was killed; it is taken up again\n",
                          (*state)->process.pid));
}

Result<lab::DataDirectory> open_or_create(const Context& context, const Path& path) {
    auto opened = lab::DataDirectory::open(path);
    if (opened || opened.error().code != Code::not_found) return opened;
    return lab::DataDirectory::create(path, lab::DirectoryKind::lab, context.clock.now());
}

// Up is a running lab with all its parts.
struct Up {
    std::unique_ptr<lab::DataDirectory> directory;
    std::unique_ptr<RequestLog> log;
    std::unique_ptr<lab::Services> services;
    std::unique_ptr<lab::LabDoor> door;
};

Result<void> start_services(const Context& context, Up& up) {
    auto services = lab::Services::start(*up.directory, context.clock);
    if (!services && services.error().code == Code::conflict) {
        TRY(refuse_second(up.directory->path()));  // one that has only just started
    }
    up.services = TRY(std::move(services));
    return {};
}

// is_glance tells what 'vouchsafe status' asks, which is no news.
bool is_glance(const net::DoorEvent& event) {
    return event.host == "127.0.0.1" && event.path == "/" && event.status == 200;
}

// start_door listens on the port that was asked for, else on the one it always had. The first one
// is below those that the kernel gives to other programs, so that it is free again next time.
Result<void> start_door(const Context& context, const UpCommand& command, Up& up) {
    const Path& lab = up.directory->path();
    lab::LabDoorOptions options;
    options.pass_through = command.pass_through;
    options.on_event = [log = up.log.get()](const net::DoorEvent& event) {
        if (!is_glance(event)) log->add(event);
    };
    auto kept = command.port ? std::optional<uint16_t>(*command.port) : TRY(lab::kept_port(lab));
    auto start = [&](uint16_t port) {
        options.port = port;
        return lab::LabDoor::start(*up.directory, *up.services, context.clock, options);
    };
    if (kept) {
        up.door = TRY(start(*kept));
        return lab::keep_port(lab, *kept);
    }
    constexpr unsigned kFirst = 20'000;
    constexpr unsigned kCount = 10'000;
    constexpr int kTries = 20;
    for (int i = 0; up.door == nullptr; ++i) {
        Bytes random = crypto::random_bytes(2);
        auto made = start(static_cast<uint16_t>(kFirst + (random[0] << 8 | random[1]) % kCount));
        if (!made && (made.error().code != Code::conflict || i == kTries)) {
            return fail(made.error());
        }
        if (made) up.door = std::move(*made);
    }
    return lab::keep_port(lab, up.door->port());
}

lab::LabState state_of(const Context& context, const UpCommand& command, const Up& up,
                       lab::ProcessMark process) {
    return {std::move(process), up.door->port(), context.clock.now(), command.pass_through,
            up.door->hosts()};
}

Result<Up> bring_lab_up(const Context& context, const UpCommand& command, const Path& path) {
    Up up;
    up.directory = std::make_unique<lab::DataDirectory>(TRY(open_or_create(context, path)));
    if (up.directory->kind() != lab::DirectoryKind::lab) {
        return fail(Code::invalid,
                    "{} is a production directory: its services run with 'vouchsafe serve'",
                    path.string());
    }
    const lab::LabFiles files(path);
    TRY(make_private_dir(files.folder()));
    up.log = TRY(RequestLog::open(context, files.requests(), write_out));
    TRY(start_services(context, up));
    tell_taken_up(path);
    TRY(lab::write_client_files(*up.directory, command.pass_through));
    TRY(start_door(context, command, up));
    TRY(up.door->run_machines(
        [log = up.log.get()](const std::string& machine, const std::string& what) {
            log->add({.host = machine, .method = "", .path = "", .note = what, .client = ""});
        }));
    auto process = TRY(lab::mark_process(::getpid()));
    TRY(lab::write_lab_state(path, state_of(context, command, up, std::move(process))));
    return up;
}

void show_up(const Context& context, const UpCommand& command, const Path& lab, uint16_t port,
             int pid) {
    if (context.json) {
        write_out(dump_json({{"listening", fmt::format("http://127.0.0.1:{}", port)},
                             {"port", port},
                             {"pid", pid},
                             {"directory", lab.string()}}) +
                  "\n");
        return;
    }
    const std::string words = dir_words(lab);
    write_out(fmt::format(
        "{} on 127.0.0.1:{} (process {}){}\n  in {}\n  eval \"$(vouchsafe env{})\"    in a shell: "
        "az, Azure's SDKs and curl use the lab\n",
        styled("The lab is up", Style::bold, context.color_out), port, pid,
        command.pass_through ? "; foreign hosts are passed through" : "", printable(lab.string()),
        words));
    write_out(command.detach
                  ? fmt::format("  vouchsafe logs{0} --follow, vouchsafe down{0}\n", words)
                  : "  Ctrl-C ends it\n");
}

// Stop waits for Ctrl-C or SIGTERM.
class Stop {
  public:
    void set() {
        std::lock_guard lock(mutex_);
        stopped_ = true;
        changed_.notify_all();
    }
    // wait returns false if it was not stopped within `time`.
    bool wait(std::chrono::seconds time) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, time, [this] { return stopped_; });
    }

  private:
    std::mutex mutex_;
    std::condition_variable changed_;
    bool stopped_ = false;
};

Result<int> run_here(const Context& context, const UpCommand& command, const Path& path) {
    Up up = TRY(bring_lab_up(context, command, path));
    Stop stop;
    on_interrupt([&stop] { stop.set(); });
    show_up(context, command, path, up.door->port(), ::getpid());
    Chore chore = vault_chore(up.services->vault());
    do {
        chore.work();
    } while (!stop.wait(chore.every));
    up.door.reset();
    lab::remove_lab_state(path);
    up.services.reset();
    if (!context.json) write_out("The lab has ended; everything in it is kept.\n");
    return 0;
}

std::vector<std::string> words_of(const Context& context, const UpCommand& command,
                                  const Path& path) {
    std::vector<std::string> out{"vouchsafe", "up", "--dir", path.string()};
    if (command.port) out.push_back(fmt::format("--port={}", *command.port));
    if (command.pass_through) out.emplace_back("--pass-through");
    if (context.verbose) out.emplace_back("--verbose");
    return out;
}

// wait_until_ready returns the exit code of a child that ended, or 0 when its door is open.
Result<int> wait_until_ready(pid_t child, const Path& path, lab::LabState& state) {
    constexpr std::chrono::seconds kPatience{60};
    const auto end = std::chrono::steady_clock::now() + kPatience;
    while (std::chrono::steady_clock::now() < end) {
        int status = 0;
        if (::waitpid(child, &status, WNOHANG) == child) {
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        auto running = find_running(path);
        if (running && *running && (*running)->process.pid == child) {
            state = std::move(**running);
            return 0;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    return fail(Code::unavailable, "the lab was not ready within {} seconds", kPatience.count());
}

Result<int> detach(const Context& context, const UpCommand& command, const Path& path) {
    TRY(make_private_dir(path));
    const lab::LabFiles files(path);
    TRY(make_private_dir(files.folder()));
    pid_t child = TRY(spawn_detached(words_of(context, command, path), files.console()));
    lab::LabState state;
    int code = TRY(wait_until_ready(child, path, state));
    if (code != 0) {
        const std::string why = TRY(read_text_file(files.console()));
        write_err(why.empty() ? fmt::format("the lab ended at once, and could not say why in {}: "
                                            "is the disk full?\n",
                                            printable(files.console().string()))
                              : why);
        return code;
    }
    show_up(context, command, path, state.port, child);
    return 0;
}

Result<int> run_up(const Context& context, const UpCommand& command) {
    TRY(check_port(command));
    const Path path = lab_directory(command.dir);
    TRY(refuse_second(path));
    return command.detach ? detach(context, command, path) : run_here(context, command, path);
}

constexpr const char* kUpExamples = R"help(Examples:
  vouchsafe up                       in this terminal, one line a request; Ctrl-C ends it
  vouchsafe up --detach && eval "$(vouchsafe env)"
  curl https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration
  vouchsafe logs --follow
  vouchsafe down
Azure's host names are served on one loopback port to programs that are told of
it by the variables of 'vouchsafe env'. Other hosts are refused, so that nothing
reaches the real cloud by accident.)help";

}  // namespace

void add_up(Command app, Context& context) {
    auto command = std::make_shared<UpCommand>();
    Command up = app.add("up", "run a lab: every service behind one port, under Azure's names");
    up.examples(kUpExamples);
    add_lab_directory(up, command->dir);
    up.option("--port", command->port, "of the front door (default: the one it had before)",
              "PORT");
    up.flag("--detach", command->detach, "return when it is ready, and leave it running");
    up.flag("--pass-through", command->pass_through,
            "let https to hosts that the lab does not have go to the real ones");
    up.run([&context, command] { return run_up(context, *command); });
}

}  // namespace vouchsafe::app
