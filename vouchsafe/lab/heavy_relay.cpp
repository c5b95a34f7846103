// relay of heavy_machine.h: one connection of a guest's, joined to a service of the host's.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <charconv>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/lab/heavy_machine.h"

namespace vouchsafe::lab {

namespace {

Result<UniqueFd> connect_to_target(const std::string& target) {
    constexpr std::string_view kUnix = "unix:";
    constexpr std::string_view kLoopback = "127.0.0.1:";
    sockaddr_storage address{};
    socklen_t size = 0;
    if (target.starts_with(kUnix)) {
        auto& local = reinterpret_cast<sockaddr_un&>(address);
        const std::string path = target.substr(kUnix.size());
        if (path.size() >= sizeof(local.sun_path)) {
            return fail(Code::invalid, "{} is too long for a socket", path);
        }
        local.sun_family = AF_UNIX;
        std::memcpy(local.sun_path, path.data(), path.size());
        size = sizeof(local);
    } else if (target.starts_with(kLoopback)) {
        auto& inet = reinterpret_cast<sockaddr_in&>(address);
        uint16_t port = 0;
        const char* end = target.data() + target.size();
        auto [stopped, error] = std::from_chars(target.data() + kLoopback.size(), end, port);
        if (error != std::errc() || stopped != end) {
            return fail(Code::invalid, "{} has no port", target);
        }
        inet.sin_family = AF_INET;
        inet.sin_port = htons(port);
        inet.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        size = sizeof(inet);
    } else {
        return fail(Code::invalid, "{} is no target: unix:PATH or 127.0.0.1:PORT", target);
    }
    UniqueFd fd(::socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd || ::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) {
        return fail(Code::unavailable, "nobody answers at {}", target);
    }
    return fd;
}

bool write_all(int fd, const char* data, size_t size) {
    while (size > 0) {
        const ssize_t written = ::write(fd, data, size);
        if (written < 0 && errno == EINTR) continue;
        if (written <= 0) return false;
        data += written;
        size -= static_cast<size_t>(written);
    }
    return true;
}

// Way is one direction.
struct Way {
    int from;
    int to;
    bool open = true;

    void pass() {
        std::array<char, 32 << 10> buffer;
        const ssize_t got = ::read(from, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) return;
        if (got > 0 && write_all(to, buffer.data(), static_cast<size_t>(got))) return;
        open = false;
        ::shutdown(to, SHUT_WR);
    }
};

}  // namespace

Result<void> relay(int in, int out, const std::string& target) {
    const UniqueFd peer = TRY(connect_to_target(target));
    Way up{in, peer.get()};
    Way down{peer.get(), out};
    while (up.open || down.open) {
        std::array<pollfd, 2> ready{
            {{up.open ? up.from : -1, POLLIN, 0}, {down.open ? down.from : -1, POLLIN, 0}}};
        if (::poll(ready.data(), ready.size(), -1) < 0 && errno != EINTR) break;
        if (ready[0].revents != 0) up.pass();
        if (ready[1].revents != 0) down.pass();
    }
    return {};
}

}  // namespace vouchsafe::lab
