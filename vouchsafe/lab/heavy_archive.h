// An initial file system for the Linux kernel, as an archive in its own format: cpio, "newc"
// (kernel documentation, "initramfs buffer format"). Nothing of this computer's clock or inode
// numbers gets in: the same files give the same bytes, and so the same measurement.
#pragma once

#include <set>
#include <string>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::lab {

// BootArchive collects entries; the folders above an entry are made (mode 0755, root's). Paths are
// without a leading slash. Not thread-safe.
class BootArchive {
  public:
    // folder is for those with another mode or owner. `owner` is user and group.
    void folder(const std::string& path, unsigned mode = 0755, unsigned owner = 0);
    void file(const std::string& path, ByteView content, unsigned mode = 0644, unsigned owner = 0);
    void link(const std::string& path, std::string_view target);
    // finish closes the archive and gives it away.
    Bytes finish();

  private:
    void add(const std::string& path, unsigned mode, unsigned owner, ByteView content);
    void parents(const std::string& path);

    Bytes out_;
    std::set<std::string> folders_;
    unsigned next_ = 1;  // inode number
};

}  // namespace vouchsafe::lab
