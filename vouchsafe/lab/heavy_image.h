// The image that heavy machines boot: one disk with a signed unified kernel image, made without any
// privilege from this computer's Debian packages. The kernel is Debian's for clouds; inside are
// busybox, an ssh server, and this program with its libraries, so that the guest attests with the
// same program as the host.
//
// It is signed with the test key of the package ovmf, whose private half everybody has: a heavy
// machine shows how Secure Boot works, and protects nothing. Images are kept in a cache under the
// digest of everything that went in.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

struct HeavyImageSpec {
    Path cache;              // default_cache_path()
    Path program;            // this program, as the guest will have it
    std::string more_words;  // at the end of the kernel's command line
    // Who signs it, PEM files; both empty: the key that machines with Secure Boot trust.
    Path signing_key;
    Path signing_certificate;
    bool refresh_kernel = false;  // ask for Debian's newest kernel, also if the cache has one
    std::function<void(std::string_view)> progress = [](std::string_view) {};
};

struct HeavyImage {
    Path file;
    std::string digest;  // of what went in, hexadecimal
    std::string kernel;  // its version
    bool made = false;   // now, and not taken from the cache
};

// default_cache_path is $XDG_CACHE_HOME/vouchsafe or ~/.cache/vouchsafe.
Path default_cache_path();

// missing_heavy_packages are the Debian packages without which no heavy machine is built and run.
std::vector<std::string> missing_heavy_packages();

// build_heavy_image gives the image of `spec` from the cache, or makes it. It installs nothing; the
// kernel is fetched with apt-get into the cache unless this computer boots it itself.
// Code::unavailable if packages are missing (their names are in the message) or the kernel cannot
// be fetched, Code::unsupported on another processor than x86-64.
Result<HeavyImage> build_heavy_image(const HeavyImageSpec& spec);

}  // namespace vouchsafe::lab
