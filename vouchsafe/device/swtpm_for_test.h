// For tests alone: one software TPM in a temporary folder. (The lab's machines are above this
// module.)
#pragma once

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "vouchsafe/base/file.h"

namespace vouchsafe::device {

inline sockaddr_un unix_address(const std::string& path) {
    sockaddr_un out{};
    out.sun_family = AF_UNIX;
    std::memcpy(out.sun_path, path.data(), std::min(path.size(), sizeof(out.sun_path) - 1));
    return out;
}

class SwtpmForTest {
  public:
    SwtpmForTest() : dir_(MUST(TemporaryDir::create("vouchsafe-test"))) { start(); }
    ~SwtpmForTest() { stop(); }
    SwtpmForTest(const SwtpmForTest&) = delete;
    SwtpmForTest& operator=(const SwtpmForTest&) = delete;

    void stop() {
        if (pid_ <= 0) return;
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }
    // restart resets the TPM, as a boot does; what it keeps, it keeps.
    void restart() {
        stop();
        start();
    }
    // freeze makes it take commands and not answer.
    void freeze(bool frozen) const { ::kill(pid_, frozen ? SIGSTOP : SIGCONT); }
    std::string socket() const { return (dir_.path() / "tpm").string(); }
    std::string tcti() const { return "swtpm:path=" + socket(); }

  private:
    void start() {
        std::string state = "dir=" + dir_.path().string();
        std::string server = "type=unixio,path=" + socket();
        std::string control = "type=unixio,path=" + socket() + ".ctrl";
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::dup2(::open("/dev/null", O_WRONLY), 2);  // it tells of every connection
            ::execlp("swtpm", "swtpm", "socket", "--tpm2", "--tpmstate", state.c_str(), "--server",
                     server.c_str(), "--ctrl", control.c_str(), "--flags",
                     "not-need-init,startup-clear", nullptr);
            ::_exit(127);
        }
        for (int i = 0; i < 20000 && !accepts(); ++i) {
            std::this_thread::sleep_for(std::chrono::microseconds(500));
        }
    }

    bool accepts() const {
        int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address = unix_address(socket());
        bool done = ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
        ::close(fd);
        return done;
    }

    TemporaryDir dir_;
    pid_t pid_ = -1;
};

}  // namespace vouchsafe::device
