// An entrance in another network namespace.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <cstring>
#include <optional>

#include "vouchsafe/net/door_test_support.h"

namespace vouchsafe::net {
namespace {

using test::Door;
using test::RawClient;
using test::say_remote;
using test::TlsClient;
using testing::HasSubstr;

// Inside is a child process in a network namespace of its own, which made a listener there and a
// client that is connected to it.
struct Inside {
    UniqueFd listener;
    UniqueFd client;
};

bool bring_up_loopback() {
    int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    bool ok = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return ok;
}

// send_sockets is the child's whole life: system calls alone, as after any fork of a process with
// threads.
void send_sockets(int to) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0 || !bring_up_loopback()) return;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(443);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fds[2] = {::socket(AF_INET, SOCK_STREAM, 0), ::socket(AF_INET, SOCK_STREAM, 0)};
    auto* name = reinterpret_cast<sockaddr*>(&address);
    if (::bind(fds[0], name, sizeof address) != 0 || ::listen(fds[0], 8) != 0 ||
        ::connect(fds[1], name, sizeof address) != 0) {
        return;
    }
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof fds)] = {};
    char byte = 0;
    iovec one{&byte, 1};
    msghdr message{};
    message.msg_iov = &one;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    std::memcpy(CMSG_DATA(header), fds, sizeof fds);
    ::sendmsg(to, &message, 0);
}

// make_inside returns nullopt where namespaces are not allowed.
std::optional<Inside> make_inside() {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return std::nullopt;
    pid_t child = ::fork();
    if (child == 0) {
        send_sockets(pair[1]);
        ::_exit(0);
    }
    ::close(pair[1]);
    UniqueFd from(pair[0]);
    int fds[2] = {-1, -1};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof fds)] = {};
    char byte = 0;
    iovec one{&byte, 1};
    msghdr message{};
    message.msg_iov = &one;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof space;
    ssize_t got = ::recvmsg(from.get(), &message, MSG_CMSG_CLOEXEC);
    ::waitpid(child, nullptr, 0);
    cmsghdr* header = got == 1 ? CMSG_FIRSTHDR(&message) : nullptr;
    if (header == nullptr) return std::nullopt;
    std::memcpy(fds, CMSG_DATA(header), sizeof fds);
    return Inside{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

TEST(Entrance, MayBeInAnotherNetworkNamespace) {
    std::optional<Inside> inside = make_inside();
    if (!inside) GTEST_SKIP() << "no user namespaces here";
    Door door(
        [](FrontDoorOptions& options) { options.hosts.add("who.example.org", {say_remote}); });
    EXPECT_FALSE(RawClient(443).connected());  // not here
    Entrance entrance;
    entrance.listener = std::move(inside->listener);
    entrance.name = "vm1";
    entrance.address = "10.0.0.4";
    uint64_t id = MUST(door.door().add_entrance(std::move(entrance)));
    TlsClient tls(inside->client.get(), "who.example.org", door.authority().pem());
    ASSERT_EQ(tls.shake(), 0);
    EXPECT_THAT(tls.get("who.example.org"), HasSubstr("10.0.0.4 who.example.org / tls"));
    door.door().remove_entrance(id);
    EXPECT_EQ(tls.get("who.example.org"), "");
}

}  // namespace
}  // namespace vouchsafe::net
