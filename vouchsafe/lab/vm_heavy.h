// The inside of a machine that QEMU boots (heavy_machine.h), connected: the lab's hosts and the
// machine's own metadata service are entrances of the front door at two Unix sockets of its folder,
// to which its relays lead. Nobody but the owner of the lab can connect to these, so whoever comes
// in there is the machine.
//
// It boots in a thread of its own: making one returns at once.
#pragma once

#include "vouchsafe/lab/heavy_image.h"
#include "vouchsafe/lab/vm_inside.h"

namespace vouchsafe::lab {

// SharedImage is what all of them boot. It is made when the first one wants it, or an image of
// other programs is wanted by now: by one thread for all who wait. Thread-safe.
class SharedImage {
  public:
    explicit SharedImage(Path cache);
    ~SharedImage();
    SharedImage(const SharedImage&) = delete;

    // take waits for it. Errors are those of build_heavy_image; Code::unavailable as soon as
    // `cancelled` says so, and the image is made for others all the same.
    Result<Path> take(const std::function<bool()>& cancelled);

  private:
    struct Impl;
    const std::unique_ptr<Impl> impl_;
};

// make_heavy_inside makes one that begins to boot. Code::unsupported if packages are missing, with
// the command that installs them; Code::invalid for what would be something else inside.
Result<std::unique_ptr<VmInside>> make_heavy_inside(const InsideWorld& world,
                                                    std::shared_ptr<SharedImage> image,
                                                    InsideSpec spec);

}  // namespace vouchsafe::lab
