#include "vouchsafe/lab/running_lab.h"

#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <climits>
#include <cstring>
#include <sstream>

#include "vouchsafe/base/json.h"

namespace vouchsafe::lab {

namespace {

constexpr int kStateFormat = 1;
constexpr size_t kMaxState = 64 << 10;

struct Descriptor {
    int fd = -1;
    ~Descriptor() {
        if (fd >= 0) ::close(fd);
    }
};

Result<std::string> boot_id() {
    std::string text = TRY(read_text_file("/proc/sys/kernel/random/boot_id", 128));
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

// What /proc/PID/stat tells behind the program's name, which may hold anything: from field 3 on.
Result<ProcessMark> parse_stat(int pid, const std::string& text) {
    constexpr int kStartField = 22;
    size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return fail(Code::internal, "/proc/{}/stat is cut", pid);
    std::istringstream fields(text.substr(name_end + 1));
    std::string state;
    fields >> state;
    if (state == "Z" || state == "X") return fail(Code::not_found, "process {} has ended", pid);
    ProcessMark out;
    out.pid = pid;
    std::string skipped;
    for (int field = 4; field < kStartField; ++field) fields >> skipped;
    if (!(fields >> out.start)) return fail(Code::internal, "/proc/{}/stat is cut", pid);
    return out;
}

// wait_for_end tells whether the process ended within `time`.
bool wait_for_end(int process_fd, std::chrono::milliseconds time) {
    pollfd waiting{process_fd, POLLIN, 0};
    return ::poll(&waiting, 1, static_cast<int>(time.count())) == 1;
}

Result<void> send(int process_fd, int signal, int pid) {
    if (::syscall(SYS_pidfd_send_signal, process_fd, signal, nullptr, 0) == 0) return {};
    if (errno == ESRCH) return {};  // just gone
    Code code = errno == EPERM ? Code::forbidden : Code::io;
    return fail(code, "cannot end process {}: {}", pid, std::strerror(errno));
}

Result<LabState> parse_state(const std::string& text) {
    Json json = TRY(parse_json_object(text));
    if (TRY(json_integer(json, "format")) != kStateFormat) {
        return fail(Code::unsupported, "it was written by another version of this program");
    }
    LabState out;
    int64_t pid = TRY(json_integer(json, "pid"));
    int64_t port = TRY(json_integer(json, "port"));
    if (pid < 1 || pid > INT_MAX || port < 1 || port > 65535) {
        return fail(Code::invalid, "its process or port is none");
    }
    out.process.pid = static_cast<int>(pid);
    out.process.start = static_cast<uint64_t>(TRY(json_integer(json, "started_ticks")));
    out.process.boot = TRY(json_string(json, "boot"));
    out.port = static_cast<uint16_t>(port);
    out.since = TRY(parse_rfc3339(TRY(json_string(json, "since"))));
    out.pass_through = TRY(json_bool(json, "pass_through"));
    for (const Json& host : *TRY(json_array(json, "hosts"))) {
        if (!host.is_string()) return fail(Code::invalid, "a host is no text");
        out.hosts.push_back(host.get<std::string>());
    }
    return out;
}

}  // namespace

Result<ProcessMark> mark_process(int pid) {
    auto text = read_text_file(fmt::format("/proc/{}/stat", pid), 4096);
    // A process that ends while it is read gives ESRCH.
    if (!text) return fail(Code::not_found, "there is no process {}", pid);
    ProcessMark out = TRY(parse_stat(pid, *text));
    out.boot = TRY(boot_id());
    return out;
}

bool is_running(const ProcessMark& process) {
    auto found = mark_process(process.pid);
    return found && *found == process;
}

Result<void> end_process(const ProcessMark& process, std::chrono::milliseconds grace) {
    // First a handle, then the look at who it is: the handle never comes to mean another process.
    Descriptor handle{static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0))};
    if (handle.fd < 0 || !is_running(process)) {
        return fail(Code::not_found, "process {} is gone", process.pid);
    }
    TRY(send(handle.fd, SIGTERM, process.pid));
    if (wait_for_end(handle.fd, grace)) return {};
    TRY(send(handle.fd, SIGKILL, process.pid));
    constexpr std::chrono::milliseconds kAfterKill{5'000};
    if (wait_for_end(handle.fd, kAfterKill)) return {};
    return fail(Code::unavailable, "process {} does not end", process.pid);
}

Result<std::optional<LabState>> read_lab_state(const Path& lab) {
    const Path file = LabFiles(lab).state();
    auto text = read_text_file(file, kMaxState);
    if (!text && text.error().code == Code::not_found) return std::optional<LabState>();
    if (!text) return fail(text.error());
    return TRY(with_context(parse_state(*text), file.string()));
}

Result<void> write_lab_state(const Path& lab, const LabState& state) {
    Json json{{"format", kStateFormat},
              {"pid", state.process.pid},
              {"started_ticks", state.process.start},
              {"boot", state.process.boot},
              {"port", state.port},
              {"since", format_rfc3339(state.since)},
              {"pass_through", state.pass_through},
              {"hosts", state.hosts}};
    return write_file(LabFiles(lab).state(), as_bytes(dump_json_pretty(json) + "\n"),
                      Overwrite::yes, 0600);
}

void remove_lab_state(const Path& lab) {
    std::error_code ignored;
    std::filesystem::remove(LabFiles(lab).state(), ignored);
}

Result<std::optional<uint16_t>> kept_port(const Path& lab) {
    const Path file = LabFiles(lab).port();
    auto text = read_text_file(file, 16);
    if (!text && text.error().code == Code::not_found) return std::optional<uint16_t>();
    if (!text) return fail(text.error());
    uint16_t port = 0;
    auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), port);
    if (error != std::errc() || port == 0 || std::string_view(end) != "\n") {
        return fail(Code::invalid, "{} holds no port: remove it, or start with --port",
                    file.string());
    }
    return std::optional<uint16_t>(port);
}

Result<void> keep_port(const Path& lab, uint16_t port) {
    return write_file(LabFiles(lab).port(), as_bytes(fmt::format("{}\n", port)), Overwrite::yes);
}

}  // namespace vouchsafe::lab
