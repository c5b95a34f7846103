#include "app/console.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#include <array>

#include "vouchsafe/base/fd.h"

namespace vouchsafe::app {

namespace {

constexpr char kLeave = 0x1D;  // Ctrl-]

Result<UniqueFd> connect_console(const Path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof(address.sun_path)) {
        return fail(Code::invalid, "{} is too long for a socket", path);
    }
    path.copy(address.sun_path, path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        return fail(Code::unavailable, "the console at {} does not answer", path);
    }
    return fd;
}

// RawTerminal passes every key on until it goes.
class RawTerminal {
  public:
    RawTerminal() : is_terminal_(::tcgetattr(STDIN_FILENO, &before_) == 0) {
        if (!is_terminal_) return;
        termios raw = before_;
        ::cfmakeraw(&raw);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    }
    ~RawTerminal() {
        if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;
    bool is_terminal() const { return is_terminal_; }

  private:
    termios before_{};
    bool is_terminal_;
};

bool write_whole(int fd, const char* data, size_t size) {
    while (size > 0) {
        const ssize_t written = ::write(fd, data, size);
        if (written <= 0) return false;
        data += written;
        size -= static_cast<size_t>(written);
    }
    return true;
}

// pass moves what is there; false at the end of `from`, or at the key that leaves.
bool pass(int from, int to, bool leaves) {
    std::array<char, 4096> buffer;
    const ssize_t got = ::read(from, buffer.data(), buffer.size());
    if (got <= 0) return false;
    const std::string_view text(buffer.data(), static_cast<size_t>(got));
    const size_t leave = leaves ? text.find(kLeave) : std::string_view::npos;
    return write_whole(to, text.data(), std::min(leave, text.size())) &&
           leave == std::string_view::npos;
}

}  // namespace

Result<void> join_console(const Path& socket) {
    const UniqueFd console = TRY(connect_console(socket));
    const RawTerminal terminal;
    while (true) {
        std::array<pollfd, 2> ready{{{STDIN_FILENO, POLLIN, 0}, {console.get(), POLLIN, 0}}};
        if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) return {};
        if (ready[1].revents != 0 && !pass(console.get(), STDOUT_FILENO, false)) return {};
        if (ready[0].revents != 0 && !pass(STDIN_FILENO, console.get(), terminal.is_terminal())) {
            return {};
        }
    }
}

}  // namespace vouchsafe::app
