#include "vouchsafe/lab/terminal_relay.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdlib>
#include <future>
#include <thread>

#include "vouchsafe/base/file.h"
#include "vouchsafe/lab/guest.h"
#include "vouchsafe/lab/raw_terminal.h"

namespace vouchsafe::lab {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using std::chrono::steady_clock;

// UserTerminal is a terminal with somebody who sits at it.
class UserTerminal {
  public:
    UserTerminal() : user_(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)) {
        EXPECT_EQ(::unlockpt(user_.get()), 0);
        fd_.reset(::open(name().c_str(), O_RDWR | O_NOCTTY | O_CLOEXEC));
        EXPECT_TRUE(fd_);
        resize(31, 101);
    }

    int fd() const { return fd_.get(); }  // what programs have
    int master() const { return user_.get(); }
    std::string name() const {
        char name[64] = {};
        EXPECT_EQ(::ptsname_r(user_.get(), name, sizeof(name)), 0);
        return name;
    }
    void resize(unsigned short rows, unsigned short columns) {
        const winsize size{rows, columns, 0, 0};
        EXPECT_EQ(::ioctl(user_.get(), TIOCSWINSZ, &size), 0);
    }
    bool raw() const {
        termios modes{};
        EXPECT_EQ(::tcgetattr(fd_.get(), &modes), 0);
        return (modes.c_lflag & (ICANON | ECHO | ISIG)) == 0 && (modes.c_oflag & OPOST) == 0;
    }
    bool cooked() const {
        termios modes{};
        EXPECT_EQ(::tcgetattr(fd_.get(), &modes), 0);
        EXPECT_EQ(::fcntl(fd_.get(), F_GETFL) & O_NONBLOCK, 0);  // others have this opening
        return (modes.c_lflag & (ICANON | ECHO | ISIG)) == (ICANON | ECHO | ISIG) &&
               (modes.c_oflag & OPOST) != 0 && (modes.c_iflag & ICRNL) != 0;
    }
    void type(std::string_view text) {
        while (!text.empty()) {
            const ssize_t put = ::write(user_.get(), text.data(), text.size());
            ASSERT_GT(put, 0);
            text.remove_prefix(static_cast<size_t>(put));
        }
    }
    // read_some returns what comes within a time, "" for nothing.
    std::string read_some(milliseconds most) {
        pollfd ready{user_.get(), POLLIN, 0};
        if (::poll(&ready, 1, static_cast<int>(most.count())) <= 0) return "";
        char text[4096];
        const ssize_t got = ::read(user_.get(), text, sizeof(text));
        return got > 0 ? std::string(text, static_cast<size_t>(got)) : "";
    }
    // read_until returns what is shown up to `text`.
    std::string read_until(const std::string& text) {
        const auto end = steady_clock::now() + seconds(20);
        while (unread_.find(text) == std::string::npos && steady_clock::now() < end) {
            unread_ += read_some(milliseconds(100));
        }
        const size_t found = unread_.find(text);
        EXPECT_NE(found, std::string::npos) << "no \"" << text << "\" in \"" << unread_ << "\"";
        const size_t size = found == std::string::npos ? unread_.size() : found + text.size();
        std::string out = unread_.substr(0, size);
        unread_.erase(0, size);
        return out;
    }
    std::string read_rest() {
        std::string seen = std::exchange(unread_, "");
        for (std::string more; !(more = read_some(milliseconds(100))).empty();) seen += more;
        return seen;
    }
    void hang_up() { user_.reset(); }

  private:
    UniqueFd user_;
    UniqueFd fd_;
    std::string unread_;
};

class TerminalRelayTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_.emplace(MUST(TemporaryDir::create("vouchsafe-terminal")));
        spec_.host_name = "machine-1";
        spec_.folder = folder_->path() / "disk";
        spec_.tpm = false;
        auto started = Guest::start(spec_);
        ASSERT_TRUE(started) << started.error().message;
        guest_ = std::move(*started);
        first_ = MUST(mark_process(guest_->pid()));
    }
    void TearDown() override {
        if (!running_.valid()) return;
        guest_.reset();  // ends what the test left
        terminal_.hang_up();
    }

    GuestCommand command(const std::string& script) {
        GuestCommand out;
        out.argv = {"/bin/bash", "-c", script};
        out.env = guest_environment(spec_.user);
        out.directory = "/home/" + spec_.user;
        out.in = out.out = out.err = terminal_.fd();
        return out;
    }
    // begin starts it; end waits for its exit code.
    void begin(GuestCommand command) {
        running_ = std::async(std::launch::async,
                              [this, command] { return run_in_guest(first_, command); });
    }
    void begin(const std::string& script) { begin(command(script)); }
    int end() {
        if (running_.wait_for(seconds(20)) != std::future_status::ready) {
            ADD_FAILURE() << "it does not end";
            guest_.reset();
        }
        auto code = running_.get();
        EXPECT_TRUE(code) << code.error().message;
        return code.value_or(-1);
    }
    // at_home is a file in the machine's home.
    Path at_home(const std::string& name) { return spec_.folder / "home" / name; }

    std::optional<TemporaryDir> folder_;
    GuestSpec spec_;
    std::unique_ptr<Guest> guest_;
    ProcessMark first_;
    UserTerminal terminal_;
    std::future<Result<int>> running_;
};

TEST_F(TerminalRelayTest, GivesATerminalOfTheMachinesThatIsFoundByItsName) {
    begin(
        "tty; tty <&1; tty <&2; test $(tty) -ef /proc/self/fd/0 && echo it is; "
        "echo by name > $(tty); echo by tty > /dev/tty; ps -o tty= -p $$");
    const std::string seen = terminal_.read_until("pts/0\r\n");
    EXPECT_EQ(end(), 0);
    const std::string name = "/dev/pts/0\r\n";
    EXPECT_EQ(seen + terminal_.read_rest(),
              name + name + name + "it is\r\nby name\r\nby tty\r\npts/0\r\n");
}

TEST_F(TerminalRelayTest, TakesTheUsersTerminalFromAProgramThatHasNoneOfItsStreamsThere) {
    const Path out = folder_->path() / "out";
    // As a program that the user's shell starts: the terminal is that of its session.
    const pid_t session = ::fork();
    if (session == 0) {
        ::setsid();
        ::ioctl(terminal_.fd(), TIOCSCTTY, 0);
        GuestCommand inside = command("{ echo leaked > /dev/tty; } 2>/dev/null; echo $?");
        inside.in = ::open("/dev/null", O_RDONLY);
        inside.out = inside.err = ::open(out.c_str(), O_CREAT | O_WRONLY, 0600);
        ::_exit(run_in_guest(first_, inside).value_or(99));
    }
    int status = 0;
    ASSERT_EQ(::waitpid(session, &status, 0), session);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(MUST(read_text_file(out)), "1\n");
    EXPECT_EQ(terminal_.read_rest(), "");
}

TEST_F(TerminalRelayTest, HasTheUsersSizeAndFollowsIt) {
    begin("trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done");
    terminal_.read_until("31 101\r\n");
    terminal_.resize(40, 90);
    ::kill(::getpid(), SIGWINCH);  // which the kernel sends whose terminal it is
    terminal_.read_until("40 90\r\n");
    EXPECT_EQ(end(), 0);
}

TEST_F(TerminalRelayTest, HasTheUsersModes) {
    termios modes{};
    ASSERT_EQ(::tcgetattr(terminal_.fd(), &modes), 0);
    modes.c_cc[VERASE] = '#';
    ASSERT_EQ(::tcsetattr(terminal_.fd(), TCSANOW, &modes), 0);
    begin("stty -a | grep -o 'erase = .;'; stty -a | grep -ow -e opost -e icanon");
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(terminal_.read_rest(), "erase = #;\r\nopost\r\nicanon\r\n");
}

TEST_F(TerminalRelayTest, GivesTheExitCodeAndTheModesBack) {
    struct {
        const char* script;
        int code;
    } const ends[] = {{"exit 7", 7}, {"kill -9 $$", 137}, {"stty raw -echo; kill -TERM $$", 143}};
    for (const auto& one : ends) {
        begin(std::string("echo here; read -n 1; ") + one.script);
        terminal_.read_until("here");
        EXPECT_TRUE(terminal_.raw()) << one.script;
        terminal_.type("x");
        EXPECT_EQ(end(), one.code) << one.script;
        EXPECT_TRUE(terminal_.cooked()) << one.script;
        terminal_.read_rest();
    }
}

TEST_F(TerminalRelayTest, GivesTheModesBackWhereNothingRan) {
    GuestCommand none = command("");
    none.argv = {"no-such-program"};
    EXPECT_EQ(run_in_guest(first_, none).error().code, Code::unavailable);
    EXPECT_TRUE(terminal_.cooked());
}

TEST_F(TerminalRelayTest, GivesTheModesBackWhenTheMachineEnds) {
    begin("echo here; sleep 100");
    terminal_.read_until("here");
    EXPECT_TRUE(terminal_.raw());
    ASSERT_EQ(::kill(guest_->pid(), SIGKILL), 0);
    EXPECT_EQ(end(), 128 + SIGKILL);
    EXPECT_TRUE(terminal_.cooked());
}

TEST_F(TerminalRelayTest, RestoresTheModesAtAnEndBySignal) {
    const auto end_by_signal = [this] {
        RawTerminal raw(terminal_.fd());
        raw.enter();
        const bool was_raw = terminal_.raw();
        restore_terminals();
        const bool restored = terminal_.cooked();
        raw.enter();
        ::_exit(was_raw && restored && terminal_.cooked() ? 0 : 1);
    };
    EXPECT_EXIT(end_by_signal(), testing::ExitedWithCode(0), "");
}

TEST_F(TerminalRelayTest, EndsTheProgramWhenTheUsersTerminalIsGone) {
    // It does not heed that its own is, either.
    begin("trap '' HUP; echo $$ > pid; echo here; sleep 100");
    terminal_.read_until("here");
    terminal_.hang_up();
    EXPECT_EQ(end(), 128 + SIGHUP);
    GuestCommand look = command("case $(ps -o stat= -p $(cat pid)) in '' | Z*) exit 1; esac");
    UserTerminal other;
    look.in = look.out = look.err = other.fd();
    EXPECT_EQ(run_in_guest(first_, look).value(), 1);
}

TEST_F(TerminalRelayTest, LetsCtrlCReachThePrograms) {
    begin("trap 'echo interrupted' INT; echo here; sleep 100; echo code $?; read; exit 3");
    terminal_.read_until("here");
    std::this_thread::sleep_for(milliseconds(200));
    terminal_.type("\x03");
    terminal_.read_until("code 130\r\n");
    terminal_.type("x\r");
    EXPECT_EQ(end(), 3);
}

TEST_F(TerminalRelayTest, CanBeLeftWhateverTheProgramDoes) {
    begin("stty raw -echo; trap '' HUP INT TERM; echo here; exec cat");
    terminal_.read_until("here");
    terminal_.type("\x1d\x1dx\x1d");
    std::this_thread::sleep_for(milliseconds(1100));
    terminal_.type("\x1d\x1dy");
    terminal_.read_until("\x1d\x1dx\x1d\x1d\x1dy");
    terminal_.type("\x1d\x1d");
    terminal_.type("\x1d");
    EXPECT_EQ(end(), 128 + SIGHUP);
    EXPECT_TRUE(terminal_.cooked());
}

TEST_F(TerminalRelayTest, HasJobControl) {
    GuestCommand shell = command("");
    shell.argv = {"/bin/bash", "--norc", "-i"};
    shell.env.push_back("PS1=ready:");
    begin(shell);
    std::string seen = terminal_.read_until("ready:");
    for (const char* typed : {"sleep 100\r", "fg\r"}) {
        terminal_.type(typed);
        seen += terminal_.read_until("sleep 100\r\n");
        std::this_thread::sleep_for(milliseconds(300));
        terminal_.type("\x1a");
        seen += terminal_.read_until("Stopped");
        seen += terminal_.read_until("ready:");
    }
    terminal_.type("fg\r");
    seen += terminal_.read_until("sleep 100\r\n");
    std::this_thread::sleep_for(milliseconds(300));
    terminal_.type("\x03");
    seen += terminal_.read_until("ready:");
    terminal_.type("exit 5\r");
    EXPECT_EQ(end(), 5);
    EXPECT_EQ(seen.find("cannot set terminal process group"), std::string::npos) << seen;
    EXPECT_EQ(seen.find("no job control"), std::string::npos) << seen;
}

TEST_F(TerminalRelayTest, PassesWhatIsTypedAsItIs) {
    constexpr size_t kSize = 300000;
    begin("stty raw -echo; echo here; head -c 300000 | sha256sum; sleep 0.1");
    terminal_.read_until("here");
    std::string text(kSize, 0);
    for (size_t i = 0; i < kSize; ++i) text[i] = static_cast<char>(i * 7 + i / 256);
    std::thread typing([&] { terminal_.type(text); });
    const std::string seen = terminal_.read_until("-\n");
    typing.join();
    EXPECT_EQ(end(), 0);
    const Path copy = folder_->path() / "typed";
    MUST(write_file(copy, {reinterpret_cast<const uint8_t*>(text.data()), kSize}, Overwrite::yes));
    Command sum;
    sum.argv = {"sha256sum", copy.string()};
    EXPECT_NE(seen.find(MUST(lab::run(std::move(sum))).out.substr(0, 64)), std::string::npos);
}

TEST_F(TerminalRelayTest, ShowsAllThatWasPrintedThoughOthersKeepTheTerminal) {
    // What is left behind holds the terminal open, and prints nothing.
    begin("(trap '' HUP; sleep 100) & seq 200000; printf 'the end'; exit 6");
    std::string seen;
    while (running_.wait_for(seconds(0)) != std::future_status::ready) {
        seen += terminal_.read_some(milliseconds(20));
        std::this_thread::sleep_for(std::chrono::microseconds(100));
    }
    EXPECT_EQ(end(), 6);
    seen += terminal_.read_rest();
    std::string wanted;
    for (int i = 1; i <= 200000; ++i) wanted += std::to_string(i) + "\r\n";
    EXPECT_TRUE(seen == wanted + "the end") << seen.size();
}

TEST_F(TerminalRelayTest, ShowsWhatWasPrintedToWhoReadsItLater) {
    begin("seq 10001 14500; touch done; exit 6");
    const auto most = steady_clock::now() + seconds(20);
    while (!std::filesystem::exists(at_home("done")) && steady_clock::now() < most) {
        std::this_thread::sleep_for(milliseconds(20));
    }
    std::this_thread::sleep_for(milliseconds(100));
    std::string wanted;
    for (int i = 10001; i <= 14500; ++i) wanted += std::to_string(i) + "\r\n";
    EXPECT_TRUE(terminal_.read_until("14500\r\n") == wanted);
    EXPECT_EQ(end(), 6);
}

TEST_F(TerminalRelayTest, GivesNothingMoreToAProgramThatStaysBehind) {
    begin(
        "(trap '' HUP; while read -r line; do echo \"$line\" >> got; done; echo end >> got; "
        "echo still here > /dev/tty) < /dev/tty & "
        "until [ -e got ]; do sleep 0.05; done; exit 4");
    std::this_thread::sleep_for(milliseconds(300));
    terminal_.type("first\r");
    EXPECT_EQ(end(), 4);
    terminal_.read_rest();
    terminal_.type("second\r");
    const auto got = [this] { return read_text_file(at_home("got")).value_or(""); };
    const auto most = steady_clock::now() + seconds(20);
    while (got().find("end") == std::string::npos && steady_clock::now() < most) {
        std::this_thread::sleep_for(milliseconds(20));
    }
    EXPECT_EQ(got(), "first\nend\n");
    // Nor does it print any more, and what was typed is there for who comes next.
    EXPECT_EQ(terminal_.read_rest(), "second\r\n");
    char line[64] = {};
    ASSERT_EQ(::read(terminal_.fd(), line, sizeof(line)), 7);
    EXPECT_STREQ(line, "second\n");
}

TEST_F(TerminalRelayTest, EndsAFlood) {
    begin("yes flood");
    terminal_.read_until("flood");
    // Nobody reads, and then somebody types.
    std::this_thread::sleep_for(milliseconds(300));
    terminal_.type("\x03");
    while (running_.wait_for(seconds(0)) != std::future_status::ready) {
        terminal_.read_some(milliseconds(20));
    }
    EXPECT_EQ(end(), 128 + SIGINT);
    EXPECT_TRUE(terminal_.cooked());
}

TEST_F(TerminalRelayTest, WaitsForNoFloodThatStaysBehind) {
    begin("(trap '' HUP INT; exec yes flood) & sleep 0.2; exit 3");
    size_t seen = 0;
    while (running_.wait_for(seconds(0)) != std::future_status::ready) {
        seen += terminal_.read_some(milliseconds(20)).size();
        std::this_thread::sleep_for(milliseconds(1));  // so that there always is more
        ASSERT_LT(seen, 6u << 20);
    }
    EXPECT_EQ(end(), 3);
    EXPECT_TRUE(terminal_.cooked());
}

TEST_F(TerminalRelayTest, OutlivesAProgramsClosingOfItsTerminal) {
    begin("exec 3>&1 <&- >&- 2>&- 3>&-; sleep 0.3; echo back > /dev/tty; sleep 0.1; exit 9");
    terminal_.read_until("back\r\n");
    EXPECT_EQ(end(), 9);
}

TEST_F(TerminalRelayTest, LeavesStreamsAloneThatAreNoTerminals) {
    std::string text(100000, 0);
    for (size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 11);
    const Path from = folder_->path() / "from";
    MUST(write_file(from, {reinterpret_cast<const uint8_t*>(text.data()), text.size()},
                    Overwrite::yes));
    const UniqueFd in(::open(from.c_str(), O_RDONLY | O_CLOEXEC));
    const Path errors = folder_->path() / "errors";
    const UniqueFd err(::open(errors.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    GuestCommand inside = command(
        "cat > copy; echo to err >&2; test -t 0 || echo no input; test -t 1 && echo output; "
        "test -t 2 || echo no errors; stty size < /dev/tty");
    inside.in = in.get();
    inside.err = err.get();
    begin(inside);
    terminal_.read_until("31 101");
    EXPECT_TRUE(terminal_.cooked());  // nobody types into the machine
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(MUST(read_text_file(at_home("copy"))), text);
    EXPECT_EQ(MUST(read_text_file(errors)), "to err\n");
}

TEST_F(TerminalRelayTest, ProcessesWhatIsPrintedOnce) {
    const UniqueFd in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    GuestCommand inside = command("echo one; echo two >&2");
    inside.in = in.get();
    begin(inside);
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(terminal_.read_rest(), "one\r\ntwo\r\n");
}

TEST_F(TerminalRelayTest, PassesLinesWhereOnlyInputIsATerminal) {
    const Path out = folder_->path() / "out";
    const UniqueFd file(::open(out.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600));
    GuestCommand inside = command("test -t 0 || echo none; echo up >&2; cat; echo after");
    inside.out = file.get();
    begin(inside);
    terminal_.read_until("up\r\n");
    EXPECT_TRUE(terminal_.cooked());
    terminal_.type("a line\r\x04");
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(MUST(read_text_file(out)), "none\na line\nafter\n");
}

TEST_F(TerminalRelayTest, OutlivesAProgramThatReadsNoMoreLines) {
    const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    GuestCommand inside = command("exec <&-; echo up >&2; sleep 0.5; exit 8");
    inside.out = nowhere.get();
    begin(inside);
    terminal_.read_until("up\r\n");
    terminal_.type("nobody reads this\r");
    EXPECT_EQ(end(), 8);
}

TEST_F(TerminalRelayTest, KeepsErrorsForAnotherTerminalApart) {
    UserTerminal other;
    GuestCommand inside = command("echo out; echo err >&2; test -t 2 || echo none >&2");
    inside.err = other.fd();
    begin(inside);
    EXPECT_EQ(end(), 0);
    EXPECT_EQ(terminal_.read_rest(), "out\r\n");
    EXPECT_EQ(other.read_rest(), "err\r\nnone\r\n");
}

// SentTerminal sends descriptors as a machine would.
Result<UniqueFd> receive_after_sending(const std::vector<int>& fds, dev_t device) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd ours(ends[0]);
    UniqueFd theirs(ends[1]);
    char byte = 'g';
    iovec text{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))]{};
    msghdr message{};
    message.msg_iov = &text;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
        message.msg_control = control;
        message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
        cmsghdr* header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    EXPECT_EQ(::sendmsg(theirs.get(), &message, MSG_NOSIGNAL), 1);
    theirs.reset();
    return receive_terminal(ours.get(), device);
}

TEST(TerminalRelay, TakesTheMasterOfATerminalAndNothingElse) {
    const UserTerminal terminal;
    struct stat file {};
    ASSERT_EQ(::fstat(terminal.master(), &file), 0);
    EXPECT_TRUE(receive_after_sending({terminal.master()}, file.st_dev));
    // Of another machine, or this computer's.
    EXPECT_EQ(receive_after_sending({terminal.master()}, file.st_dev + 1).error().code,
              Code::forbidden);
    EXPECT_EQ(receive_after_sending({terminal.fd()}, file.st_dev).error().code, Code::forbidden);
    EXPECT_EQ(receive_after_sending({terminal.master(), 0}, file.st_dev).error().code,
              Code::forbidden);
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    EXPECT_EQ(receive_after_sending({null.get()}, file.st_dev).error().code, Code::forbidden);
    const UniqueFd path(::open("/dev/ptmx", O_PATH | O_CLOEXEC));
    EXPECT_EQ(receive_after_sending({path.get()}, file.st_dev).error().code, Code::forbidden);
    EXPECT_EQ(receive_after_sending({}, file.st_dev).error().code, Code::unavailable);
    int ends[2];
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
    const UniqueFd ours(ends[0]);
    ::close(ends[1]);
    EXPECT_EQ(receive_terminal(ours.get(), file.st_dev).error().code, Code::unavailable);
}

TEST_F(TerminalRelayTest, HasNoTerminalForMoreThanAMachineMayHave) {
    begin(
        "echo here; exec python3 -c '\n"
        "import os, sys\n"
        "kept = []\n"
        "try:\n"
        "    while len(kept) < 5000: kept.append(os.open(\"/dev/ptmx\", os.O_RDWR))\n"
        "except OSError: print(len(kept), \"kept\")\n"
        "sys.stdin.readline()'");
    terminal_.read_until("255 kept");
    UserTerminal other;
    GuestCommand more = command("true");
    more.in = more.out = more.err = other.fd();
    EXPECT_EQ(run_in_guest(first_, more).error().code, Code::unavailable);
    EXPECT_TRUE(other.cooked());
    const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    more.in = more.out = more.err = null.get();
    EXPECT_EQ(run_in_guest(first_, more).value(), 0);
    terminal_.type("\r");
    EXPECT_EQ(end(), 0);
}

}  // namespace

}  // namespace vouchsafe::lab
