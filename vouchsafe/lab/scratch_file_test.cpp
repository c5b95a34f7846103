#include "vouchsafe/lab/scratch_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

namespace vouchsafe::lab {
namespace {

struct stat look_at(const Path& path) {
    struct stat out {};
    EXPECT_EQ(::lstat(path.c_str(), &out), 0);
    return out;
}

TEST(ScratchFile, HasTheContentAndModeThatWereAskedFor) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-scratch"));
    const Path file = dir.path() / "f";
    MUST(write_scratch_file(file, "one", 0600));
    EXPECT_EQ(MUST(read_text_file(file)), "one");
    EXPECT_EQ(look_at(file).st_mode & 07777, 0600U);
    const ino_t first = look_at(file).st_ino;
    MUST(write_scratch_file(file, "one", 0600));
    EXPECT_EQ(look_at(file).st_ino, first);  // it was so already
    MUST(write_scratch_file(file, "one", 0644));
    EXPECT_EQ(look_at(file).st_mode & 07777, 0644U);
    MUST(write_scratch_file(file, "two", 0644));
    EXPECT_EQ(MUST(read_text_file(file)), "two");
    MUST(write_scratch_file(file, "", 0644));
    EXPECT_EQ(MUST(read_text_file(file)), "");
}

TEST(ScratchFile, ReplacesALinkAndNotWhatItPointsTo) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-scratch"));
    const Path file = dir.path() / "f";
    const Path other = dir.path() / "other";
    MUST(write_scratch_file(other, "mine", 0600));
    std::filesystem::create_symlink(other, file);
    MUST(write_scratch_file(file, "mine", 0600));
    EXPECT_FALSE(std::filesystem::is_symlink(file));
    MUST(write_scratch_file(file, "new", 0600));
    EXPECT_EQ(MUST(read_text_file(other)), "mine");
}

TEST(ScratchFile, LeavesNothingWhereItCannotWrite) {
    TemporaryDir dir = MUST(TemporaryDir::create("vouchsafe-scratch"));
    EXPECT_EQ(write_scratch_file(dir.path() / "none" / "f", "x", 0600).error().code,
              Code::not_found);
    std::filesystem::create_directory(dir.path() / "folder");
    EXPECT_FALSE(write_scratch_file(dir.path() / "folder", "x", 0600));
    const auto entries = std::filesystem::directory_iterator(dir.path());
    EXPECT_EQ(std::distance(begin(entries), end(entries)), 1);
}

}  // namespace
}  // namespace vouchsafe::lab
