#include "vouchsafe/device/tpm_conversation.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vouchsafe::device {

namespace {

using Clock = TpmConversation::Clock;

// wait returns when `fd` is ready for `events`; with fd -1 after a moment. poll(2) leaves out
// descriptors below zero.
Result<void> wait_until(int fd, short events, int stop, Clock::time_point deadline,
                        std::chrono::milliseconds at_most) {
    auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return fail(Code::unavailable, "the TPM does not answer");
    pollfd watched[2] = {{stop, POLLIN, 0}, {fd, events, 0}};
    int ready = ::poll(watched, 2, static_cast<int>(std::min(left, at_most).count()));
    if (ready < 0 && errno != EINTR) return fail(Code::io, "poll: {}", std::strerror(errno));
    if (ready > 0 && watched[0].revents != 0) return fail(Code::unavailable, "stopped");
    return {};
}

tl::unexpected<Error> fail_gone(int error) {
    return fail(Code::io, "the software TPM is gone: {}", std::strerror(error));
}

}  // namespace

Result<TpmConversation> TpmConversation::begin(const Path& path, int stop,
                                               Clock::time_point deadline) {
    constexpr auto kMoment = std::chrono::milliseconds(1);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string& name = path.native();
    if (name.size() >= sizeof(address.sun_path)) {
        return fail(Code::invalid, "{} is too long for a socket", name);
    }
    std::memcpy(address.sun_path, name.data(), name.size());
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!fd) return fail(Code::io, "socket: {}", std::strerror(errno));
    // EAGAIN: others wait for their turn before us, as many as it lets wait.
    while (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0) {
        if (errno != EAGAIN && errno != EINTR) return fail_gone(errno);
        TRY(wait_until(-1, 0, stop, deadline, kMoment));
    }
    return TpmConversation(std::move(fd), stop, deadline);
}

Result<void> TpmConversation::wait_for(short events) {
    constexpr auto kLong = std::chrono::hours(1);
    return wait_until(socket_.get(), events, stop_, deadline_, kLong);
}

Result<void> TpmConversation::pause(std::chrono::milliseconds time) {
    return wait_until(-1, 0, stop_, deadline_, time);
}

Result<void> TpmConversation::send_all(ByteView bytes) {
    while (!bytes.empty()) {
        ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes = bytes.subspan(static_cast<size_t>(sent));
        } else if (errno == EAGAIN || errno == EINTR) {
            TRY(wait_for(POLLOUT));
        } else {
            return fail_gone(errno);
        }
    }
    return {};
}

Result<void> TpmConversation::receive(Bytes& out, size_t size) {
    size_t done = out.size();
    out.resize(size);
    while (done < size) {
        ssize_t got = ::recv(socket_.get(), out.data() + done, size - done, 0);
        if (got > 0) {
            done += static_cast<size_t>(got);
        } else if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
            TRY(wait_for(POLLIN));
        } else {
            return fail_gone(got == 0 ? ECONNRESET : errno);
        }
    }
    return {};
}

Result<TpmAnswer> TpmConversation::ask(ByteView command, bool brings_handle) {
    TRY(send_all(command));
    Bytes answer;
    TRY(receive(answer, kTpmHeaderSize));
    Reader header(answer);
    TRY(header.skip(sizeof(uint16_t), "tag"));
    uint32_t size = TRY(header.u32_be("size"));
    if (size < kTpmHeaderSize || size > kMaxTpmCommand) {
        return fail(Code::io, "the TPM announced an answer of {} bytes", size);
    }
    TRY(receive(answer, size));
    return parse_tpm_answer(std::move(answer), brings_handle);
}

}  // namespace vouchsafe::device
