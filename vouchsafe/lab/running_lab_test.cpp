#include "vouchsafe/lab/running_lab.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "vouchsafe/attest/service.h"
#include "vouchsafe/lab/front_door.h"

namespace vouchsafe::lab {
namespace {

using std::chrono::milliseconds;
using testing::Contains;
using testing::HasSubstr;

// Sleeper is a process of our own that does nothing, or will not end by SIGTERM.
class Sleeper {
  public:
    explicit Sleeper(bool stubborn = false) : pid_(::fork()) {
        if (pid_ != 0) return;
        sigset_t all;
        sigfillset(&all);
        if (stubborn) ::sigprocmask(SIG_BLOCK, &all, nullptr);
        for (;;) ::pause();
    }
    ~Sleeper() { end(); }
    Sleeper(const Sleeper&) = delete;
    Sleeper& operator=(const Sleeper&) = delete;

    int pid() const { return pid_; }
    void end() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(std::exchange(pid_, -1), nullptr, 0);
    }
    bool alive() const { return ::waitpid(pid_, nullptr, WNOHANG) == 0; }

  private:
    int pid_;
};

TEST(RunningLab, KnowsAProcessFromAnotherWithItsNumber) {
    Sleeper sleeper;
    ProcessMark mark = MUST(mark_process(sleeper.pid()));
    EXPECT_TRUE(is_running(mark));
    EXPECT_TRUE(is_running(MUST(mark_process(::getpid()))));
    ProcessMark other = mark;
    ++other.start;
    EXPECT_FALSE(is_running(other));
    other = mark;
    other.boot = "another boot";
    EXPECT_FALSE(is_running(other));
    sleeper.end();
    EXPECT_FALSE(is_running(mark));
}

TEST(RunningLab, TakesAZombieForEnded) {
    int pid = ::fork();
    if (pid == 0) ::_exit(0);
    siginfo_t info;
    ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT);
    EXPECT_EQ(mark_process(pid).error().code, Code::not_found);
    ::waitpid(pid, nullptr, 0);
}

TEST(RunningLab, EndsTheProcessItMeansAndNoOther) {
    Sleeper sleeper;
    ProcessMark reused = MUST(mark_process(sleeper.pid()));
    --reused.start;
    auto refused = end_process(reused, milliseconds(1000));
    ASSERT_TRUE(sleeper.alive());
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_found);
    auto nobody = end_process({}, milliseconds(10));
    ASSERT_FALSE(nobody);
    EXPECT_EQ(nobody.error().code, Code::not_found);

    std::thread reaper([&] { ::waitpid(sleeper.pid(), nullptr, 0); });
    EXPECT_TRUE(end_process(MUST(mark_process(sleeper.pid())), milliseconds(3000)));
    reaper.join();

    Sleeper stubborn(true);
    ProcessMark mark = MUST(mark_process(stubborn.pid()));
    std::this_thread::sleep_for(milliseconds(50));  // until it blocks signals
    EXPECT_TRUE(end_process(mark, milliseconds(50)));
    EXPECT_FALSE(is_running(mark));
}

TEST(RunningLab, StateComesBackAndHostileStateDoesNot) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-state"));
    LabFiles files(dir.path());
    EXPECT_FALSE(MUST(read_lab_state(dir.path())));
    MUST(make_private_dir(files.folder()));
    ProcessMark own = MUST(mark_process(::getpid()));
    LabState state{own, 20123, from_unix(1'800'000'000), true, {"a"}};
    MUST(write_lab_state(dir.path(), state));
    LabState read = *MUST(read_lab_state(dir.path()));
    EXPECT_EQ(read.process, state.process);
    EXPECT_EQ(read.port, state.port);
    EXPECT_EQ(read.since, state.since);
    EXPECT_TRUE(read.pass_through);
    EXPECT_EQ(read.hosts, state.hosts);
    std::string good = MUST(read_text_file(files.state()));
    auto with = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        size_t at = text.find(from);
        EXPECT_NE(at, std::string::npos) << from;
        text.replace(at, from.size(), to);
        MUST(write_file(files.state(), as_bytes(text), Overwrite::yes));
        return read_lab_state(dir.path());
    };
    EXPECT_TRUE(with("20123", "20124"));
    EXPECT_FALSE(with("20123", "0"));
    EXPECT_FALSE(with("20123", "85659"));
    EXPECT_FALSE(with(fmt::format("\"pid\": {}", ::getpid()), "\"pid\": -1"));
    EXPECT_FALSE(with("\"format\": 1", "\"format\": 2"));
    EXPECT_FALSE(with(good, ""));
    remove_lab_state(dir.path());
    EXPECT_FALSE(MUST(read_lab_state(dir.path())));
}

TEST(RunningLab, KeepsItsPort) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-port"));
    MUST(make_private_dir(LabFiles(dir.path()).folder()));
    EXPECT_EQ(MUST(kept_port(dir.path())), std::nullopt);
    MUST(keep_port(dir.path(), 20555));
    EXPECT_EQ(MUST(kept_port(dir.path())), 20555);
    for (const char* text : {"", "0\n", "70000\n", "12\n\n", "12", "-1\n", "1 \n"}) {
        MUST(write_file(LabFiles(dir.path()).port(), as_bytes(std::string_view(text)),
                        Overwrite::yes));
        EXPECT_EQ(kept_port(dir.path()).error().code, Code::invalid) << text;
    }
}

// One lab for the tests of its door: its RSA-4096 keys take a while.
class LabDoorTest : public testing::Test {
  protected:
    struct Lab {
        Lab(TemporaryDir made_dir, DataDirectory made)
            : dir(std::move(made_dir)), directory(std::move(made)) {}
        TemporaryDir dir;
        SystemClock clock;
        DataDirectory directory;
        std::atomic<int> last_status = 0;  // of what the door answered or refused
        std::unique_ptr<Services> services;
        std::unique_ptr<LabDoor> door;
    };
    static std::unique_ptr<Lab> make_lab() {
        TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-door"));
        DataDirectory directory = MUST(
            DataDirectory::create(dir.path() / "lab", DirectoryKind::lab, SystemClock().now()));
        auto lab = std::make_unique<Lab>(std::move(dir), std::move(directory));
        lab->services = MUST(Services::start(lab->directory, lab->clock));
        LabDoorOptions options;
        options.on_event = [told = &lab->last_status](const net::DoorEvent& event) {
            *told = event.status;
        };
        lab->door =
            MUST(LabDoor::start(lab->directory, *lab->services, lab->clock, std::move(options)));
        return lab;
    }
    static Lab& lab() {
        static std::unique_ptr<Lab> made = make_lab();
        return *made;
    }

    LabDoorTest() {
        MUST(make_private_dir(LabFiles(lab().directory.path()).folder()));
        MUST(write_client_files(lab().directory, false));
        for (const auto& [name, value] : variables()) ::setenv(name.c_str(), value.c_str(), 1);
    }
    ~LabDoorTest() override {
        for (const auto& [name, value] : variables()) ::unsetenv(name.c_str());
    }
    static std::vector<std::pair<std::string, std::string>> variables() {
        return client_variables(lab().directory.path(), lab().door->port());
    }
    // get asks as this program does with VOUCHSAFE_SITE.
    static Result<net::ClientResponse> get(const std::string& url, net::Headers headers = {}) {
        auto site = MUST(guest::Site::load(LabFiles(lab().directory.path()).site()));
        net::ClientRequest request;
        request.url = url;
        request.headers = std::move(headers);
        return net::Client(site.client).send(request);
    }
};

TEST_F(LabDoorTest, ServesAzuresNames) {
    auto document = MUST(get(fmt::format("https://{}/{}/v2.0/.well-known/openid-configuration",
                                         kLoginHost, lab().directory.tenant_id())));
    EXPECT_EQ(document.status, 200);
    EXPECT_THAT(document.body, HasSubstr("token_endpoint"));
    auto keys = MUST(get(fmt::format("{}/certs", kAttestationUrl)));
    EXPECT_EQ(keys.status, 200);
    EXPECT_EQ(MUST(get("https://other.weu.attest.azure.net/certs")).status, 404);
    EXPECT_EQ(MUST(get("https://nobody.vault.azure.net/keys?api-version=7.4")).status, 404);
    EXPECT_FALSE(get("https://management.example.com/"));
    EXPECT_FALSE(get("https://vault.azure.net/"));
}

TEST_F(LabDoorTest, MintsForLongNamesToo) {
    const std::string name = std::string(63, 'a') + "." + std::string(40, 'b');
    EXPECT_EQ(MUST(get("https://" + name + ".attest.azure.net/certs")).status, 404);
}

TEST_F(LabDoorTest, TellsWhoIsNoMachineSo) {
    net::Headers metadata;
    metadata.set("Metadata", "true");
    const std::string url =
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&"
        "resource=https://vault.azure.net";
    EXPECT_EQ(MUST(get(url)).status, 400);
    auto answer = MUST(get(url, metadata));
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr("Identity not found"));
}

TEST_F(LabDoorTest, HandsEntrancesAndHostsToItsDoor) {
    LabDoor& door = *lab().door;
    const std::string url = "https://mine.weu.attest.azure.net/";
    door.set_host("mine.weu.attest.azure.net",
                  {[](const net::Request&) { return net::text_response(200, "mine"); }});
    EXPECT_EQ(MUST(get(url)).body, "mine");
    EXPECT_THAT(door.hosts(), Contains("mine.weu.attest.azure.net"));
    door.remove_host("mine.weu.attest.azure.net");
    EXPECT_EQ(MUST(get(url)).status, 404);

    net::Entrance entrance;
    entrance.listener = UniqueFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ASSERT_EQ(::listen(entrance.listener.get(), 8), 0);  // on a port that the kernel chooses
    const uint64_t id = MUST(door.add_entrance(std::move(entrance)));
    door.remove_entrance(id);
    EXPECT_FALSE(door.add_entrance({}));

    EXPECT_FALSE(get("https://20.61.0.5/"));
    EXPECT_EQ(lab().last_status, 403);
}

TEST_F(LabDoorTest, TellsWhatItServes) {
    auto about = MUST(get(fmt::format("http://localhost:{}/", lab().door->port())));
    EXPECT_EQ(about.status, 200);
    EXPECT_THAT(about.body, HasSubstr("*.vault.azure.net"));
    EXPECT_THAT(lab().door->hosts(), Contains("http://169.254.169.254"));
}

TEST_F(LabDoorTest, TrustsTheSystemsAuthoritiesOnlyIfItPassesThrough) {
    const Path file = LabFiles(lab().directory.path()).authority();
    EXPECT_EQ(MUST(read_text_file(file)), lab().directory.root().tls_ca_pem());
    MUST(write_client_files(lab().directory, true));
    EXPECT_THAT(MUST(read_text_file(file)), HasSubstr(lab().directory.root().tls_ca_pem()));
}

}  // namespace
}  // namespace vouchsafe::lab
