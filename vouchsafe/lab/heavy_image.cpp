#include "vouchsafe/lab/heavy_image.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/lab/heavy_disk.h"
#include "vouchsafe/lab/heavy_guest.h"
#include "vouchsafe/lab/heavy_kernel.h"
#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

namespace {

constexpr auto kToolTimeout = std::chrono::minutes(5);
constexpr size_t kMaxInput = 1 << 30;
constexpr size_t kKeptImages = 4;
constexpr std::string_view kFormat = "vouchsafe heavy image 1";
constexpr std::string_view kOsRelease = "ID=vouchsafe-guest\nVERSION_ID=1\n";
constexpr const char* kStub = "/usr/lib/systemd/boot/efi/linuxx64.efi.stub";
constexpr const char* kBusybox = "/bin/busybox";
constexpr const char* kDropbear = "/usr/sbin/dropbear";
constexpr const char* kSftpServer = "/usr/lib/openssh/sftp-server";
constexpr const char* kTcti = "/usr/lib/x86_64-linux-gnu/libtss2-tcti-device.so.0";
constexpr const char* kTestKey = "/usr/share/ovmf/PkKek-1-snakeoil.key";
constexpr const char* kTestCertificate = "/usr/share/ovmf/PkKek-1-snakeoil.pem";
// Not in PATH for everybody.
constexpr const char* kMakeFat = "/usr/sbin/mkfs.vfat";

struct NeededFile {
    const char* path;
    const char* package;
};
constexpr NeededFile kNeeded[] = {{"/usr/bin/qemu-system-x86_64", "qemu-system-x86"},
                                  {kTestKey, "ovmf"},
                                  {"/usr/share/OVMF/OVMF_CODE_4M.secboot.fd", "ovmf"},
                                  {"/usr/bin/swtpm", "swtpm"},
                                  {kStub, "systemd-boot-efi"},
                                  {"/usr/bin/sbsign", "sbsigntool"},
                                  {"/usr/bin/mcopy", "mtools"},
                                  {kMakeFat, "dosfstools"},
                                  {kBusybox, "busybox-static"},
                                  {kDropbear, "dropbear-bin"},
                                  {kSftpServer, "openssh-sftp-server"},
                                  {kTcti, "libtss2-tcti-device0"},
                                  {"/usr/bin/ssh", "openssh-client"},
                                  {"/usr/bin/openssl", "openssl"},
                                  {"/usr/bin/zstd", "zstd"}};

Result<void> check_packages() {
#if !defined(__x86_64__)
    return fail(Code::unsupported, "heavy machines are built for x86-64 alone");
#endif
    auto missing = missing_heavy_packages();
    if (missing.empty()) return {};
    return fail(Code::unavailable,
                "heavy machines need packages that are not installed: apt-get install {}",
                fmt::join(missing, " "));
}

// run_tool runs a program that is expected to succeed.
Result<std::string> run_tool(std::vector<std::string> argv, Bytes input = {}) {
    const std::string name = argv.front();
    lab::Command command;
    command.argv = std::move(argv);
    command.input = std::move(input);
    Finished end = TRY(run(std::move(command), kToolTimeout));
    if (!end.ok()) return fail(Code::io, "{} failed: {}{}", name, end.err, end.out);
    return end.out;
}

// ---- what goes in -------------------------------------------------------------------------------

// GuestFile is a file of this computer and its place in the guest.
struct GuestFile {
    std::string place;
    Bytes content;
    unsigned mode = 0644;
};

// libraries_of lists what the loader would load for a program, by its own account.
Result<std::vector<std::string>> libraries_of(const Path& program) {
    std::string text = TRY(run_tool({"ldd", program.string()}));
    std::vector<std::string> out;
    size_t begin = 0;
    while (begin < text.size()) {
        size_t end = std::min(text.find('\n', begin), text.size());
        std::string_view line(text.data() + begin, end - begin);
        begin = end + 1;
        if (line.find("not found") != std::string_view::npos) {
            return fail(Code::unavailable, "a library of {} is missing:{}", program.string(), line);
        }
        size_t from = line.find('/');
        if (from == std::string_view::npos) continue;
        size_t to = line.find(" (", from);
        out.emplace_back(line.substr(from, to == std::string_view::npos ? to : to - from));
    }
    return out;
}

Result<void> add_file(std::map<std::string, GuestFile>& files, const Path& source,
                      std::string place, unsigned mode) {
    if (files.contains(place)) return {};
    Bytes content = TRY(read_file(source, kMaxInput));
    files.emplace(place, GuestFile{place, std::move(content), mode});
    return {};
}

Result<void> add_program(std::map<std::string, GuestFile>& files, const Path& source,
                         const std::string& place) {
    TRY(add_file(files, source, place, 0755));
    for (const std::string& library : TRY(libraries_of(source))) {
        const Path path(library);
        const bool loader = path.filename().string().starts_with("ld-linux");
        const std::string folder = loader ? "lib64/" : "usr/lib/x86_64-linux-gnu/";
        TRY(add_file(files, path, folder + path.filename().string(), 0755));
    }
    return {};
}

// Inputs are everything that makes the image what it is.
struct Inputs {
    HeavyKernel kernel;
    std::map<std::string, GuestFile> files;  // by place
    Bytes stub;
    Bytes certificate;
    std::string command_line;
};

Result<Inputs> gather(const HeavyImageSpec& spec) {
    Inputs out;
    out.kernel = TRY(find_heavy_kernel(spec.cache, spec.refresh_kernel, spec.progress));
    // setuid, for its su: it drops the right at once for everything else.
    TRY(add_file(out.files, kBusybox, "bin/busybox", 04755));
    TRY(add_program(out.files, spec.program, "usr/bin/vouchsafe"));
    TRY(add_program(out.files, kDropbear, "usr/sbin/dropbear"));
    TRY(add_program(out.files, kSftpServer, "usr/lib/sftp-server"));
    // The program's TPM library loads it by name.
    TRY(add_program(out.files, kTcti,
                    fmt::format("usr/lib/x86_64-linux-gnu/{}", Path(kTcti).filename().string())));
    out.stub = TRY(read_file(kStub));
    out.certificate = TRY(read_file(spec.signing_certificate.empty() ? Path(kTestCertificate)
                                                                     : spec.signing_certificate));
    out.command_line = "console=ttyS0,115200 loglevel=4 panic=-1";
    if (!spec.more_words.empty()) out.command_line += " " + spec.more_words;
    return out;
}

Bytes file_system(const Inputs& inputs) {
    BootArchive archive;
    std::vector<std::string> modules;
    for (const HeavyModule& module : inputs.kernel.modules) modules.push_back(module.name);
    add_guest_files(archive, modules);
    for (const HeavyModule& module : inputs.kernel.modules) {
        archive.file("lib/modules/" + module.name, module.content);
    }
    for (const auto& [place, file] : inputs.files) archive.file(place, file.content, file.mode);
    archive.link("lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu");
    return archive.finish();
}

// digest_of is over what the firmware will measure, and who signed it.
std::string digest_of(const Inputs& inputs, ByteView files) {
    crypto::Hasher hasher(crypto::HashAlg::sha256);
    for (ByteView part :
         {as_bytes(kFormat), files, ByteView(inputs.kernel.image), ByteView(inputs.stub),
          ByteView(inputs.certificate), as_bytes(inputs.command_line)}) {
        Writer size;
        hasher.update(size.u64_le(part.size()).view());
        hasher.update(part);
    }
    return encode_hex(hasher.finish());
}

// ---- making it ----------------------------------------------------------------------------------

Result<Bytes> compressed(const Path& folder, ByteView files) {
    const Path plain = folder / "files";
    const Path packed = folder / "files.zst";
    TRY(write_file(plain, files, Overwrite::yes, 0600));
    TRY(run_tool({"zstd", "-q", "-9", "-T0", plain.string(), "-o", packed.string()}));
    return read_file(packed, kMaxInput);
}

// plain_key takes the passphrase off the package's test key, which its documentation tells.
Result<Path> plain_key(const Path& folder) {
    Path out = folder / "key.pem";
    TRY(run_tool(
        {"openssl", "pkey", "-in", kTestKey, "-passin", "pass:snakeoil", "-out", out.string()}));
    return out;
}

Result<Bytes> signed_program(const HeavyImageSpec& spec, const Path& folder, ByteView program) {
    const Path bare = folder / "image.efi";
    const Path out = folder / "image.signed.efi";
    TRY(write_file(bare, program, Overwrite::yes, 0600));
    const Path key = spec.signing_key.empty() ? TRY(plain_key(folder)) : spec.signing_key;
    const Path certificate =
        spec.signing_certificate.empty() ? Path(kTestCertificate) : spec.signing_certificate;
    TRY(run_tool({"sbsign", "--key", key.string(), "--cert", certificate.string(), "--output",
                  out.string(), bare.string()}));
    return read_file(out, kMaxInput);
}

// system_partition is a FAT file system with the program where firmware looks for it.
Result<Bytes> system_partition(const Path& folder, ByteView program) {
    constexpr size_t kMiB = 1 << 20;
    constexpr size_t kSpare = 3 * kMiB;  // of the file system itself
    const Path file = folder / "esp.img";
    const Path source = folder / "BOOTX64.EFI";
    TRY(write_file(source, program, Overwrite::yes, 0600));
    const Bytes empty((program.size() + kSpare + kMiB - 1) / kMiB * kMiB);
    TRY(write_file(file, empty, Overwrite::yes, 0600));
    TRY(run_tool({kMakeFat, "-n", "ESP", "-i", "564f5543", file.string()}));
    TRY(run_tool({"mmd", "-i", file.string(), "::/EFI", "::/EFI/BOOT"}));
    TRY(run_tool({"mcopy", "-i", file.string(), source.string(), "::/EFI/BOOT/BOOTX64.EFI"}));
    return read_file(file, kMaxInput);
}

Result<void> make_image(const HeavyImageSpec& spec, const Inputs& inputs, ByteView files,
                        const Path& out) {
    TemporaryDir folder = TRY(TemporaryDir::create("vouchsafe-image"));
    spec.progress("compressing the initial file system");
    Bytes packed = TRY(compressed(folder.path(), files));
    std::vector<ImageSection> sections;
    sections.push_back({".osrel", to_bytes(kOsRelease)});
    sections.push_back({".uname", to_bytes(inputs.kernel.version)});
    sections.push_back({".cmdline", to_bytes(inputs.command_line)});
    sections.push_back({".initrd", std::move(packed)});
    sections.push_back({".linux", inputs.kernel.image});
    Bytes program = TRY(unified_kernel_image(inputs.stub, sections));
    spec.progress("signing and writing the disk");
    program = TRY(signed_program(spec, folder.path(), program));
    const Bytes partition = TRY(system_partition(folder.path(), program));
    return write_file(out, gpt_disk(partition), Overwrite::yes, 0600);
}

// keep_newest removes images that were not used for the longest time.
void keep_newest(const Path& folder) {
    std::error_code error;
    std::vector<std::pair<std::filesystem::file_time_type, Path>> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
        found.emplace_back(entry.last_write_time(error), entry.path());
    }
    std::sort(found.begin(), found.end(), std::greater<>());
    for (size_t i = kKeptImages; i < found.size(); ++i) {
        std::filesystem::remove(found[i].second, error);
    }
}

}  // namespace

Path default_cache_path() {
    const char* cache = std::getenv("XDG_CACHE_HOME");
    if (cache != nullptr && *cache == '/') return Path(cache) / "vouchsafe";
    const char* home = std::getenv("HOME");
    Path base = home != nullptr && *home == '/' ? Path(home) : Path("/tmp");
    return base / ".cache" / "vouchsafe";
}

std::vector<std::string> missing_heavy_packages() {
    std::vector<std::string> out;
    for (const NeededFile& file : kNeeded) {
        const bool there = ::access(file.path, F_OK) == 0;
        if (!there && std::find(out.begin(), out.end(), file.package) == out.end()) {
            out.emplace_back(file.package);
        }
    }
    return out;
}

Result<HeavyImage> build_heavy_image(const HeavyImageSpec& spec) {
    TRY(check_packages());
    if (spec.signing_key.empty() != spec.signing_certificate.empty()) {
        return fail(Code::invalid, "a signing key and its certificate go together");
    }
    const Path folder = spec.cache / "images";
    TRY(make_private_dir(folder));
    const Inputs inputs = TRY(gather(spec));
    const Bytes files = file_system(inputs);
    HeavyImage out;
    out.kernel = inputs.kernel.version;
    out.digest = digest_of(inputs, files);
    out.file = folder / (out.digest.substr(0, 32) + ".img");
    std::error_code error;
    if (std::filesystem::exists(out.file, error)) {
        std::filesystem::last_write_time(out.file, std::filesystem::file_time_type::clock::now(),
                                         error);
        return out;
    }
    TRY(make_image(spec, inputs, files, out.file));
    keep_newest(folder);
    out.made = true;
    return out;
}

}  // namespace vouchsafe::lab
