#include "vouchsafe/lab/terminal_relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>

#include "vouchsafe/lab/raw_terminal.h"

namespace vouchsafe::lab {

// Way holds no more than its buffer, and is filled when all of that has been taken.
struct TerminalRelay::Way {
    UniqueFd from;
    UniqueFd to;
    bool typed;             // from the user's terminal; else to it
    bool to_pipe;           // and not to a terminal's master
    bool finished = false;  // nothing more comes
    size_t begin = 0;
    size_t end = 0;
    std::array<char, 16384> buffer{};
    unsigned leaving = 0;  // keys of those that leave the program
    std::chrono::steady_clock::time_point since{};

    bool empty() const { return begin == end; }
    void finish() noexcept {
        finished = true;
        begin = end = 0;
        if (typed) to.reset();
    }
    void fill() noexcept;
    bool spill() noexcept;
    bool leaves() noexcept;
    pollfd source(bool reading) const noexcept;
    pollfd sink() const noexcept;
    bool pass(short seen_from, short seen_to) noexcept;
    void drain() noexcept;
};

namespace {

constexpr short kGone = POLLHUP | POLLERR | POLLNVAL;
constexpr size_t kMaxWays = 3;
constexpr int kForegroundMillis = 500;  // nothing tells us that we have become the foreground
// More than a pipe or a terminal holds (pipe(7): 1 MiB) comes from somebody who goes on printing.
constexpr size_t kMaxDrained = 2 << 20;
// As machinectl has it: no program needs that, and none can take it away.
constexpr char kLeaveKey = 0x1D;  // Ctrl-]
constexpr unsigned kLeaveTimes = 3;
constexpr std::chrono::seconds kLeaveWithin(1);

bool is_terminal(int fd) {
    return ::isatty(fd) == 1;
}

// /dev/tty and /dev/pts/N may be one terminal.
bool is_same_terminal(int one, int other) {
    unsigned first = 0;
    unsigned second = 0;
    return ::ioctl(one, TIOCGDEV, &first) == 0 && ::ioctl(other, TIOCGDEV, &second) == 0 &&
           first == second;
}

// open_again opens a terminal anew, so that reading and writing do not wait: that cannot be set for
// the opening that others have, too. Another user's terminal cannot be opened; then it is that one.
Result<UniqueFd> open_again(int terminal, int mode) {
    const std::string path = fmt::format("/proc/self/fd/{}", terminal);
    UniqueFd out(::open(path.c_str(), mode | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!out || !is_same_terminal(out.get(), terminal)) {
        out.reset(::fcntl(terminal, F_DUPFD_CLOEXEC, 3));
    }
    if (!out) return fail(Code::io, "cannot open the terminal: {}", std::strerror(errno));
    return out;
}

Result<void> set_not_waiting(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags >= 0 && ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0) return {};
    return fail(Code::io, "fcntl: {}", std::strerror(errno));
}

// Signals. Their handlers may run in any thread, so what they write to is there for good.

std::atomic<int> g_signal_event = -1;
std::atomic<bool> g_stop_wanted = false;

// signal_event is -1 if there are too many open files.
int signal_event() {
    static const int made = g_signal_event = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return made;
}

void note_signal(int number) {
    const int error = errno;
    if (number == SIGTSTP) g_stop_wanted = true;
    const uint64_t one = 1;
    [[maybe_unused]] ssize_t ignored = ::write(g_signal_event, &one, sizeof(one));
    errno = error;
}

// TerminalSignals handles them while it lives.
class TerminalSignals {
  public:
    TerminalSignals() noexcept {
        g_stop_wanted = false;
        for (size_t i = 0; i < std::size(kHandled); ++i) {
            struct sigaction action {};
            action.sa_handler = kHandled[i] == SIGPIPE ? SIG_IGN : note_signal;
            action.sa_flags = SA_RESTART;
            ::sigaction(kHandled[i], &action, &before_[i]);
            // A shell without job control has its programs ignore it.
            const bool ignored = before_[i].sa_handler == SIG_IGN;
            if (ignored) ::sigaction(kHandled[i], &before_[i], nullptr);
        }
    }
    ~TerminalSignals() {
        for (size_t i = 0; i < std::size(kHandled); ++i) {
            ::sigaction(kHandled[i], &before_[i], nullptr);
        }
    }
    TerminalSignals(const TerminalSignals&) = delete;
    TerminalSignals& operator=(const TerminalSignals&) = delete;

  private:
    static constexpr int kHandled[] = {SIGWINCH, SIGCONT, SIGTSTP, SIGPIPE};
    struct sigaction before_[std::size(kHandled)];
};

// stop_as_asked stops this process, with the terminal as it was, until it is continued.
void stop_as_asked(RawTerminal& raw) noexcept {
    raw.leave();
    struct sigaction plain {};
    struct sigaction ours {};
    plain.sa_handler = SIG_DFL;
    ::sigaction(SIGTSTP, &plain, &ours);
    ::raise(SIGTSTP);
    ::sigaction(SIGTSTP, &ours, nullptr);
}

void heed_signals(RawTerminal& raw) noexcept {
    uint64_t count = 0;
    [[maybe_unused]] ssize_t ignored = ::read(g_signal_event, &count, sizeof(count));
    if (g_stop_wanted.exchange(false)) stop_as_asked(raw);
}

bool is_master_of(int fd, dev_t device) {
    constexpr unsigned kMajor = 5;  // admin-guide/devices: /dev/ptmx
    constexpr unsigned kMinor = 2;
    struct stat file {};
    unsigned number = 0;
    return ::fstat(fd, &file) == 0 && S_ISCHR(file.st_mode) && ::major(file.st_rdev) == kMajor &&
           ::minor(file.st_rdev) == kMinor && file.st_dev == device &&
           (::fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDWR && ::ioctl(fd, TIOCGPTN, &number) == 0;
}

}  // namespace

// fill reads once, into an empty buffer.
void TerminalRelay::Way::fill() noexcept {
    ssize_t got = 0;
    do {
        got = ::read(from.get(), buffer.data(), buffer.size());
    } while (got < 0 && errno == EINTR);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return finish();
    begin = 0;
    end = static_cast<size_t>(got);
}

// spill writes once. False: nobody takes it any more.
bool TerminalRelay::Way::spill() noexcept {
    const ssize_t put = ::write(to.get(), buffer.data() + begin, end - begin);
    if (put < 0) return errno == EAGAIN || errno == EINTR;
    begin += static_cast<size_t>(put);
    return true;
}

// leaves tells whether what was typed now is the end of what leaves the program.
bool TerminalRelay::Way::leaves() noexcept {
    for (size_t i = begin; i < end; ++i) {
        if (buffer[i] != kLeaveKey) {
            leaving = 0;
            continue;
        }
        const auto now = std::chrono::steady_clock::now();
        if (now - since > kLeaveWithin) leaving = 0;
        if (leaving == 0) since = now;
        if (++leaving == kLeaveTimes) return true;
    }
    return false;
}

// The user's terminal is asked about even where nothing is to be read or written: it may hang up.
pollfd TerminalRelay::Way::source(bool reading) const noexcept {
    const bool asked = !finished && (typed ? reading : empty());
    return {asked ? from.get() : -1, static_cast<short>(empty() ? POLLIN : 0), 0};
}

pollfd TerminalRelay::Way::sink() const noexcept {
    return {to.get(), static_cast<short>(empty() ? 0 : POLLOUT), 0};
}

// pass does what can be done now. False: the user's terminal is gone, or the user leaves.
bool TerminalRelay::Way::pass(short seen_from, short seen_to) noexcept {
    if (((typed ? seen_from : seen_to) & kGone) != 0) return false;
    const bool taken = (seen_to & kGone) == 0 && ((seen_to & POLLOUT) == 0 || spill());
    if (!taken && !typed) return false;
    if (!taken) finish();
    if (seen_from == 0 || finished || !empty()) return true;
    fill();
    return !typed || to_pipe || (!finished && !leaves());
}

// drain passes on what is there and waits for no more.
void TerminalRelay::Way::drain() noexcept {
    for (size_t drained = 0;; drained += end) {
        while (!empty()) {
            pollfd ready{to.get(), POLLOUT, 0};
            if (::poll(&ready, 1, -1) < 0 && errno != EINTR) return;
            if ((ready.revents & kGone) != 0 || !spill()) return;
        }
        if (!finished && drained < kMaxDrained) fill();
        if (empty()) return;
    }
}

bool takes_raw_terminal(int in, int out) {
    return is_terminal(in) && is_terminal(out);
}

Result<UniqueFd> receive_terminal(int channel, dev_t device) {
    char byte = 0;
    iovec text{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = CMSG_LEN(sizeof(int));  // one: the kernel closes what is more
    ssize_t count = 0;
    do {
        count = ::recvmsg(channel, &message, MSG_CMSG_CLOEXEC);
    } while (count < 0 && errno == EINTR);
    const cmsghdr* header = count < 0 ? nullptr : CMSG_FIRSTHDR(&message);
    if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS ||
        header->cmsg_len != CMSG_LEN(sizeof(int))) {
        return fail(Code::unavailable, "the machine gave no terminal");
    }
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    UniqueFd out(fd);
    if ((message.msg_flags & MSG_CTRUNC) != 0 || !is_master_of(fd, device)) {
        return fail(Code::forbidden, "the machine gave something that is no terminal of its own");
    }
    return out;
}

TerminalRelay::TerminalRelay() = default;
TerminalRelay::TerminalRelay(TerminalRelay&&) noexcept = default;
TerminalRelay::~TerminalRelay() = default;

Result<TerminalRelay> TerminalRelay::prepare(const std::array<int, 3>& streams) {
    TerminalRelay out;
    out.streams_ = streams;
    out.inside_.fds = streams;
    const bool prints = is_terminal(streams[1]);
    for (size_t i = 0; i < streams.size(); ++i) {
        if (!is_terminal(streams[i])) continue;
        const bool joined = prints && (i != 2 || is_same_terminal(streams[1], streams[2]));
        if (!joined) TRY(out.add_pipe(i));
        out.inside_.on_terminal[i] = joined;
    }
    if (prints) TRY(out.add_terminal());
    out.typed_ = is_terminal(streams[0]);
    return out;
}

// What is printed is processed once (a line feed becomes two characters): by the terminal inside
// where the user's is raw. In the background the modes of the user's are those of whoever reads.
Result<void> TerminalRelay::add_terminal() {
    const int typed_on = inside_.on_terminal[0] ? streams_[0] : streams_[1];
    termios modes{};
    if (::tcgetattr(typed_on, &modes) != 0 || signal_event() < 0) {
        return fail(Code::io, "cannot use the terminal: {}", std::strerror(errno));
    }
    if (reads_from(typed_on)) inside_.modes = modes;
    inside_.processes = inside_.on_terminal[0] && is_same_terminal(streams_[0], streams_[1]);
    ::ioctl(streams_[1], TIOCGWINSZ, &inside_.size);
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
        return fail(Code::io, "socketpair: {}", std::strerror(errno));
    }
    channel_.reset(ends[0]);
    handed_.emplace_back(ends[1]);
    inside_.channel = ends[1];
    return {};
}

Result<void> TerminalRelay::add_pipe(size_t stream) {
    const bool typed = stream == 0;
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
        return fail(Code::io, "cannot make a pipe: {}", std::strerror(errno));
    }
    UniqueFd reads(ends[0]);
    UniqueFd writes(ends[1]);
    handed_.push_back(std::move(typed ? reads : writes));
    inside_.fds[stream] = handed_.back().get();
    UniqueFd ours = std::move(typed ? writes : reads);
    TRY(set_not_waiting(ours.get()));
    UniqueFd users = TRY(open_again(streams_[stream], typed ? O_RDONLY : O_WRONLY));
    if (typed) {
        ways_.push_back({std::move(users), std::move(ours), true, true});
    } else {
        ways_.push_back({std::move(ours), std::move(users), false, true});
    }
    return {};
}

Result<void> TerminalRelay::connect(dev_t device) {
    handed_.clear();
    if (!channel_) return {};
    master_ = TRY(receive_terminal(channel_.get(), device));
    TRY(set_not_waiting(master_.get()));
    const auto again = [this] { return UniqueFd(::fcntl(master_.get(), F_DUPFD_CLOEXEC, 3)); };
    if (inside_.on_terminal[0]) {
        UniqueFd users = TRY(open_again(streams_[0], O_RDONLY));
        ways_.push_back({std::move(users), again(), true, false});
    }
    UniqueFd users = TRY(open_again(streams_[1], O_WRONLY));
    ways_.push_back({again(), std::move(users), false, false});
    return {};
}

// look sees how the user's terminal is now.
void TerminalRelay::look(RawTerminal& raw) noexcept {
    reading_ = !typed_ || reads_from(streams_[0]);
    raw.enter();
    winsize size{};
    if (master_ && ::ioctl(streams_[1], TIOCGWINSZ, &size) == 0) {
        ::ioctl(master_.get(), TIOCSWINSZ, &size);  // tells the programs there if it is new
    }
}

TerminalRelay::End TerminalRelay::pass_on(RawTerminal& raw, int ended) noexcept {
    while (true) {
        std::array<pollfd, 2 + 2 * kMaxWays> asked;
        asked[0] = {ended, POLLIN, 0};
        asked[1] = {g_signal_event, POLLIN, 0};
        size_t count = 2;
        for (const Way& way : ways_) {
            asked[count++] = way.source(reading_);
            asked[count++] = way.sink();
        }
        const int ready = ::poll(asked.data(), count, reading_ ? -1 : kForegroundMillis);
        if (ready < 0 && errno != EINTR) return End::hung_up;
        if (ready <= 0 || asked[1].revents != 0) {
            heed_signals(raw);
            look(raw);
        }
        if (ready <= 0) continue;
        if (asked[0].revents != 0) return End::program;
        for (size_t i = 0; i < ways_.size(); ++i) {
            if (!ways_[i].pass(asked[2 + 2 * i].revents, asked[3 + 2 * i].revents)) {
                return End::hung_up;
            }
        }
    }
}

TerminalRelay::End TerminalRelay::run(int ended) noexcept {
    if (ways_.empty()) return End::program;
    const TerminalSignals signals;
    RawTerminal raw(inside_.on_terminal[0] ? streams_[0] : -1);
    look(raw);
    if (pass_on(raw, ended) == End::hung_up) return End::hung_up;
    for (Way& way : ways_) {
        if (!way.typed) way.drain();
    }
    return End::program;
}

}  // namespace vouchsafe::lab
