#include "vouchsafe/lab/sandbox.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

namespace vouchsafe::lab {
namespace {

using testing::HasSubstr;
using testing::Not;

Command shell(std::string script) {
    Command out;
    out.argv = {"/bin/sh", "-c", std::move(script)};
    return out;
}

Command python(std::string script) {
    Command out;
    out.argv = {"/usr/bin/python3", "-c", std::move(script)};
    return out;
}

struct Outcome {
    Finished end;
    SandboxReport report;
};

Outcome run_confined(Command command, const SandboxSpec& spec = {}) {
    Sandboxed sandboxed = MUST(start_sandboxed(std::move(command), spec));
    return {MUST(sandboxed.process.wait(std::chrono::seconds(20))), sandboxed.report};
}

class Sandbox : public testing::Test {
  protected:
    Path file(std::string_view name, std::string_view text) {
        Path path = dir_.path() / name;
        MUST(write_file(path, as_bytes(text), Overwrite::yes, 0600));
        return path;
    }
    static TemporaryDir make_dir() { return MUST(TemporaryDir::create("vouchsafe-test")); }
    TemporaryDir dir_ = make_dir();
};

TEST_F(Sandbox, ShowsOnlyWhatWasGiven) {
    Path secret = file("secret", "hidden");
    Path given = file("given", "shown");
    SandboxSpec spec;
    spec.read = {given};
    Outcome outcome = run_confined(shell(fmt::format("cat {}; cat {}; ls {}", given.string(),
                                                     secret.string(), dir_.path().string())),
                                   spec);
    EXPECT_THAT(outcome.end.out, HasSubstr("shown"));
    EXPECT_THAT(outcome.end.out, Not(HasSubstr("hidden")));
    EXPECT_FALSE(outcome.end.ok() && outcome.end.err.empty());
    // Around the sandbox the secret can be read, so it was the sandbox.
    EXPECT_EQ(MUST(read_text_file(secret)), "hidden");
}

TEST_F(Sandbox, HidesASecretBesideAGivenFolderAlsoByOtherNames) {
    Path secret = file("secret", "hidden");
    std::filesystem::create_directory(dir_.path() / "given");
    std::filesystem::create_symlink(secret, dir_.path() / "given" / "link");
    SandboxSpec spec;
    spec.read = {dir_.path() / "given"};
    Outcome outcome = run_confined(
        shell(fmt::format("cd {}/given; cat link ../secret /proc/1/root{} /proc/self/root/..{}",
                          dir_.path().string(), secret.string(), secret.string())),
        spec);
    EXPECT_THAT(outcome.end.out, Not(HasSubstr("hidden")));
}

TEST_F(Sandbox, WritesOnlyWhereItMay) {
    std::filesystem::create_directory(dir_.path() / "out");
    std::filesystem::create_directory(dir_.path() / "in");
    SandboxSpec spec;
    spec.write = {dir_.path() / "out"};
    spec.read = {dir_.path() / "in"};
    Outcome outcome = run_confined(
        shell(fmt::format("cd {0}; echo a > out/a && echo written; echo b > in/b; echo c > {0}/c; "
                          "echo d > /usr/d; echo e > /etc/e; echo f > /f; "
                          "echo g > /proc/sys/kernel/core_pattern; true",
                          dir_.path().string())),
        spec);
    EXPECT_THAT(outcome.end.out, HasSubstr("written"));
    EXPECT_EQ(MUST(read_text_file(dir_.path() / "out" / "a")), "a\n");
    EXPECT_FALSE(std::filesystem::exists(dir_.path() / "in" / "b"));
    EXPECT_FALSE(std::filesystem::exists(dir_.path() / "c"));
    EXPECT_FALSE(std::filesystem::exists("/usr/d"));
    EXPECT_FALSE(std::filesystem::exists("/etc/e"));
    EXPECT_NE(MUST(read_text_file("/proc/sys/kernel/core_pattern")), "g\n");
}

TEST_F(Sandbox, HasNoCapabilitiesAndGainsNone) {
    // Asked of the kernel, not of /proc, which may be out of sight. 39: PR_GET_NO_NEW_PRIVS, 21:
    // PR_GET_SECCOMP (2: filtered).
    Outcome outcome = run_confined(python(R"(
import ctypes, struct
libc = ctypes.CDLL(None)
sets = ctypes.create_string_buffer(24)
print(libc.capget(struct.pack("Ii", 0x20080522, 0), sets), sets.raw.hex())
print(libc.prctl(39, 0, 0, 0, 0), libc.prctl(21, 0, 0, 0, 0))
)"));
    EXPECT_EQ(outcome.end.out,
              fmt::format("0 {}\n1 {}\n", std::string(48, '0'), outcome.report.seccomp ? 2 : 0));
}

TEST_F(Sandbox, SeesOnlyItsOwnProcesses) {
    Outcome outcome = run_confined(shell("ls /proc | grep -c '^[0-9]'; echo $$"));
    EXPECT_THAT(outcome.end.out,
                testing::MatchesRegex(outcome.report.private_proc ? "[1-4]\n1\n" : "0\n[0-9]+\n"));
}

int listen_tcp(uint16_t& port) {
    int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(fd, 4), 0);
    EXPECT_EQ(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port = ntohs(address.sin_port);
    return fd;
}

int listen_unix(const Path& path) {
    int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    EXPECT_EQ(::listen(fd, 4), 0);
    return fd;
}

// One Python start for all the system calls that a shell cannot make.
constexpr const char* kCalls = R"(
import ctypes, errno, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(name, *arguments):
    print(name, errno.errorcode.get(ctypes.get_errno(), '0') if getattr(libc, name)(*arguments) < 0 else 'done')
call('ptrace', 0, 0, 0, 0)
call('process_vm_readv', 1, 0, 0, 0, 0, 0)
call('unshare', 0x10000000)
call('mount', b'none', b'/tmp', b'tmpfs', 0, 0)
call('chroot', b'/tmp')
def connect(label, family, address):
    s = socket.socket(family, socket.SOCK_STREAM)
    try:
        s.connect(address)
        print(label, 'connected')
    except OSError as error:
        print(label, errno.errorcode[error.errno])
connect('tcp allowed', socket.AF_INET, ('127.0.0.1', int(sys.argv[1])))
connect('tcp other', socket.AF_INET, ('127.0.0.1', int(sys.argv[2])))
connect('unix allowed', socket.AF_UNIX, sys.argv[3])
connect('unix other', socket.AF_UNIX, sys.argv[4])
for label, family, kind in (('udp', socket.AF_INET, socket.SOCK_DGRAM), ('packet', socket.AF_PACKET, socket.SOCK_RAW)):
    try:
        socket.socket(family, kind)
        print(label, 'made')
    except OSError as error:
        print(label, errno.errorcode[error.errno])
)";

TEST_F(Sandbox, ConnectsOnlyWhereItMayAndCannotReachIntoTheKernel) {
    uint16_t allowed = 0, other = 0;
    int fds[] = {listen_tcp(allowed), listen_tcp(other), listen_unix(dir_.path() / "a.sock"),
                 listen_unix(dir_.path() / "b.sock")};
    Command command = python(kCalls);
    for (const std::string& argument :
         {std::to_string(allowed), std::to_string(other), (dir_.path() / "a.sock").string(),
          (dir_.path() / "b.sock").string()}) {
        command.argv.push_back(argument);
    }
    SandboxSpec spec;
    spec.ports = {allowed};
    spec.sockets = {dir_.path() / "a.sock"};
    Outcome outcome = run_confined(command, spec);
    const std::string& out = outcome.end.out;
    EXPECT_THAT(out, HasSubstr("tcp allowed connected")) << outcome.end.err;
    EXPECT_THAT(out, HasSubstr("unix allowed connected"));
    if (outcome.report.landlock_net) {
        EXPECT_THAT(out, HasSubstr("tcp other EACCES"));
    }
    if (outcome.report.mount_ns) {
        EXPECT_THAT(out, HasSubstr("unix other ENOENT"));
    }
    if (outcome.report.seccomp) {
        for (const char* line :
             {"ptrace EPERM", "process_vm_readv EPERM", "unshare EPERM", "mount EPERM",
              "chroot EPERM", "udp EPERM", "packet EAFNOSUPPORT"}) {
            EXPECT_THAT(out, HasSubstr(line));
        }
    }
    for (int fd : fds) ::close(fd);
}

TEST_F(Sandbox, ReportsWhatIsActive) {
    Outcome outcome = run_confined({{"true"}});
    EXPECT_TRUE(outcome.end.ok());
    EXPECT_TRUE(outcome.report.mount_ns || outcome.report.landlock_abi > 0);
    EXPECT_FALSE(outcome.report.summary().empty());
    if (!outcome.report.mount_ns) {
        EXPECT_FALSE(outcome.report.missing.empty());
    }
}

TEST_F(Sandbox, RefusesPathsThatWouldGiveEverything) {
    SandboxSpec spec;
    spec.read = {"/"};
    EXPECT_EQ(start_sandboxed({{"true"}}, spec).error().code, Code::invalid);
    spec.read = {"relative"};
    EXPECT_EQ(start_sandboxed({{"true"}}, spec).error().code, Code::invalid);
    spec.read = {dir_.path() / "absent"};
    EXPECT_EQ(start_sandboxed({{"true"}}, spec).error().code, Code::not_found);
    EXPECT_EQ(start_sandboxed({{"no-such-program-here"}}, {}).error().code, Code::unavailable);
}

}  // namespace
}  // namespace vouchsafe::lab
