#include "vouchsafe/lab/sandbox_plan.h"

#include <linux/landlock.h>

#include <fmt/format.h>

#include <filesystem>

namespace vouchsafe::lab {

namespace {

namespace fs = std::filesystem;

// Folders that are links on a merged-/usr system and real ones elsewhere.
constexpr const char* kProgramFolders[] = {"/usr",   "/bin",   "/sbin",  "/lib",
                                           "/lib32", "/lib64", "/libx32"};
// What the dynamic linker and links between programs need.
constexpr const char* kProgramSettings[] = {"/etc/alternatives", "/etc/ld.so.cache",
                                            "/etc/ld.so.conf", "/etc/ld.so.conf.d"};
constexpr const char* kEtc[] = {"/etc/ssl/certs",  "/etc/ssl/openssl.cnf", "/etc/passwd",
                                "/etc/group",      "/etc/nsswitch.conf",   "/etc/hosts",
                                "/etc/host.conf",  "/etc/resolv.conf",     "/etc/gai.conf",
                                "/etc/services",   "/etc/protocols",       "/etc/localtime",
                                "/etc/os-release", "/etc/debian_version"};
constexpr const char* kDevices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random",
                                    "/dev/urandom"};
constexpr const char* kCpuFolder = "/sys/devices/system/cpu";

constexpr uint64_t kReadFile = LANDLOCK_ACCESS_FS_READ_FILE;
constexpr uint64_t kReadFolder = kReadFile | LANDLOCK_ACCESS_FS_READ_DIR;
constexpr uint64_t kExecute = LANDLOCK_ACCESS_FS_EXECUTE;
constexpr uint64_t kWriteFile = kReadFile | LANDLOCK_ACCESS_FS_WRITE_FILE | kLandlockTruncate;
constexpr uint64_t kWriteFolder =
    kWriteFile | kReadFolder | LANDLOCK_ACCESS_FS_REMOVE_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |
    LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
    LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REFER;
constexpr uint64_t kDevice = kWriteFile | kLandlockIoctlDev;

bool is_there(const std::string& path) {
    std::error_code ignored;
    return fs::exists(path, ignored);
}

bool is_folder(const std::string& path) {
    std::error_code ignored;
    return fs::is_directory(path, ignored);
}

// The source of a place, while the old root is at kOldRoot. Absolute links would lead astray then.
std::string source_of(const std::string& path) {
    std::error_code error;
    std::string real = fs::canonical(path, error).string();
    return kOldRoot + (error ? path : real);
}

}  // namespace

void PlanMaker::readable(const std::string& path, bool executable) {
    bool folder = is_folder(path);
    allow(path, (folder ? kReadFolder : kReadFile) | (executable ? kExecute : 0));
    place(PlaceKind::bind_read, path, folder);
}

void PlanMaker::writable(const std::string& path) {
    bool folder = is_folder(path);
    allow(path, folder ? kWriteFolder : kWriteFile);
    place(PlaceKind::bind_write, path, folder);
}

void PlanMaker::socket(const std::string& path) {
    place(PlaceKind::bind_write, path, false);
}

void PlanMaker::programs() {
    for (const char* path : kProgramFolders) program_folder(path);
    for (const char* path : kProgramSettings) {
        if (is_there(path)) readable(path, false);
    }
    for (const char* path : kDevices) {
        if (!is_there(path)) continue;
        allow(path, kDevice);
        place(PlaceKind::bind_device, path, false);
    }
    if (is_there(kCpuFolder)) readable(kCpuFolder, false);
    for (const auto& [name, text] :
         {std::pair{"/dev/fd", "/proc/self/fd"}, std::pair{"/dev/stdin", "/proc/self/fd/0"},
          std::pair{"/dev/stdout", "/proc/self/fd/1"},
          std::pair{"/dev/stderr", "/proc/self/fd/2"}}) {
        link(name, text);
    }
}

void PlanMaker::host_settings() {
    for (const char* path : kEtc) {
        if (is_there(path)) readable(path, false);
    }
}

void PlanMaker::own_places(size_t tmp_bytes) {
    if (mounts_) {
        allow("/", LANDLOCK_ACCESS_FS_READ_DIR);  // what is in it is what was given
        make(PlaceKind::proc, "/proc");
        allow("/proc", kReadFolder);
        make(PlaceKind::tmp, "/tmp", fmt::format("mode=1777,size={}", tmp_bytes));
        allow("/tmp", kWriteFolder);
        return;
    }
    for (const char* path :
         {"/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/sys/vm/overcommit_memory"}) {
        allow(path, is_folder(path) ? kReadFolder : kReadFile);
    }
}

void PlanMaker::show(PlaceKind kind, const std::string& source, const std::string& target) {
    parents(target);
    add({kind, source_of(source), target, is_folder(source)});
}

void PlanMaker::make(PlaceKind kind, const std::string& target, std::string options) {
    parents(target);
    const bool folder = kind != PlaceKind::fuse_file;
    made_.insert(target);
    add({kind, std::move(options), target, folder});
}

void PlanMaker::link(const std::string& path, const std::string& text) {
    parents(path);
    add({PlaceKind::symlink, text, path});
}

void PlanMaker::allow(const std::string& path, uint64_t access) {
    plan_.paths.push_back({path, access & plan_.ruleset.handled_fs});
}

void PlanMaker::program_folder(const std::string& path) {
    std::error_code ignored;
    if (!fs::exists(path, ignored)) return;
    if (!fs::is_symlink(path, ignored)) return readable(path, true);
    link(path, fs::read_symlink(path, ignored).string());
}

void PlanMaker::place(PlaceKind kind, const std::string& path, bool folder) {
    parents(path);
    add({kind, source_of(path), path, folder});
}

void PlanMaker::parents(const std::string& path) {
    for (size_t end = path.find('/', 1); end != std::string::npos; end = path.find('/', end + 1)) {
        std::string folder = path.substr(0, end);
        if (made_.insert(folder).second) add({PlaceKind::folder, "", folder});
    }
}

void PlanMaker::add(Place place) {
    if (!mounts_) return;
    place.target = kNewRoot + place.target;
    plan_.places.push_back(std::move(place));
}

}  // namespace vouchsafe::lab
