#include "vouchsafe/lab/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <future>
#include <thread>

namespace vouchsafe::lab {
namespace {

using std::chrono::milliseconds;

Command shell(std::string script) {
    Command out;
    out.argv = {"/bin/sh", "-c", std::move(script)};
    return out;
}

bool alive(int pid) {
    return ::kill(pid, 0) == 0;
}

TEST(Process, CapturesOutputAndExitCode) {
    Finished end = MUST(run(shell("echo out; echo err >&2; exit 3")));
    EXPECT_EQ(end.exit_code, 3);
    EXPECT_EQ(end.out, "out\n");
    EXPECT_EQ(end.err, "err\n");
    EXPECT_FALSE(end.cut);
}

TEST(Process, SaysThatThereIsNoSuchProgram) {
    EXPECT_EQ(run({{"no-such-program-here"}}).error().code, Code::unavailable);
    EXPECT_EQ(run({{"/no/such/program"}}).error().code, Code::unavailable);
    EXPECT_EQ(run({{"/etc/passwd"}}).error().code, Code::forbidden);
    EXPECT_EQ(run({}).error().code, Code::invalid);
}

TEST(Process, GivesExactlyTheEnvironmentAndFolderItWasTold) {
    Command command = shell("/usr/bin/env; pwd");
    command.env = {"ONLY=this"};
    command.directory = "/usr";
    EXPECT_EQ(MUST(run(command)).out, "ONLY=this\nPWD=/usr\n/usr\n");
}

TEST(Process, FeedsInputOfAnySize) {
    Command command = shell("wc -c");
    command.input = Bytes(1 << 20, 'x');
    EXPECT_EQ(MUST(run(command)).out, "1048576\n");
    command = shell("exit 0");  // a child that never reads is no error
    command.input = Bytes(1 << 20, 'x');
    EXPECT_TRUE(MUST(run(command)).ok());
}

TEST(Process, KeepsNoMoreOutputThanAllowed) {
    Command command = shell("head -c 300000 /dev/zero");
    command.max_output = 1000;
    Finished end = MUST(run(command));
    EXPECT_EQ(end.out.size(), 1000u);
    EXPECT_TRUE(end.cut);
    EXPECT_TRUE(end.ok());
}

TEST(Process, TellsLinesAsTheyCome) {
    std::vector<std::string> lines;
    Command command = shell("printf 'one\\ntwo\\nrest'");
    command.on_line = [&](std::string_view line) { lines.emplace_back(line); };
    MUST(run(command));
    EXPECT_THAT(lines, testing::ElementsAre("one", "two", "rest"));
}

TEST(Process, PassesTheDescriptorsItWasToldAndNoOthers) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);  // without close-on-exec
    Command command = shell("echo hello >&5; ls /proc/self/fd");
    command.fds = {{ends[1], 5}};
    Finished end = MUST(run(command));
    char text[16] = {};
    EXPECT_EQ(::read(ends[0], text, sizeof(text)), 6);
    EXPECT_STREQ(text, "hello\n");
    EXPECT_EQ(end.out, "0\n1\n2\n3\n5\n");  // 3 is ls reading the folder
    ::close(ends[0]);
    ::close(ends[1]);
    command.fds = {{ends[1], 2}};
    EXPECT_EQ(run(command).error().code, Code::invalid);
}

TEST(Process, KillsAtTheTimeLimitWithEverythingItStarted) {
    Command command = shell("sleep 60 & echo $!; sleep 60");
    std::promise<std::string> told;
    command.on_line = [&](std::string_view line) { told.set_value(std::string(line)); };
    Process process = MUST(Process::start(command));
    int pid = process.pid();
    std::string grandchild = told.get_future().get();
    EXPECT_EQ(process.wait(milliseconds(20)).error().code, Code::unavailable);
    EXPECT_FALSE(alive(pid));
    // It is reaped by init, which may take a moment.
    for (int i = 0; i < 1000 && alive(std::stoi(grandchild)); ++i) {
        std::this_thread::sleep_for(milliseconds(1));
        std::string stat = read_text_file("/proc/" + grandchild + "/stat").value_or("");
        if (stat.find(") Z ") != std::string::npos) return;
    }
    EXPECT_FALSE(alive(std::stoi(grandchild)));
}

TEST(Process, StopsPolitelyFirst) {
    Process process =
        MUST(Process::start(shell("trap 'echo bye; exit 7' TERM; echo up; "
                                  "while :; do sleep 0.01; done")));
    std::this_thread::sleep_for(milliseconds(30));
    process.stop();
    EXPECT_FALSE(process.running());
    Finished end = MUST(process.wait());
    EXPECT_TRUE(end.exit_code == 7 || end.signal == SIGTERM);
}

TEST(Process, DestructionLeavesNoChild) {
    int pid = 0;
    {
        Process process = MUST(Process::start({{"sleep", "60"}}));
        pid = process.pid();
        EXPECT_TRUE(process.running());
    }
    EXPECT_FALSE(alive(pid));
}

TEST(Process, OutlivesTheThreadThatStartedIt) {
    std::unique_ptr<Process> process;
    std::thread([&] {
        process = std::make_unique<Process>(MUST(Process::start({{"sleep", "60"}})));
    }).join();
    std::this_thread::sleep_for(milliseconds(20));
    EXPECT_TRUE(process->running());
}

TEST(Process, DiesWithUsHoweverWeEnd) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = ::fork();
    if (parent == 0) {
        Process process = MUST(Process::start({{"sleep", "60"}}));
        int pid = process.pid();
        (void)!::write(ends[1], &pid, sizeof(pid));
        ::kill(::getpid(), SIGKILL);
    }
    int pid = 0;
    ASSERT_EQ(::read(ends[0], &pid, sizeof(pid)), static_cast<ssize_t>(sizeof(pid)));
    ::waitpid(parent, nullptr, 0);
    auto gone = [&] {
        std::string stat = read_text_file(fmt::format("/proc/{}/stat", pid)).value_or("");
        return stat.empty() || stat.find(") Z ") != std::string::npos;
    };
    for (int i = 0; i < 2000 && !gone(); ++i) std::this_thread::sleep_for(milliseconds(1));
    EXPECT_TRUE(gone());
    ::close(ends[0]);
    ::close(ends[1]);
}

}  // namespace
}  // namespace vouchsafe::lab
