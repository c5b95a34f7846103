#include "vouchsafe/lab/heavy_monitor.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <array>

#include "vouchsafe/base/json.h"

namespace vouchsafe::lab {

namespace {

constexpr size_t kMaxLine = 1 << 20;
constexpr int kMaxEvents = 100;

}  // namespace

Result<Monitor> Monitor::connect(const Path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = socket.string();
    if (path.size() >= sizeof(address.sun_path)) {
        return fail(Code::invalid, "{} is too long for a socket", path);
    }
    std::memcpy(address.sun_path, path.data(), path.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const timeval patience{1, 0};
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        return fail(Code::unavailable, "QEMU does not listen at {}", path);
    }
    Monitor out(std::move(fd));
    TRY(out.line());  // its greeting
    TRY(out.ask("qmp_capabilities"));
    return out;
}

Result<std::string> Monitor::line() {
    size_t end = read_.find('\n');
    while (end == std::string::npos) {
        std::array<char, 4096> buffer;
        const ssize_t got = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
        if (got <= 0 || read_.size() > kMaxLine) {
            return fail(Code::unavailable, "QEMU does not answer");
        }
        read_.append(buffer.data(), static_cast<size_t>(got));
        end = read_.find('\n');
    }
    std::string out = read_.substr(0, end);
    read_.erase(0, end + 1);
    return out;
}

Result<Json> Monitor::ask(std::string_view command) {
    const std::string text = dump_json({{"execute", command}}) + "\n";
    if (::send(fd_.get(), text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size())) {
        return fail(Code::unavailable, "QEMU does not listen");
    }
    for (int i = 0; i < kMaxEvents; ++i) {
        Json answer = TRY(parse_json_object(TRY(line())));
        if (answer.contains("return")) return answer["return"];
        if (answer.contains("error")) {
            return fail(Code::io, "QEMU refuses {}: {}", command, dump_json(answer["error"]));
        }
    }
    return fail(Code::unavailable, "QEMU does not answer {}", command);
}

}  // namespace vouchsafe::lab
