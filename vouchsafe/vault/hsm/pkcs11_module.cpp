#include "vouchsafe/vault/hsm/pkcs11_module.h"

#include <dlfcn.h>

#include <map>
#include <mutex>

#include "vouchsafe/vault/hsm/pkcs11_error.h"

namespace vouchsafe::vault {

namespace {

struct LoadedModule {
    const CK_FUNCTION_LIST* api = nullptr;
    size_t uses = 0;
    bool initialized_here = false;
};

// What is loaded outlives every static object: modules have such objects too.
struct LoadedModules {
    std::mutex mutex;
    std::map<std::string, LoadedModule> by_path;
};
LoadedModules& loaded_modules() {
    static LoadedModules& all = *new LoadedModules;
    return all;
}

Result<const CK_FUNCTION_LIST*> load_function_list(const Path& path) {
    void* library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == nullptr) {
        const char* reason = ::dlerror();
        return fail(Code::unsupported, "{} is no library that can be loaded: {}", path.string(),
                    reason != nullptr ? reason : "unknown");
    }
    auto get_list = reinterpret_cast<CK_C_GetFunctionList>(::dlsym(library, "C_GetFunctionList"));
    CK_FUNCTION_LIST* list = nullptr;
    if (get_list == nullptr || get_list(&list) != CKR_OK || list == nullptr) {
        ::dlclose(library);
        return fail(Code::unsupported,
                    "{} is no PKCS#11 module: it has no C_GetFunctionList. Name the library that "
                    "the HSM's maker delivers for PKCS#11",
                    path.string());
    }
    if (list->version.major != 2) {
        return fail(Code::unsupported, "{} speaks PKCS#11 {}.{}, and we speak 2.40", path.string(),
                    list->version.major, list->version.minor);
    }
    return list;
}

}  // namespace

Result<std::unique_ptr<Pkcs11Module>> Pkcs11Module::use(const Path& path) {
    if (!path.is_absolute()) {
        return fail(Code::invalid, "the path of a PKCS#11 module is absolute, and '{}' is not",
                    path.string());
    }
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) {
        return fail(Code::not_found, "there is no PKCS#11 module at {}", path.string());
    }
    LoadedModules& all = loaded_modules();
    std::lock_guard lock(all.mutex);
    LoadedModule& module = all.by_path[path.string()];
    if (module.api == nullptr) module.api = TRY(load_function_list(path));
    if (module.uses == 0) {
        CK_C_INITIALIZE_ARGS arguments{};
        arguments.flags = CKF_OS_LOCKING_OK;
        const CK_RV rv = module.api->C_Initialize(&arguments);
        // Whoever else in this process began also ends.
        module.initialized_here = rv == CKR_OK;
        if (rv != CKR_OK && rv != CKR_CRYPTOKI_ALREADY_INITIALIZED) {
            return fail_pkcs11(rv, fmt::format("starting {}", path.string()));
        }
    }
    ++module.uses;
    return std::unique_ptr<Pkcs11Module>(new Pkcs11Module(path.string(), module.api));
}

Pkcs11Module::~Pkcs11Module() {
    LoadedModules& all = loaded_modules();
    std::lock_guard lock(all.mutex);
    LoadedModule& module = all.by_path[path_];
    if (--module.uses == 0 && module.initialized_here) api_->C_Finalize(nullptr);
}

}  // namespace vouchsafe::vault
