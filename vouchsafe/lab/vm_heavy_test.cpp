// What of a machine for QEMU is there without booting one; tests/heavy/lab_test.py boots some.
#include "vouchsafe/lab/vm_heavy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstring>
#include <thread>

namespace vouchsafe::lab {
namespace {

using ::testing::HasSubstr;

// ask_at sends a request to a Unix socket; "" if nobody listens there.
std::string ask_at(const Path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, socket.c_str());
    const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "";
    const std::string_view request =
        "GET /who HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n";
    EXPECT_EQ(::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(request.size()));
    std::string out;
    char chunk[1024];
    for (ssize_t count; (count = ::recv(fd.get(), chunk, sizeof chunk, 0)) > 0;) {
        out.append(chunk, static_cast<size_t>(count));
    }
    return out;
}

class VmHeavyTest : public ::testing::Test {
  protected:
    VmHeavyTest() : dir_(MUST(TemporaryDir::create("vouchsafe-vm-heavy"))) {
        // No folder can be made below it, so no image.
        MUST(write_file(cache_, as_bytes(std::string_view("a file")), Overwrite::no));
        door_ = MUST(net::FrontDoor::start({}));
    }

    InsideSpec spec_of(const std::string& name) const {
        InsideSpec out;
        out.guest.host_name = name;
        out.guest.addresses = {"10.0.0.4"};
        out.heavy = HeavyPlan{folder_of(name) / "machine", std::nullopt};
        out.metadata = [name](const net::Request& request) {
            return net::text_response(200, name + " from " + request.remote);
        };
        return out;
    }
    Path folder_of(const std::string& name) const { return dir_.path() / name; }
    Path socket_of(const std::string& name) const { return folder_of(name) / "door" / "metadata"; }
    Result<std::unique_ptr<VmInside>> make(InsideSpec spec) {
        const InsideWorld world{*door_, "", [] { return std::vector<std::string>{"a.example"}; }};
        return make_heavy_inside(world, std::make_shared<SharedImage>(cache_), std::move(spec));
    }

    TemporaryDir dir_;
    const Path cache_ = dir_.path() / "cache";
    std::unique_ptr<net::FrontDoor> door_;
};

TEST_F(VmHeavyTest, NamesPackagesOrServesEachMachineAtASocketOfItsOwn) {
    auto made = make(spec_of("one"));
    if (!missing_heavy_packages().empty()) {
        ASSERT_FALSE(made);
        EXPECT_EQ(made.error().code, Code::unsupported);
        EXPECT_THAT(made.error().message, HasSubstr("apt-get install"));
        return;
    }
    std::unique_ptr<VmInside> one = MUST(std::move(made));
    std::unique_ptr<VmInside> two = MUST(make(spec_of("two")));
    EXPECT_THAT(ask_at(socket_of("one")), HasSubstr("one from 10.0.0.4"));
    EXPECT_THAT(ask_at(socket_of("two")), HasSubstr("two from 10.0.0.4"));
    struct stat status {};
    ASSERT_EQ(::stat(socket_of("one").parent_path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777, 0700U);
    one.reset();
    EXPECT_EQ(ask_at(socket_of("one")), "");
    EXPECT_THAT(ask_at(socket_of("two")), HasSubstr("two from"));
    // What is left of the socket is in nobody's way.
    one = MUST(make(spec_of("one")));
    EXPECT_THAT(ask_at(socket_of("one")), HasSubstr("one from"));
}

TEST_F(VmHeavyTest, SaysWhyItDidNotBoot) {
    if (!missing_heavy_packages().empty()) GTEST_SKIP() << "packages for QEMU are not installed";
    std::unique_ptr<VmInside> inside = MUST(make(spec_of("one")));
    for (int i = 0; i < 500 && inside->ended().empty(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    EXPECT_THAT(inside->ended(), HasSubstr(cache_.string()));
    EXPECT_FALSE(inside->booted());
    EXPECT_EQ(inside->pid(), 0);
    inside->names_changed();
}

TEST_F(VmHeavyTest, RefusesWhatWouldBeSomethingElseInside) {
    if (!missing_heavy_packages().empty()) GTEST_SKIP() << "packages for QEMU are not installed";
    InsideSpec spec = spec_of("one");
    spec.guest.user = "root";
    EXPECT_EQ(make(std::move(spec)).error().code, Code::invalid);
    spec = spec_of("one");
    spec.guest.addresses = {"fd00::4"};
    EXPECT_EQ(make(std::move(spec)).error().code, Code::invalid);
    EXPECT_EQ(ask_at(socket_of("one")), "");
}

}  // namespace
}  // namespace vouchsafe::lab
