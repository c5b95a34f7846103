// For tests: a PostgreSQL server of the test's own, in a temporary folder, on a Unix socket alone.
#pragma once

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include "vouchsafe/store/store.h"

namespace vouchsafe::store {

inline constexpr const char* kNoPostgres =
    "PostgreSQL is not installed, so its tests do not run: apt-get install postgresql";

// postgres_programs is the folder of initdb and postgres, newest version first; empty if there is
// none. Debian keeps them out of PATH.
inline Path postgres_programs() {
    std::vector<Path> found;
    std::error_code ignored;
    for (const auto& version :
         std::filesystem::directory_iterator("/usr/lib/postgresql", ignored)) {
        if (std::filesystem::exists(version.path() / "bin/initdb", ignored)) {
            found.push_back(version.path() / "bin");
        }
    }
    return found.empty() ? Path() : *std::ranges::max_element(found);
}

class PostgresServer {
  public:
    // The role "secretive" needs the password kPassword.
    static constexpr const char* kPassword = "s3cret-of-secretive";

    PostgresServer() : dir_(MUST(TemporaryDir::create("postgres"))) {
        // The server refuses to run as root.
        for (const char* name : {"postgres", "nobody"}) {
            if (getuid() == 0 && user_ == nullptr) user_ = getpwnam(name);
        }
        if (user_ != nullptr && chown(dir_.path().c_str(), user_->pw_uid, user_->pw_gid) != 0) {
            std::abort();
        }
        const int status = wait_for(spawn({"initdb", "-D", data(), "-U", "vouchsafe", "-A", "trust",
                                           "-E", "UTF8", "--locale=C", "--no-sync"}));
        if (status != 0) give_up("initdb failed");
        std::string rules = "local all secretive scram-sha-256\nlocal all all trust\n";
        MUST(write_file(data() + "/pg_hba.conf", as_bytes(rules), Overwrite::yes));
        start();
    }
    ~PostgresServer() { stop(SIGQUIT); }
    PostgresServer(const PostgresServer&) = delete;
    PostgresServer& operator=(const PostgresServer&) = delete;

    // start returns when the server answers. Only from the test's main thread: the server ends with
    // the thread that started it.
    void start() {
        pid_ = spawn({"postgres", "-D", data(), "-k", dir_.path().string(), "-c",
                      "listen_addresses=", "-c", "shared_buffers=16MB",
                      // Processes crash here, not the machine.
                      "-c", "fsync=off"});
        for (int i = 0; i < 600; ++i) {
            auto opened = open_postgres(url(), "ready");
            if (opened) return;
            std::this_thread::sleep_for(std::chrono::milliseconds(50));
        }
        give_up("the server does not answer");
    }
    // stop ends the server: SIGINT in order, SIGQUIT as a crash does.
    void stop(int signal) {
        if (pid_ <= 0) return;
        kill(pid_, signal);
        wait_for(pid_);
        pid_ = 0;
    }

    Path socket_folder() const { return dir_.path(); }
    std::string url() const { return url_at(dir_.path()); }
    static std::string url_at(const Path& socket_folder) {
        return "postgresql://vouchsafe@/postgres?host=" + socket_folder.string();
    }

    // server is one for all tests of a program.
    static PostgresServer& server() {
        static PostgresServer one;
        return one;
    }

  private:
    std::string data() const { return (dir_.path() / "data").string(); }

    pid_t spawn(std::vector<std::string> words) {
        words.front() = (postgres_programs() / words.front()).string();
        const std::string log = (dir_.path() / "log").string();
        const pid_t pid = fork();
        if (pid != 0) return pid;
        if (user_ != nullptr && (setgroups(0, nullptr) != 0 || setgid(user_->pw_gid) != 0 ||
                                 setuid(user_->pw_uid) != 0)) {
            _exit(126);
        }
        prctl(PR_SET_PDEATHSIG, SIGQUIT);
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        dup2(out, 1);
        dup2(out, 2);
        if (chdir("/") != 0) _exit(126);
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        const char* environment[] = {"LC_ALL=C", "PATH=/usr/bin:/bin", nullptr};
        execve(argv[0], argv.data(), const_cast<char**>(environment));
        _exit(127);
    }
    static int wait_for(pid_t pid) {
        int status = 0;
        waitpid(pid, &status, 0);
        return status;
    }
    [[noreturn]] void give_up(const char* why) const {
        auto log = read_text_file(dir_.path() / "log");
        std::fprintf(stderr, "%s:\n%s\n", why, log ? log->c_str() : "");
        std::abort();
    }

    TemporaryDir dir_;
    const passwd* user_ = nullptr;
    pid_t pid_ = 0;
};

}  // namespace vouchsafe::store
