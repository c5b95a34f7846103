// Private to guest*.cpp: the settings of a machine's inside, written as files of its disk.
#pragma once

#include "vouchsafe/lab/guest.h"

namespace vouchsafe::lab {

// GuestFiles names what write_guest_settings leaves in the folder of a disk.
class GuestFiles {
  public:
    explicit GuestFiles(Path disk) : disk_(std::move(disk)) {}

    Path home() const { return disk_ / "home"; }
    Path etc() const { return disk_ / "etc"; }
    Path hosts() const { return etc() / "hosts"; }
    Path authorities() const { return disk_ / "certs"; }  // a folder
    Path sudo() const { return disk_ / "sudo"; }
    Path ssh() const { return disk_ / "ssh"; }  // a folder: sshd's settings and keys

  private:
    Path disk_;
};

// write_guest_settings fails with Code::invalid for a spec whose names are none.
Result<void> write_guest_settings(const GuestSpec& spec);
// write_hosts rewrites the file in place: it is mounted.
Result<void> write_hosts(const GuestSpec& spec);

}  // namespace vouchsafe::lab
