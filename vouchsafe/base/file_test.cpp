#include "vouchsafe/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace vouchsafe {
namespace {

size_t count_files(const Path& dir) {
    size_t count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(dir)) ++count;
    return count;
}

class FileTest : public testing::Test {
  protected:
    static TemporaryDir make_dir() { return MUST(TemporaryDir::create("vouchsafe-test")); }
    TemporaryDir dir_ = make_dir();
    Path file(std::string_view name) const { return dir_.path() / name; }
};

TEST_F(FileTest, WritesWholeFilesAndReadsThemBack) {
    EXPECT_TRUE(write_file(file("a"), as_bytes("hello"), Overwrite::no, 0600));
    EXPECT_EQ(*read_text_file(file("a")), "hello");
    struct stat info {};
    ASSERT_EQ(::stat(file("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600U);
}

TEST_F(FileTest, DoesNotOverwriteUnasked) {
    ASSERT_TRUE(write_file(file("a"), as_bytes("one"), Overwrite::no));
    auto again = write_file(file("a"), as_bytes("two"), Overwrite::no);
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::conflict);
    EXPECT_EQ(*read_text_file(file("a")), "one");
    EXPECT_TRUE(write_file(file("a"), as_bytes("two"), Overwrite::yes));
    EXPECT_EQ(*read_text_file(file("a")), "two");
}

TEST_F(FileTest, NoticesAFileMadeInTheMeantime) {
    OutputFile output = MUST(OutputFile::create(file("a"), Overwrite::no));
    ASSERT_TRUE(write_file(file("a"), as_bytes("theirs"), Overwrite::no));
    EXPECT_EQ(output.commit().error().code, Code::conflict);
    EXPECT_EQ(*read_text_file(file("a")), "theirs");
}

TEST_F(FileTest, LeavesNothingWithoutCommit) {
    {
        OutputFile output = MUST(OutputFile::create(file("a"), Overwrite::no));
        ASSERT_TRUE(output.write(as_bytes("half")));
    }
    EXPECT_EQ(count_files(dir_.path()), 0U);
}

TEST_F(FileTest, RemovesUnfinishedOutputsWhenKilledBySignal) {
    OutputFile output = MUST(OutputFile::create(file("a"), Overwrite::no));
    EXPECT_EQ(count_files(dir_.path()), 1U);
    remove_unfinished_outputs();
    EXPECT_EQ(count_files(dir_.path()), 0U);
}

TEST_F(FileTest, RemovesTemporaryFoldersAtAnEndBySignal) {
    ASSERT_TRUE(write_file(file("a"), as_bytes("x"), Overwrite::no));
    remove_temporary_dirs();
    EXPECT_FALSE(std::filesystem::exists(dir_.path()));
}

TEST_F(FileTest, LimitsWhatItReads) {
    ASSERT_TRUE(write_file(file("a"), Bytes(100), Overwrite::no));
    EXPECT_TRUE(read_file(file("a"), 100));
    EXPECT_EQ(read_file(file("a"), 99).error().code, Code::invalid);
    EXPECT_EQ(read_file(file("none")).error().code, Code::not_found);
    EXPECT_FALSE(read_file(dir_.path()));
}

TEST_F(FileTest, LockExcludesAnotherProcess) {
    FileLock lock = MUST(FileLock::take(file("lock")));
    pid_t child = ::fork();
    if (child == 0) {
        auto second = FileLock::take(file("lock"));
        ::_exit(!second && second.error().code == Code::conflict ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A child has the file open, too, until it comes to exec.
TEST_F(FileTest, LockEndsWithItsHolderAndNotWithAChild) {
    std::optional<FileLock> lock(MUST(FileLock::take(file("lock"))));
    const pid_t ending = ::fork();
    if (ending == 0) {
        lock.reset();
        ::_exit(0);
    }
    ::waitpid(ending, nullptr, 0);
    EXPECT_FALSE(FileLock::take(file("lock")).has_value());

    int wakes[2];
    ASSERT_EQ(::pipe(wakes), 0);
    const pid_t staying = ::fork();
    if (staying == 0) {
        char byte;
        [[maybe_unused]] ssize_t count = ::read(wakes[0], &byte, 1);
        ::_exit(0);
    }
    lock.reset();
    EXPECT_TRUE(FileLock::take(file("lock")).has_value());
    EXPECT_EQ(::write(wakes[1], "", 1), 1);
    ::waitpid(staying, nullptr, 0);
    for (int end : wakes) ::close(end);
}

TEST_F(FileTest, MakesPrivateFoldersAndRefusesThoseOfOthers) {
    Path folder = file("a") / "b";
    ASSERT_TRUE(make_private_dir(folder));
    struct stat info {};
    ASSERT_EQ(::stat(folder.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777, 0700u);
    EXPECT_TRUE(make_private_dir(folder));
    ASSERT_EQ(::chmod(folder.c_str(), 0755), 0);  // may be read: what is in it is not for all
    EXPECT_TRUE(make_private_dir(folder));
    for (mode_t mode : {0720, 0702, 01777}) {
        ASSERT_EQ(::chmod(folder.c_str(), mode), 0);
        EXPECT_EQ(make_private_dir(folder).error().code, Code::forbidden) << mode;
    }
    MUST(write_file(file("c"), {}, Overwrite::no));
    EXPECT_EQ(make_private_dir(file("c")).error().code, Code::conflict);
    if (::geteuid() == 0) {
        ASSERT_EQ(::chmod(folder.c_str(), 0700), 0);
        ASSERT_EQ(::chown(folder.c_str(), 1, 1), 0);
    }
    Path foreign = ::geteuid() == 0 ? folder : Path("/");
    EXPECT_EQ(make_private_dir(foreign).error().code, Code::forbidden);
}

TEST_F(FileTest, AFullDiskIsAnErrorAndLeavesNothing) {
    if (::access("/dev/full", W_OK) != 0) return;  // containers without it
    int fd = ::open("/dev/full", O_WRONLY);
    ASSERT_GE(fd, 0);
    OutputFile output = MUST(OutputFile::create(file("a"), Overwrite::no));
    ASSERT_GE(::dup2(fd, output.fd()), 0);
    EXPECT_EQ(output.write(as_bytes("x")).error().code, Code::io);
    ::close(fd);
}

}  // namespace
}  // namespace vouchsafe
