#include "vouchsafe/lab/heavy_kernel.h"

#include <unistd.h>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kMetaPackage = "linux-image-cloud-amd64";
constexpr std::string_view kFlavour = "-cloud-amd64";
constexpr std::string_view kImagePrefix = "vmlinuz-";
constexpr size_t kMaxKernel = 256 << 20;
constexpr auto kFetchTimeout = std::chrono::minutes(10);
// What the guest needs of a kernel that has TPM, securityfs and the serial line built in.
constexpr const char* kModules[] = {"virtio_pci",  "virtio_net", "efivarfs",
                                    "qemu_fw_cfg", "button",     "evdev"};

// KernelPlace is where a kernel's files are.
struct KernelPlace {
    std::string version;
    Path image;
    Path modules;
};

std::optional<KernelPlace> newest_under(const Path& root) {
    std::optional<KernelPlace> best;
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(root / "boot", error)) {
        const std::string name = entry.path().filename().string();
        if (!name.starts_with(kImagePrefix) || !name.ends_with(kFlavour)) continue;
        KernelPlace place{name.substr(kImagePrefix.size()), entry.path(), {}};
        place.modules = root / "lib" / "modules" / place.version / "kernel";
        if (!std::filesystem::is_directory(place.modules, error)) continue;
        const bool newer = !best || std::filesystem::last_write_time(place.image, error) >
                                        std::filesystem::last_write_time(best->image, error);
        if (newer) best = std::move(place);
    }
    return best;
}

Result<std::string> ask_apt(std::vector<std::string> argv, const Path& folder) {
    Command command;
    command.argv = std::move(argv);
    command.directory = folder;
    auto ended = run(std::move(command), kFetchTimeout);
    if (ended && ended->ok()) return ended->out;
    return fail(Code::unavailable,
                "cannot get Debian's kernel package {} (is there a network? apt-get update): {}",
                kMetaPackage, ended ? ended->err : ended.error().message);
}

// current_package is the package behind the meta package's name.
Result<std::string> current_package(const Path& folder) {
    constexpr std::string_view kDepends = "Depends: ";
    std::string text = TRY(ask_apt({"apt-cache", "depends", std::string(kMetaPackage)}, folder));
    const size_t at = text.find(std::string(kDepends) + "linux-image-");
    if (at == std::string::npos) {
        return fail(Code::unavailable,
                    "this computer's package lists know no {}: is it Debian? apt-get update",
                    kMetaPackage);
    }
    const size_t begin = at + kDepends.size();
    return text.substr(begin, text.find('\n', begin) - begin);
}

// fetch_into has apt-get download the package, which checks it, and unpacks it.
Result<void> fetch_into(const Path& root, const std::function<void(std::string_view)>& progress) {
    const TemporaryDir folder = TRY(TemporaryDir::create("vouchsafe-kernel"));
    const std::string package = TRY(current_package(folder.path()));
    progress(fmt::format("fetching {} (about 27 MB)", package));
    TRY(ask_apt({"apt-get", "download", "-q", package}, folder.path()));
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
        TRY(ask_apt({"dpkg-deb", "-x", entry.path().string(), root.string()}, folder.path()));
    }
    if (newest_under(root)) return {};
    return fail(Code::unavailable, "the package {} has no kernel of the kind {}", package,
                kFlavour);
}

// fetch replaces what is in `root`.
Result<void> fetch(const Path& root, const std::function<void(std::string_view)>& progress) {
    const Path beside = root.string() + fmt::format(".{}", ::getpid());
    TRY(make_private_dir(beside));
    auto fetched = fetch_into(beside, progress);
    std::error_code error;
    if (fetched) {
        std::filesystem::remove_all(root, error);
        std::filesystem::rename(beside, root, error);
    }
    std::filesystem::remove_all(beside, error);
    return fetched;
}

Result<KernelPlace> find_place(const Path& cache, bool refresh,
                               const std::function<void(std::string_view)>& progress) {
    if (auto own = newest_under("/"); own && !refresh) return *own;
    const Path root = cache / "kernel";
    auto kept = newest_under(root);
    if (!kept || refresh) {
        TRY(make_private_dir(cache));
        TRY(fetch(root, progress));
        kept = newest_under(root);
    }
    if (!kept) return fail(Code::unavailable, "there is no kernel in {}", root.string());
    return *kept;
}

// Modules loads modules after those that they need. Names are the kernel's: '_' is '-'.
class Modules {
  public:
    explicit Modules(const Path& folder) {
        std::error_code error;
        for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, error)) {
            std::string name = entry.path().filename().string();
            const size_t end = name.find(".ko");
            if (end == std::string::npos) continue;
            compressed_ = compressed_ || name.size() != end + 3;
            paths_[plain(name.substr(0, end))] = entry.path();
        }
    }

    Result<void> add(const std::string& name) {
        if (!done_.insert(plain(name)).second) return {};
        if (compressed_) {
            return fail(Code::unsupported, "this kernel's modules are compressed");
        }
        auto path = paths_.find(plain(name));
        if (path == paths_.end()) return {};  // built into the kernel
        Bytes content = TRY(read_file(path->second));
        for (const std::string& needed : TRY(module_needs(content))) TRY(add(needed));
        out_.push_back({path->second.filename().string(), std::move(content)});
        return {};
    }
    std::vector<HeavyModule> take() { return std::move(out_); }

  private:
    static std::string plain(std::string name) {
        std::replace(name.begin(), name.end(), '-', '_');
        return name;
    }
    std::map<std::string, Path> paths_;
    std::set<std::string> done_;
    std::vector<HeavyModule> out_;
    bool compressed_ = false;
};

}  // namespace

Result<std::vector<std::string>> module_needs(ByteView module) {
    constexpr std::string_view kDepends("\0depends=", 9);
    std::string_view text = as_text(module);
    const size_t at = text.find(kDepends);
    if (!text.starts_with("\x7F"
                          "ELF") ||
        at == std::string_view::npos) {
        return fail(Code::invalid, "this is no kernel module");
    }
    std::vector<std::string> out;
    std::string_view list = text.substr(at + kDepends.size());
    list = list.substr(0, list.find('\0'));
    while (!list.empty()) {
        const size_t comma = std::min(list.find(','), list.size());
        if (comma > 0) out.emplace_back(list.substr(0, comma));
        list.remove_prefix(std::min(comma + 1, list.size()));
    }
    return out;
}

Result<HeavyKernel> find_heavy_kernel(const Path& cache, bool refresh,
                                      const std::function<void(std::string_view)>& progress) {
    const KernelPlace place = TRY(find_place(cache, refresh, progress));
    HeavyKernel out;
    out.version = place.version;
    out.image = TRY(read_file(place.image, kMaxKernel));
    Modules modules(place.modules);
    for (const char* name : kModules) TRY(modules.add(name));
    out.modules = modules.take();
    return out;
}

}  // namespace vouchsafe::lab
