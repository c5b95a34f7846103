#include "vouchsafe/lab/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "vouchsafe/lab/process_child.h"

namespace vouchsafe::lab {

namespace {

constexpr int kMaxPassedFd = 255;
constexpr size_t kMaxLine = 64 << 10;

// Fd closes what it holds.
class Fd {
  public:
    Fd() = default;
    explicit Fd(int fd) : fd_(fd) {}
    ~Fd() { close(); }
    Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Fd& operator=(Fd&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    int get() const { return fd_; }
    explicit operator bool() const { return fd_ >= 0; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_ = -1;
};

struct Pipe {
    Fd read, write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return fail(Code::io, "cannot make a pipe: {}", std::strerror(errno));
    }
    return Pipe{Fd(ends[0]), Fd(ends[1])};
}

int open_pidfd(pid_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
}

void set_nonblocking(int fd) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
}

// ChildPlan is everything the child needs, prepared before it exists.
struct ChildPlan {
    std::string program;
    std::vector<char*> argv, envp;
    std::string directory;
    struct Move {
        int from, to;
    };
    std::vector<Move> moves;  // stdin, stdout, stderr and the passed ones
    int highest = 2;          // of the `to` numbers
    int report = -1;          // where a failure is written
    int parent = -1;          // pidfd of the parent
    const ChildStep* step = nullptr;
};

[[noreturn]] void give_up(int report, StartFailure failure) noexcept {
    [[maybe_unused]] ssize_t ignored = ::write(report, &failure, sizeof(failure));
    ::_exit(127);
}

// arrange_descriptors gives the child exactly the descriptors of the plan; all others close at
// exec.
bool arrange_descriptors(ChildPlan& plan) noexcept {
    int above = plan.highest + 1;
    plan.report = ::fcntl(plan.report, F_DUPFD_CLOEXEC, above);
    for (ChildPlan::Move& move : plan.moves) {
        move.from = ::fcntl(move.from, F_DUPFD_CLOEXEC, above);
        if (move.from < 0) return false;
    }
    for (int fd = 3; fd <= plan.highest; ++fd) ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    for (const ChildPlan::Move& move : plan.moves) {
        if (::dup2(move.from, move.to) < 0) return false;
    }
    return ::close_range(static_cast<unsigned>(above), ~0u, CLOSE_RANGE_CLOEXEC) == 0;
}

void reset_signals() noexcept {
    struct sigaction standard {};
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &standard, nullptr);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// die_with_parent asks for SIGKILL at the parent's end, and looks whether that was too late.
bool die_with_parent(int parent) noexcept {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return false;
    pollfd ended{parent, POLLIN, 0};
    return ::poll(&ended, 1, 0) == 0;
}

[[noreturn]] void run_child(ChildPlan& plan) noexcept {
    if (!die_with_parent(plan.parent)) give_up(plan.report, {kStageParentGone, errno});
    ::setsid();
    reset_signals();
    rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    if (!arrange_descriptors(plan)) give_up(plan.report, {kStageDescriptors, errno});
    if (plan.step != nullptr && plan.step->run != nullptr) {
        StartFailure failure = plan.step->run(plan.step->context);
        if (failure.stage != kStageNone) give_up(plan.report, failure);
    }
    if (!plan.directory.empty() && ::chdir(plan.directory.c_str()) != 0) {
        give_up(plan.report, {kStageDirectory, errno});
    }
    ::execve(plan.program.c_str(), plan.argv.data(), plan.envp.data());
    give_up(plan.report, {kStageExec, errno});
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

std::vector<std::string> own_environment() {
    std::vector<std::string> out;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        out.emplace_back(*entry);
    }
    return out;
}

tl::unexpected<Error> fail_start(const std::string& program, StartFailure failure) {
    const char* words = std::strerror(failure.error);
    if (failure.stage == kStageExec && failure.error == EACCES) {
        return fail(Code::forbidden, "{} may not be executed: {}", program, words);
    }
    if (failure.stage == kStageExec && failure.error == ENOENT) {
        return fail(Code::unavailable, "{} cannot be executed: {}", program, words);
    }
    return fail(Code::io, "cannot start {} (stage {}): {}", program, failure.stage, words);
}

}  // namespace

Result<std::string> find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        if (::access(name.c_str(), F_OK) == 0) return std::filesystem::absolute(name).string();
        return fail(Code::unavailable, "there is no program {}", name);
    }
    const char* path = std::getenv("PATH");
    std::string_view folders = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (true) {
        size_t end = folders.find(':');
        std::string candidate = fmt::format("{}/{}", folders.substr(0, end), name);
        if (end != 0 && ::access(candidate.c_str(), X_OK) == 0) return candidate;
        if (end == std::string_view::npos) break;
        folders.remove_prefix(end + 1);
    }
    return fail(Code::unavailable, "there is no program \"{}\" in the PATH", name);
}

struct Process::Impl {
    Command command;
    std::vector<std::string> environment;
    ChildPlan plan;
    Fd child_in, child_out, child_err;  // the child's ends, until it is started
    Fd in, out, err;                    // ours
    Fd report, child_report, parent_pidfd, pidfd;
    std::string line;
    std::thread thread;

    std::mutex mutex;
    std::condition_variable changed;
    bool started = false;  // executed, or failed
    bool ended = false;
    bool reaped = false;
    StartFailure failure;
    int pid = -1;
    Finished finished;

    Result<void> prepare(const ChildStep* step);
    Result<void> connect(Command::Output output, int number, Fd& ours, Fd& theirs);
    void run();
    bool start_child();
    void serve();
    bool read_some(Fd& from, std::string& to, bool lines);
    void write_some(size_t& done);
    void take_lines(std::string_view piece);
    void reap();
    void kill_group(int signal);
};

Result<void> Process::Impl::connect(Command::Output output, int number, Fd& ours, Fd& theirs) {
    if (output == Command::Output::inherit) {
        plan.moves.push_back({number, number});
        return {};
    }
    if (output == Command::Output::discard) {
        theirs = Fd(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    } else {
        Pipe pipe = TRY(make_pipe());
        set_nonblocking(pipe.read.get());
        ours = std::move(pipe.read);
        theirs = std::move(pipe.write);
    }
    plan.moves.push_back({theirs.get(), number});
    return {};
}

Result<void> Process::Impl::prepare(const ChildStep* step) {
    if (command.argv.empty()) return fail(Code::invalid, "no program to start was named");
    plan.program = TRY(find_program(command.argv[0]));
    environment = command.env ? *command.env : own_environment();
    plan.argv = pointers(command.argv);
    plan.envp = pointers(environment);
    if (command.directory) plan.directory = command.directory->string();

    if (command.input.empty()) {
        child_in = Fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    } else {
        Pipe pipe = TRY(make_pipe());
        set_nonblocking(pipe.write.get());
        in = std::move(pipe.write);
        child_in = std::move(pipe.read);
    }
    plan.moves.push_back({child_in.get(), 0});
    TRY(connect(command.out, 1, out, child_out));
    TRY(connect(command.err, 2, err, child_err));
    for (const PassedFd& passed : command.fds) {
        if (passed.theirs < 3 || passed.theirs > kMaxPassedFd) {
            return fail(Code::invalid, "descriptor {} cannot be passed to a child", passed.theirs);
        }
        plan.moves.push_back({passed.ours, passed.theirs});
        plan.highest = std::max(plan.highest, passed.theirs);
    }
    Pipe pipe = TRY(make_pipe());
    report = std::move(pipe.read);
    child_report = std::move(pipe.write);
    plan.report = child_report.get();
    parent_pidfd = Fd(open_pidfd(::getpid()));
    plan.parent = parent_pidfd.get();
    plan.step = step;
    return {};
}

// start_child runs in the thread of this child. clone is called directly: between it and exec
// nothing of the C library's state is used, so its preparations for fork are not needed.
bool Process::Impl::start_child() {
    unsigned long flags = SIGCHLD | (plan.step != nullptr ? plan.step->clone_flags : 0);
    long made = ::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr);
    if (made == 0) run_child(plan);
    StartFailure result;
    if (made < 0) {
        result = {kStageClone, errno};
    } else {
        child_in.close();
        child_out.close();
        child_err.close();
        child_report.close();
        pidfd = Fd(open_pidfd(static_cast<pid_t>(made)));
        ssize_t count = 0;
        do {
            count = ::read(report.get(), &result, sizeof(result));
        } while (count < 0 && errno == EINTR);
        if (count != sizeof(result)) result = {};  // end of file: executed
    }
    std::lock_guard lock(mutex);
    pid = static_cast<int>(made);
    failure = result;
    started = true;
    changed.notify_all();
    return result.stage == kStageNone;
}

void Process::Impl::take_lines(std::string_view piece) {
    while (!piece.empty()) {
        size_t end = piece.find('\n');
        line += piece.substr(0, end);
        if (line.size() > kMaxLine) line.resize(kMaxLine);
        if (end == std::string_view::npos) return;
        command.on_line(line);
        line.clear();
        piece.remove_prefix(end + 1);
    }
}

// read_some reads what there is. False if there is nothing more for now.
bool Process::Impl::read_some(Fd& from, std::string& to, bool lines) {
    std::array<char, 16384> chunk;
    ssize_t count = ::read(from.get(), chunk.data(), chunk.size());
    if (count < 0) return errno == EINTR;
    if (count == 0) {
        from.close();
        return false;
    }
    std::string_view piece(chunk.data(), static_cast<size_t>(count));
    if (lines) take_lines(piece);
    size_t room = command.max_output - std::min(command.max_output, to.size());
    if (piece.size() > room) finished.cut = true;
    to += piece.substr(0, room);
    return true;
}

void Process::Impl::write_some(size_t& done) {
    ByteView left = ByteView(command.input).subspan(done);
    ssize_t count = ::write(in.get(), left.data(), left.size());
    if (count > 0) done += static_cast<size_t>(count);
    bool over = count < 0 && errno != EAGAIN && errno != EINTR;
    if (over || done == command.input.size()) in.close();
}

// serve moves input and output until the child has ended.
void Process::Impl::serve() {
    size_t written = 0;
    bool lines = static_cast<bool>(command.on_line);
    while (true) {
        std::array<pollfd, 4> wait{{{pidfd.get(), POLLIN, 0},
                                    {in.get(), POLLOUT, 0},
                                    {out.get(), POLLIN, 0},
                                    {err.get(), POLLIN, 0}}};
        if (::poll(wait.data(), wait.size(), -1) < 0) continue;
        if (wait[1].revents != 0) write_some(written);
        if (wait[2].revents != 0) read_some(out, finished.out, lines);
        if (wait[3].revents != 0) read_some(err, finished.err, false);
        if (wait[0].revents != 0) break;
    }
    // A grandchild may hold the pipes open for ever: take what is there and leave.
    while (out && read_some(out, finished.out, lines)) {
    }
    while (err && read_some(err, finished.err, false)) {
    }
    if (lines && !line.empty()) command.on_line(line);
}

void Process::Impl::reap() {
    if (pid <= 0) return;
    // The id stays ours until it is reaped, so the rest of the group can be killed safely.
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) != 0 &&
           errno == EINTR) {
    }
    std::lock_guard lock(mutex);
    ::kill(-pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    reaped = true;
    if (WIFEXITED(status)) finished.exit_code = WEXITSTATUS(status);
    if (WIFSIGNALED(status)) finished.signal = WTERMSIG(status);
}

void Process::Impl::run() {
    if (start_child()) serve();
    reap();
    std::lock_guard lock(mutex);
    ended = true;
    changed.notify_all();
}

void Process::Impl::kill_group(int signal) {
    std::lock_guard lock(mutex);
    if (!started || reaped || pid <= 0) return;
    ::kill(pid, signal);
    ::kill(-pid, signal);
}

Result<Process> ChildStarter::start(Command command, const ChildStep* step, StartFailure& failure) {
    auto impl = std::make_unique<Process::Impl>();
    impl->command = std::move(command);
    TRY(impl->prepare(step));

    // Signals are for the other threads: the child's thread blocks all, SIGPIPE among them.
    sigset_t all, old;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &old);
    impl->thread = std::thread([raw = impl.get()] { raw->run(); });
    ::pthread_sigmask(SIG_SETMASK, &old, nullptr);

    {
        std::unique_lock lock(impl->mutex);
        impl->changed.wait(lock, [&] { return impl->started; });
        failure = impl->failure;
    }
    impl->plan.step = nullptr;  // borrowed until now
    if (failure.stage != kStageNone) {
        impl->thread.join();
        return fail_start(impl->plan.program, failure);
    }
    return Process(std::move(impl));
}

Result<Process> Process::start(Command command) {
    StartFailure failure;
    return ChildStarter::start(std::move(command), nullptr, failure);
}

Process::Process(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Process::Process(Process&&) noexcept = default;

Process& Process::operator=(Process&& other) noexcept {
    std::swap(impl_, other.impl_);
    return *this;
}

Process::~Process() {
    if (!impl_) return;
    kill();
    impl_->thread.join();
}

int Process::pid() const {
    return impl_->pid;
}

bool Process::running() const {
    std::lock_guard lock(impl_->mutex);
    return !impl_->ended;
}

void Process::kill() {
    impl_->kill_group(SIGKILL);
}

Result<Finished> Process::wait(std::optional<std::chrono::milliseconds> timeout) {
    std::unique_lock lock(impl_->mutex);
    auto ended = [&] { return impl_->ended; };
    if (!timeout) {
        impl_->changed.wait(lock, ended);
    } else if (!impl_->changed.wait_for(lock, *timeout, ended)) {
        lock.unlock();
        kill();
        lock.lock();
        impl_->changed.wait(lock, ended);
        return fail(Code::unavailable, "{} did not end within {} ms and was killed",
                    impl_->plan.program, timeout->count());
    }
    return impl_->finished;
}

void Process::stop(std::chrono::milliseconds grace) {
    impl_->kill_group(SIGTERM);
    std::unique_lock lock(impl_->mutex);
    auto ended = [&] { return impl_->ended; };
    if (impl_->changed.wait_for(lock, grace, ended)) return;
    lock.unlock();
    kill();
    lock.lock();
    impl_->changed.wait(lock, ended);
}

Result<Finished> run(Command command, std::optional<std::chrono::milliseconds> timeout) {
    Process process = TRY(Process::start(std::move(command)));
    return process.wait(timeout);
}

}  // namespace vouchsafe::lab
