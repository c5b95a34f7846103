#include "vouchsafe/lab/remove_tree.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vouchsafe/base/fd.h"

namespace vouchsafe::lab {
namespace {

// Unprivileged runs as somebody whose rights count. A test that is not run by root is it already.
class Unprivileged {
  public:
    Unprivileged() {
        if (::geteuid() == 0) [[maybe_unused]]
            int became = ::seteuid(kNobody);
    }
    ~Unprivileged() {
        if (::getuid() == 0) [[maybe_unused]]
            int again = ::seteuid(0);
    }
    Unprivileged(const Unprivileged&) = delete;
    Unprivileged& operator=(const Unprivileged&) = delete;

  private:
    static constexpr uid_t kNobody = 65534;
};

TEST(RemoveTree, RemovesFoldersInWhichNobodyMayWrite) {
    const Unprivileged nobody;
    const TemporaryDir dir = MUST(TemporaryDir::create("tree"));
    const Path tree = dir.path() / "tree";
    for (const char* folder : {"closed", "read-only/below", "open"}) {
        std::filesystem::create_directories(tree / folder);
        MUST(write_file(tree / folder / "file", {}, Overwrite::no));
    }
    ASSERT_EQ(::chmod((tree / "read-only/below").c_str(), 0500), 0);
    ASSERT_EQ(::chmod((tree / "read-only").c_str(), 0500), 0);
    ASSERT_EQ(::chmod((tree / "closed").c_str(), 0), 0);
    ASSERT_EQ(::chmod(tree.c_str(), 0500), 0);
    MUST(remove_tree(tree));
    EXPECT_FALSE(std::filesystem::exists(tree));
    EXPECT_TRUE(remove_tree(tree));
}

TEST(RemoveTree, RemovesFoldersDeeperThanPathsAndDescriptorsGo) {
    const TemporaryDir dir = MUST(TemporaryDir::create("tree"));
    const Path tree = dir.path() / "tree";
    ASSERT_EQ(::mkdir(tree.c_str(), 0700), 0);
    UniqueFd at(::open(tree.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (int depth = 0; depth < 3000; ++depth) {
        // Beside it, what its parts are moved to.
        ASSERT_EQ(::mkdirat(at.get(), "moved-up-0", 0700), 0);
        ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
        at = UniqueFd(::openat(at.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        ASSERT_TRUE(at);
    }
    at.reset();
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const rlimit few{std::min<rlim_t>(128, before.rlim_cur), before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &few), 0);
    const auto done = remove_tree(tree);
    ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
    EXPECT_TRUE(done) << done.error().message;
    EXPECT_FALSE(std::filesystem::exists(tree));
}

TEST(RemoveTree, FollowsNoLinks) {
    const TemporaryDir dir = MUST(TemporaryDir::create("tree"));
    const Path tree = dir.path() / "tree", outside = dir.path() / "outside";
    ASSERT_EQ(::mkdir(tree.c_str(), 0700), 0);
    ASSERT_EQ(::mkdir(outside.c_str(), 0700), 0);
    MUST(write_file(outside / "kept", {}, Overwrite::no));
    std::filesystem::create_symlink(outside, tree / "link");
    std::filesystem::create_symlink("nowhere", tree / "dangling");
    MUST(remove_tree(tree));
    EXPECT_TRUE(std::filesystem::exists(outside / "kept"));
    std::filesystem::create_symlink(outside, tree);
    MUST(remove_tree(tree));
    EXPECT_FALSE(std::filesystem::is_symlink(tree));
    EXPECT_TRUE(std::filesystem::exists(outside / "kept"));
}

}  // namespace
}  // namespace vouchsafe::lab
