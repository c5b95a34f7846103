// A PKCS#11 module: the shared library of an HSM's maker, loaded at run time. Private to
// vault/hsm/.
#pragma once

#include <p11-kit/pkcs11.h>

#include <memory>

#include "vouchsafe/base/file.h"

namespace vouchsafe::vault {

// Pkcs11Module is a use of a module. A module is initialized with its first use in this process and
// finalized with the last; the library stays loaded, as many do not survive being unloaded.
class Pkcs11Module {
  public:
    // use runs the library's own code in this process: `path` is an administrator's, and absolute
    // (Code::invalid), so that no search path decides. Code::not_found without the file,
    // Code::unsupported if it is no PKCS#11 v2 module for several threads, Code::unavailable if it
    // does not start.
    static Result<std::unique_ptr<Pkcs11Module>> use(const Path& path);
    ~Pkcs11Module();
    Pkcs11Module(const Pkcs11Module&) = delete;
    Pkcs11Module& operator=(const Pkcs11Module&) = delete;

    const CK_FUNCTION_LIST& api() const { return *api_; }

  private:
    Pkcs11Module(std::string path, const CK_FUNCTION_LIST* api)
        : path_(std::move(path)), api_(api) {}
    const std::string path_;
    const CK_FUNCTION_LIST* const api_;
};

}  // namespace vouchsafe::vault
