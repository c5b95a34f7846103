// The Linux kernel of heavy machines: Debian's for clouds, with the modules that a virtual machine
// of QEMU needs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

struct HeavyModule {
    std::string name;  // "virtio_net.ko"
    Bytes content;
};

struct HeavyKernel {
    std::string version;  // "6.1.0-56-cloud-amd64"
    Bytes image;
    std::vector<HeavyModule> modules;  // in the order of their loading
};

// find_heavy_kernel takes the kernel from /boot, from the package that `cache` has unpacked, or has
// apt-get download the package and unpacks it there; `refresh` asks apt-get even if one is there.
// Code::unavailable if apt-get cannot get it, Code::unsupported if its modules are compressed.
Result<HeavyKernel> find_heavy_kernel(const Path& cache, bool refresh,
                                      const std::function<void(std::string_view)>& progress);

// module_needs reads what a module says it needs, from its section .modinfo ("depends=a,b").
Result<std::vector<std::string>> module_needs(ByteView module);

}  // namespace vouchsafe::lab
