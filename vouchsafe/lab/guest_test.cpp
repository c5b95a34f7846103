#include "vouchsafe/lab/guest.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <thread>

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

namespace {

class GuestTest : public testing::Test {
  protected:
    void SetUp() override {
        folder_.emplace(MUST(TemporaryDir::create("vouchsafe-guest")));
        spec_.host_name = "machine-1";
        spec_.folder = folder_->path() / "disk";
        spec_.addresses = {"10.0.0.4"};
        spec_.ca_pem = "nobody's certificate\n";
        spec_.names = {"my.vault.azure.net"};
        spec_.tpm = false;
    }

    void start() {
        auto started = Guest::start(spec_);
        ASSERT_TRUE(started) << started.error().message;
        guest_ = std::move(*started);
        sockets_ = guest_->take_sockets();
        first_ = MUST(mark_process(guest_->pid()));
    }

    struct Outcome {
        Result<int> code = 0;
        std::string out;
    };
    // sh runs a script inside and returns what it prints.
    Outcome sh(const std::string& script) { return run({"/bin/sh", "-c", script}); }
    Outcome run(const std::vector<std::string>& argv) {
        const Path file = folder_->path() / "out";
        UniqueFd out(::open(file.c_str(), O_CREAT | O_TRUNC | O_RDWR | O_CLOEXEC, 0600));
        UniqueFd in(::open("/dev/null", O_RDONLY | O_CLOEXEC));
        GuestCommand command;
        command.argv = argv;
        command.env = guest_environment(spec_.user);
        command.directory = "/home/" + spec_.user;
        command.in = in.get();
        command.out = out.get();
        command.err = out.get();
        Outcome outcome;
        outcome.code = run_in_guest(first_, command);
        outcome.out = MUST(read_text_file(file));
        return outcome;
    }

    std::optional<TemporaryDir> folder_;
    GuestSpec spec_;
    std::unique_ptr<Guest> guest_;
    GuestSockets sockets_;
    ProcessMark first_;
};

TEST_F(GuestTest, ShowsAMachineOfItsOwn) {
    start();
    Outcome seen =
        sh("id -un; id -u; hostname; pwd; sudo id -u; sudo -E -u azureuser id -un; "
           "ls /home; test -e " +
           spec_.folder.string() + " || echo hidden; echo $$ | grep -c .");
    ASSERT_TRUE(seen.code) << seen.code.error().message;
    EXPECT_EQ(seen.out,
              "azureuser\n1000\nmachine-1\n/home/azureuser\n0\nazureuser\nazureuser\nhidden\n1\n");
}

TEST_F(GuestTest, GivesTheProgramsExitCodeBack) {
    start();
    EXPECT_EQ(sh("exit 125").code.value(), 125);
    EXPECT_EQ(sh("kill -9 $$").code.value(), 137);
    EXPECT_EQ(run({"no-such-program"}).code.error().code, Code::unavailable);
    EXPECT_EQ(run({"/etc/passwd"}).code.error().code, Code::forbidden);
}

TEST_F(GuestTest, KeepsItsHomeAndNothingElse) {
    start();
    EXPECT_EQ(sh("echo kept > file; echo x > /tmp/file").code.value(), 0);
    EXPECT_NE(sh("echo x > /etc/passwd || echo x > /usr/bin/x").code.value(), 0);
    guest_.reset();
    start();
    EXPECT_EQ(sh("cat file; ls /tmp").out, "kept\n");
}

TEST_F(GuestTest, ItsSocketsAreServedFromOutside) {
    start();
    std::thread server([&] {
        UniqueFd peer(::accept(sockets_.metadata.get(), nullptr, nullptr));
        const std::string_view answer =
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello";
        char request[2048];
        ASSERT_GT(::read(peer.get(), request, sizeof(request)), 0);
        ASSERT_EQ(::write(peer.get(), answer.data(), answer.size()),
                  static_cast<ssize_t>(answer.size()));
    });
    Outcome got = sh("curl -s http://169.254.169.254/metadata");
    ::shutdown(sockets_.metadata.get(), SHUT_RDWR);
    server.join();
    EXPECT_EQ(got.out, "hello");
}

TEST_F(GuestTest, ReachesNothingElse) {
    start();
    Outcome seen =
        sh("curl -s -m 2 http://127.0.0.1:80/ || echo no; "
           "curl -s -m 2 http://10.0.0.5/ || echo no; "
           "getent hosts example.com || echo unknown; getent hosts my.vault.azure.net");
    EXPECT_EQ(seen.out, "no\nno\nunknown\n127.0.0.1       my.vault.azure.net\n");
}

TEST_F(GuestTest, FindsNewNames) {
    start();
    ASSERT_TRUE(guest_->set_names({"other.vault.azure.net"}));
    EXPECT_EQ(sh("getent hosts other.vault.azure.net my.vault.azure.net").out,
              "127.0.0.1       other.vault.azure.net\n");
    EXPECT_EQ(guest_->set_names({"a b"}).error().code, Code::invalid);
}

TEST_F(GuestTest, ItsProgramsEndWithIt) {
    start();
    std::thread ending([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(300));
        guest_.reset();
    });
    EXPECT_EQ(run({"/bin/sleep", "100"}).code.value(), 128 + 9);
    ending.join();
    EXPECT_EQ(run({"/bin/true"}).code.error().code, Code::not_found);
}

TEST_F(GuestTest, MayNotChangeTheComputer) {
    start();
    Outcome seen =
        sh("echo 1 > /proc/sys/kernel/printk || echo read-only; "
           "mount -t tmpfs x /tmp || echo no mount; "
           "sudo mount -t tmpfs x /tmp || echo no mount; "
           "unshare -m true || echo no namespace; "
           "hostname other || echo no name; ip addr add 10.9.9.9 dev lo || echo no net");
    for (const char* line : {"read-only", "no mount", "no namespace", "no name", "no net"}) {
        EXPECT_NE(seen.out.find(line), std::string::npos) << line << "\n" << seen.out;
    }
}

TEST_F(GuestTest, TwoGuestsAreApart) {
    start();
    GuestSpec other = spec_;
    other.folder = folder_->path() / "other";
    auto second = Guest::start(other);
    ASSERT_TRUE(second);
    auto sockets = (*second)->take_sockets();
    // Each sees its own first process and what this test runs.
    EXPECT_EQ(sh("ps -e -o comm= | grep -c sleep").out, "1\n");
    // A connection of the first does not come to the second's socket.
    std::thread client([&] { (void)sh("curl -s -m 1 http://169.254.169.254/"); });
    client.join();
    ::fcntl(sockets.metadata.get(), F_SETFL, O_NONBLOCK);
    EXPECT_LT(::accept(sockets.metadata.get(), nullptr, nullptr), 0);
    ::fcntl(sockets_.metadata.get(), F_SETFL, O_NONBLOCK);
    EXPECT_GE(UniqueFd(::accept(sockets_.metadata.get(), nullptr, nullptr)).get(), 0);
}

TEST_F(GuestTest, RefusesNamesThatAreNone) {
    for (const char* name : {"", "a b", "-x", "a\nb", "x/y"}) {
        GuestSpec spec = spec_;
        spec.host_name = name;
        EXPECT_EQ(Guest::start(spec).error().code, Code::invalid) << name;
    }
    for (const char* user : {"", "root", "Ann", "a:b", "../x", "a\nb"}) {
        GuestSpec spec = spec_;
        spec.user = user;
        EXPECT_EQ(Guest::start(spec).error().code, Code::invalid) << user;
    }
    GuestSpec keys = spec_;
    keys.authorized_keys = {"ssh-ed25519 AAAA\nssh-ed25519 BBBB"};
    EXPECT_EQ(Guest::start(keys).error().code, Code::invalid);
    GuestSpec addresses = spec_;
    addresses.addresses = {"10.0.0.256"};
    EXPECT_EQ(Guest::start(addresses).error().code, Code::invalid);
}

}  // namespace

}  // namespace vouchsafe::lab
