#include "vouchsafe/lab/tpm_device.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <functional>
#include <thread>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/device/swtpm_for_test.h"
#include "vouchsafe/device/tpm.h"
#include "vouchsafe/device/tpm_conversation.h"
#include "vouchsafe/device/tpm_wire_for_test.h"

namespace vouchsafe::lab {
namespace {

namespace wire = device::wire;

// ---- a process with a mounted device ------------------------------------------------------------

bool put(const std::string& path, const std::string& text) {
    UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    return fd && ::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// enter_namespaces does what `unshare -Urm` does, with `inside` for the user's number in there.
bool enter_namespaces(uint32_t inside) {
    uid_t uid = ::getuid();
    gid_t gid = ::getgid();
    return ::unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && put("/proc/self/setgroups", "deny") &&
           put("/proc/self/uid_map", fmt::format("{} {} 1", inside, uid)) &&
           put("/proc/self/gid_map", fmt::format("{} {} 1", inside, gid)) &&
           ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

int mounted_device(const std::string& file, uint32_t user) {
    int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0) return -1;
    std::string options =
        fmt::format("fd={},rootmode=100600,user_id={},group_id={}", fd, user, user);
    bool done = ::mount("vtpm", file.c_str(), "fuse", MS_NOSUID | MS_NODEV, options.c_str()) == 0;
    return done ? fd : -1;
}

union FdControl {
    cmsghdr header;
    char bytes[CMSG_SPACE(sizeof(int))];
};

// The byte that comes with it is errno where there is no descriptor.
void send_fd(int socket, int fd, char error) {
    FdControl control{};
    iovec data{&error, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    if (fd >= 0) {
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(&control.header), &fd, sizeof(int));
        message.msg_control = control.bytes;
        message.msg_controllen = sizeof(control.bytes);
    }
    ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

UniqueFd receive_fd(int socket, int& error) {
    FdControl control{};
    char byte = EIO;
    iovec data{&byte, 1};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof(control.bytes);
    ssize_t got = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    error = byte;
    int fd = -1;
    if (got == 1 && message.msg_controllen >= CMSG_LEN(sizeof(int))) {
        std::memcpy(&fd, CMSG_DATA(&control.header), sizeof(int));
    }
    return UniqueFd(fd);
}

// Inside is a child process that has mounted a device on a file and waits to be told to go on with
// `body`, whose output the test can read.
class Inside {
  public:
    Inside(const Path& dir, const std::function<int()>& body, uint32_t user = 0)
        : output_(dir / "output") {
        std::string file = (dir / "tpm").string();
        MUST(write_file(file, {}, Overwrite::yes, 0600));
        int pair[2];
        EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        ours_.reset(pair[0]);
        UniqueFd theirs(pair[1]);
        pid_ = ::fork();
        if (pid_ == 0) be_inside(theirs.get(), file, body, user);
        theirs.reset();
        fuse = receive_fd(ours_.get(), error);
    }
    ~Inside() {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    void go() { EXPECT_EQ(::write(ours_.get(), "g", 1), 1); }
    // finish returns the exit status, -1 if a signal ended it.
    int finish() {
        int status = 0;
        ::waitpid(pid_, &status, 0);
        pid_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    std::string output() const { return MUST(read_text_file(output_)); }

    UniqueFd fuse;
    int error = 0;  // of the kernel's, if there is no descriptor

  private:
    [[noreturn]] void be_inside(int socket, const std::string& file,
                                const std::function<int()>& body, uint32_t user) const {
        ::setpgid(0, 0);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::signal(SIGPIPE, SIG_IGN);
        int out = ::open(output_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        ::dup2(out, 1);
        ::dup2(out, 2);
        int fd = enter_namespaces(user) ? mounted_device(file, user) : -1;
        send_fd(socket, fd, fd < 0 ? static_cast<char>(errno) : '\0');
        ::close(fd);
        char byte = 0;
        if (::read(socket, &byte, 1) != 1) ::_exit(100);
        ::setenv("TPM", file.c_str(), 1);
        ::setenv("TPM2TOOLS_TCTI", ("device:" + file).c_str(), 1);
        ::_exit(body());
    }

    Path output_;
    UniqueFd ours_;
    pid_t pid_ = -1;
};

std::function<int()> program(std::vector<std::string> words) {
    return [words] {
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        return ::execv(argv[0], argv.data());
    };
}
// The shell's "!" hides a failure from "-e".
constexpr std::string_view kRefused =
    "refused() { if \"$@\" 2>/dev/null; then echo \"not refused: $*\"; exit 1; fi; }\n";
std::function<int()> inside_shell(const std::string& dir, const std::string& script) {
    return program({"/bin/sh", "-ec", "cd " + dir + "\n" + std::string(kRefused) + script});
}
// Commands and helpers for what is easier said in Python.
constexpr std::string_view kPrelude = R"text(
import errno, os, select, sys, time
TPM = os.environ["TPM"]
RANDOM = bytes.fromhex("80010000000c0000017b0010")
DIR = os.path.dirname(TPM)
def touch(name): open(DIR + "/" + name, "w").close()
def wait_for(name):
    while not os.path.exists(DIR + "/" + name): time.sleep(0.01)
def opened(flags=0): return os.open(TPM, os.O_RDWR | flags)
def fails(number, call, *args):
    try: call(*args)
    except OSError as error:
        assert error.errno == number, error
        return
    raise AssertionError("not refused")
)text";
std::function<int()> inside_python(const std::string& script) {
    return program({"/usr/bin/python3", "-c", std::string(kPrelude) + script});
}

class TpmDeviceTest : public testing::Test {
  protected:
    // start makes the inside and serves its device; false if the kernel forbids the first.
    bool start(const std::function<int()>& body, uint32_t user = 0) {
        inside_.emplace(dir_.path(), body, user);
        if (!inside_->fuse) {
            int error = inside_->error;
            bool forbidden = error == EPERM || error == EACCES || error == ENOSPC ||
                             error == ENOENT || error == ENODEV || error == ENOSYS;
            reason_ = fmt::format("no FUSE mount in a user namespace: {}", std::strerror(error));
            EXPECT_TRUE(forbidden) << reason_;
            return false;
        }
        device_ = MUST(TpmDevice::start(std::move(inside_->fuse), tpm_.socket()));
        inside_->go();
        return true;
    }
    void expect_success() { EXPECT_EQ(inside_->finish(), 0) << inside_->output(); }
    std::string dir() const { return dir_.path().string(); }
    void touch(std::string_view name) { MUST(write_file(dir_.path() / name, {}, Overwrite::no)); }
    void wait_for(std::string_view name) {
        for (int i = 0; i < 4000 && !std::filesystem::exists(dir_.path() / name); ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    size_t active_sessions() {
        auto tpm = MUST(device::TpmConversation::begin(
            tpm_.socket(), -1, device::TpmConversation::Clock::now() + std::chrono::seconds(5)));
        auto answer = MUST(tpm.ask(wire::handles(TPM2_ACTIVE_SESSION_FIRST)));
        return MUST(device::parse_tpm_handle_list(answer)).size();
    }

    static TemporaryDir make_dir() { return MUST(TemporaryDir::create("vouchsafe-test")); }
    TemporaryDir dir_ = make_dir();
    device::SwtpmForTest tpm_;
    std::optional<Inside> inside_;
    std::unique_ptr<TpmDevice> device_;
    std::string reason_;
};

// ---- programs -----------------------------------------------------------------------------------

TEST_F(TpmDeviceTest, ServesToolsWhileSomebodyHoldsItOpen) {
    if (!start(inside_shell(dir(), R"text(
        (exec 9<>"$TPM"; touch held; exec sleep 60) & holder=$!
        while [ ! -e held ]; do sleep 0.01; done
        [ $(tpm2_getrandom --hex 16 | wc -c) = 32 ]
        tpm2_createprimary -Q -C o -G ecc -c primary.ctx
        tpm2_create -Q -C primary.ctx -G ecc -u key.pub -r key.priv
        tpm2_load -Q -C primary.ctx -u key.pub -r key.priv -c key.ctx
        echo data > data
        tpm2_sign -Q -c key.ctx -g sha256 -o signature data
        tpm2_verifysignature -Q -c key.ctx -g sha256 -m data -s signature
        echo other > data
        refused tpm2_verifysignature -Q -c key.ctx -g sha256 -m data -s signature
        kill $holder
        [ -z "$(tpm2_getcap handles-transient)" ]
        [ -z "$(tpm2_getcap handles-loaded-session)" ]
    )text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, CarriesASessionFromToolToTool) {
    if (!start(inside_shell(dir(), R"text(
        tpm2_startauthsession -S s.ctx
        tpm2_policypcr -Q -S s.ctx -l sha256:0 -L policy
        tpm2_flushcontext s.ctx
        tpm2_createprimary -Q -C o -G ecc -c primary.ctx
        echo hidden > secret
        tpm2_create -Q -C primary.ctx -u s.pub -r s.priv -L policy -i secret
        tpm2_load -Q -C primary.ctx -u s.pub -r s.priv -c sealed.ctx
        tpm2_startauthsession --policy-session -S s.ctx
        tpm2_policypcr -Q -S s.ctx -l sha256:0
        [ "$(tpm2_unseal -c sealed.ctx -p session:s.ctx)" = hidden ]
        tpm2_flushcontext s.ctx
        refused tpm2_unseal -c sealed.ctx
    )text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, QuotesForTwoAtOnce) {
    MUST(MUST(device::Tpm::open(tpm_.tcti())).create_ak());
    if (!start(inside_shell(dir(), R"text(
        tpm2_readpublic -Q -c 0x81000003 -f pem -o ak.pem
        quotes() {
            for i in 1 2 3; do
                tpm2_quote -Q -c 0x81000003 -l sha256:0,1,7 -q 0$1$i -m m$1 -s s$1 -o p$1 -g sha256
                tpm2_checkquote -Q -u ak.pem -m m$1 -s s$1 -f p$1 -g sha256 -q 0$1$i
            done
        }
        quotes 10 & first=$!
        quotes 20
        wait $first
        refused tpm2_checkquote -Q -u ak.pem -m m10 -s s20 -f p10 -g sha256 -q 0103
    )text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, ServesThisProgram) {
    MUST(MUST(device::Tpm::open(tpm_.tcti())).create_ak());
    std::string tcti = "device:" + (dir_.path() / "tpm").string();
    auto body = [&] {
        const std::vector<uint32_t> pcrs{0, 7};
        device::Tpm one = MUST(device::Tpm::open(tcti));
        device::Tpm other = MUST(device::Tpm::open(tcti));
        auto key = MUST(one.certify_ephemeral_key(pcrs));
        auto others = MUST(other.certify_ephemeral_key(pcrs));
        auto quote = MUST(one.quote(device::kAkHandle, pcrs));
        auto sealed = MUST(one.seal(pcrs, as_bytes("hidden")));
        bool good = equal(key.public_area, others.public_area) &&
                    quote.values.values.size() == pcrs.size() &&
                    equal(MUST(other.unseal(pcrs, sealed)).expose(), as_bytes("hidden"));
        return good ? 0 : 1;
    };
    if (!start(body)) GTEST_SKIP() << reason_;
    expect_success();
}

// ---- the file, as Linux' driver has it ----------------------------------------------------------

TEST_F(TpmDeviceTest, TakesOneCommandAtATime) {
    if (!start(inside_python(R"text(
fd = opened()
assert os.read(fd, 10) == b""
assert os.write(fd, RANDOM) == len(RANDOM)
fails(errno.EBUSY, os.write, fd, RANDOM)
answer = os.read(fd, 10)
assert answer == bytes.fromhex("80010000001c00000000"), answer.hex()
assert len(os.read(fd, 4096)) == 18
assert os.read(fd, 4096) == b""
os.write(fd, RANDOM)
os.read(fd, 10)
os.write(fd, RANDOM)      # the rest of the answer is given up
assert len(os.read(fd, 65536)) == 28
os.write(fd, RANDOM)
assert len(opened() and os.read(fd, 4096)) == 28
fails(errno.ESPIPE, os.lseek, fd, 0, os.SEEK_SET)
)text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, RefusesWhatIsNoCommand) {
    if (!start(inside_python(R"text(
fd = opened()
for size in (4097, 8192, 8193, 20000): fails(errno.E2BIG, os.write, fd, bytes(size))
def code(command):
    os.write(fd, command)
    return os.read(fd, 4096)[6:].hex()
assert code(bytes(4096)) == "000c001e"                        # no tag
assert code(RANDOM[:5]) == code(RANDOM[:9]) == "000c0142"     # too short
assert code(RANDOM + b"x") == "000c0142"
assert code(RANDOM[:6] + bytes(4) + RANDOM[10:]) == "000c0143"
assert code(RANDOM) .startswith("00000000")
fails(errno.EPERM, os.chmod, TPM, 0o666)
fails(errno.EPERM, os.chown, TPM, 0, 0)
)text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, CanBePolledAndNeedNotBeWaitedFor) {
    if (!start(inside_python(R"text(
def events(fd, wanted=select.POLLIN | select.POLLOUT, wait=0):
    poll = select.poll()
    poll.register(fd, wanted)
    return [event for _, event in poll.poll(wait)]
fd = opened(os.O_NONBLOCK)
assert events(fd) == [select.POLLOUT]
assert events(fd, select.POLLIN, 50) == []
assert os.read(fd, 10) == b""
os.write(fd, RANDOM)
assert events(fd, select.POLLIN, 5000) == [select.POLLIN]
fails(errno.EBUSY, os.write, fd, RANDOM)
assert len(os.read(fd, 4096)) == 28
assert events(fd) == [select.POLLOUT]
# Somebody who waits already is woken.
child = os.fork()
if child == 0:
    time.sleep(0.1)
    os.write(fd, RANDOM)
    os._exit(0)
assert events(fd, select.POLLIN, 10000) == [select.POLLIN]
os.waitpid(child, 0)
)text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, IsAFileOfWhoeverLooksAtIt) {
    if (!start(inside_python(R"text(
info = os.stat(TPM)
assert (info.st_uid, info.st_gid, info.st_mode) == (1000, 1000, 0o100600), info
with open(TPM, "wb", buffering=0) as shell: assert shell.write(RANDOM) == len(RANDOM)
fd = opened()
os.write(fd, RANDOM)
assert len(os.read(fd, 4096)) == 28
assert os.access(TPM, os.R_OK | os.W_OK)
)text"),
               1000))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, HasRoomForManyButNotForAll) {
    if (!start(inside_python(R"text(
held = [opened() for _ in range(128)]
fails(errno.EMFILE, opened)
os.write(held[-1], RANDOM)
assert len(os.read(held[-1], 4096)) == 28
os.close(held.pop())
for _ in range(100):      # it is released soon, not at once
    try: held.append(opened()); break
    except OSError: time.sleep(0.01)
assert len(held) == 128
)text")))
        GTEST_SKIP() << reason_;

    expect_success();
}

TEST_F(TpmDeviceTest, FlushesWhatAKilledProgramHeld) {
    std::string text = fmt::format(R"text(
child = os.fork()
if child == 0:
    fd = opened()
    os.write(fd, bytes.fromhex("{}"))
    assert len(os.read(fd, 4096)) > 14
    touch("ready")
    time.sleep(60)
wait_for("kill")
os.kill(child, 9)
os.waitpid(child, 0)
wait_for("done")
)text",
                                   encode_hex(wire::start_session()));
    if (!start(inside_python(text))) GTEST_SKIP() << reason_;
    wait_for("ready");
    EXPECT_EQ(active_sessions(), 1u);
    touch("kill");
    for (int i = 0; i < 1000 && active_sessions() > 0; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_EQ(active_sessions(), 0u);
    touch("done");
    expect_success();
}

// ---- its end ------------------------------------------------------------------------------------

TEST_F(TpmDeviceTest, SaysThatTheTpmIsGone) {
    if (!start(inside_python(R"text(
fd = opened()
os.write(fd, RANDOM)
os.read(fd, 4096)
touch("ready")
wait_for("gone")
fails(errno.EIO, os.write, fd, RANDOM)
assert os.read(fd, 4096) == b""
fd = opened(os.O_NONBLOCK)
os.write(fd, RANDOM)
fails(errno.EIO, os.read, fd, 4096)
assert os.read(fd, 4096) == b""
)text")))
        GTEST_SKIP() << reason_;

    wait_for("ready");
    tpm_.stop();
    touch("gone");
    expect_success();
}

TEST_F(TpmDeviceTest, EndsInTheMiddleOfACommand) {
    if (!start(inside_python(R"text(
fd, other = opened(), opened()
touch("ready")
try: os.write(fd, RANDOM)
except OSError as error: assert error.errno in (errno.EIO, errno.ECONNABORTED), error
else: raise AssertionError("answered")
for _ in range(500):
    try: os.write(other, RANDOM)
    except OSError as error:
        if error.errno == errno.ENOTCONN: sys.exit(0)
    time.sleep(0.01)
sys.exit("still there")
)text")))
        GTEST_SKIP() << reason_;

    tpm_.freeze(true);
    wait_for("ready");
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    auto begun = std::chrono::steady_clock::now();
    device_.reset();
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(2));
    expect_success();
    tpm_.freeze(false);
}

TEST_F(TpmDeviceTest, NoticesThatItWasUnmounted) {
    if (!start(inside_python("fd = opened(); os.write(fd, RANDOM)"))) GTEST_SKIP() << reason_;

    EXPECT_TRUE(device_->serving());
    expect_success();  // its mount namespace goes with it
    for (int i = 0; i < 1000 && device_->serving(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    EXPECT_FALSE(device_->serving());
}

TEST_F(TpmDeviceTest, RefusesToStartWithoutATpmOrADescriptor) {
    if (!start(inside_python(""))) GTEST_SKIP() << reason_;

    EXPECT_EQ(TpmDevice::start(UniqueFd(), tpm_.socket()).error().code, Code::invalid);
    EXPECT_FALSE(TpmDevice::start(UniqueFd(::open("/dev/null", O_RDWR)), "/nonexistent/tpm"));
    expect_success();
}

}  // namespace
}  // namespace vouchsafe::lab
