#include "vouchsafe/lab/guest_settings.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/lab/scratch_file.h"

namespace vouchsafe::lab {

namespace {

constexpr std::string_view kLightPasswd =
    "root:x:0:0:root:/root:/bin/bash\n"
    "{0}:x:1000:1000:{0}:/home/{0}:/bin/bash\n"
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
constexpr std::string_view kLightGroup =
    "root:x:0:\n"
    "{0}:x:1000:\n"
    "nogroup:x:65534:\n";
constexpr std::string_view kLightNsswitch =
    "passwd: files\ngroup: files\nshadow: files\nhosts: files\nservices: files\n"
    "protocols: files\n";
constexpr std::string_view kLightResolv =
    "# There is no name server: what this machine finds is in /etc/hosts.\n";
constexpr std::string_view kLightProfile = R"({}
PS1='\u@\h:\w\$ '
)";
constexpr std::string_view kLightMotd =
    "This machine is a software stand-in. It shows the protocols of a confidential VM; it "
    "protects\n"
    "nothing from the owner of this computer.\n";

// There is one user, whose rights over the machine are those of its owner. sudo gives a command
// root's name, by a user namespace, and keeps the environment.
constexpr std::string_view kLightSudo = R"(#!/bin/sh
user=root
while [ $# -gt 0 ]; do
    case $1 in
        --) shift; break ;;
        --preserve-env*|--non-interactive|--set-home|--stdin) shift ;;
        -u|--user) user=$2; shift 2 ;;
        -g|--group) shift 2 ;;
        -i|-s|--login|--shell) shift; [ $# -gt 0 ] || set -- /bin/bash ;;
        -k|-K|-v|-l) exit 0 ;;
        -*[!EHnSPAb]*[!-]*|-[!EHnSPAb]*)
            echo "sudo: this machine's sudo has no option $1" >&2; exit 1 ;;
        -*) shift ;;
        *=*) export "${1?}"; shift ;;
        *) break ;;
    esac
done
if [ $# -eq 0 ]; then
    echo "usage: sudo [-E] [-u USER] COMMAND [ARGUMENT ...]" >&2
    exit 1
fi
if [ "$user" != root ]; then exec "$@"; fi
exec unshare --map-root-user -- "$@"
)";

constexpr std::string_view kLightSshd = R"(HostKey /etc/ssh/ssh_host_ed25519_key
AuthorizedKeysFile /etc/ssh/authorized_keys .ssh/authorized_keys
AuthenticationMethods publickey
UsePAM no
PidFile none
PrintLastLog no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
SetEnv {}
)";

bool is_user_name(std::string_view name) {
    constexpr size_t kMaxName = 32;
    if (name.empty() || name.size() > kMaxName || name[0] < 'a' || name[0] > 'z') return false;
    if (name == "root" || name == "nobody") return false;
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
    });
}

bool is_host_name(std::string_view name, size_t most) {
    if (name.empty() || name.size() > most || name.front() == '-' || name.front() == '.') {
        return false;
    }
    return std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '-' || c == '.';
    });
}

// A key is one line: more would be keys that nobody gave.
Result<std::string> key_lines(const std::vector<std::string>& keys) {
    std::string out;
    for (const std::string& key : keys) {
        const std::string line = key.substr(0, key.find_last_not_of(" \r\n\t") + 1);
        bool one_line = std::all_of(line.begin(), line.end(), [](char c) { return c >= ' '; });
        if (!one_line) return fail(Code::invalid, "an SSH key is one line");
        out += line + "\n";
    }
    return out;
}

Result<void> check(const GuestSpec& spec) {
    constexpr size_t kMaxLabel = 64;
    constexpr size_t kMaxName = 253;
    if (!is_host_name(spec.host_name, kMaxLabel)) {
        return fail(Code::invalid, "\"{}\" is no host name", spec.host_name);
    }
    if (!is_user_name(spec.user)) {
        return fail(Code::invalid,
                    "\"{}\" is no user name (lower-case letters, digits, '-', '_'; not root)",
                    spec.user);
    }
    for (const std::string& name : spec.names) {
        if (!is_host_name(name, kMaxName)) return fail(Code::invalid, "a name of a host is none");
    }
    return {};
}

std::string hosts_text(const GuestSpec& spec) {
    std::string out = fmt::format("127.0.0.1 localhost\n127.0.1.1 {}\n", spec.host_name);
    for (const std::string& name : spec.names) out += fmt::format("127.0.0.1 {}\n", name);
    return out;
}

// sshd wants the keys of a host; without ssh-keygen here there is no sshd either. Where it does not
// work (it wants a user whom the computer knows by name) the machine is there all the same.
void make_host_key(const GuestSpec& spec, const Path& file) {
    std::error_code error;
    if (std::filesystem::exists(file, error)) return;
    // Whole or not at all: half a key would stay for good.
    const Path fresh = file.string() + ".new";
    const auto public_part = [](const Path& key) { return Path(key.string() + ".pub"); };
    std::filesystem::remove(fresh, error);
    Command command;
    command.argv = {"ssh-keygen", "-q", "-t",           "ed25519", "-N",
                    "",           "-C", spec.host_name, "-f",      fresh.string()};
    const auto made = run(std::move(command), std::chrono::seconds(10));
    if (!made && made.error().code == Code::unavailable) return;
    if (made && made->ok()) {
        std::filesystem::rename(public_part(fresh), public_part(file), error);
        if (!error) std::filesystem::rename(fresh, file, error);
        if (!error) return;
    }
    const std::string why = error ? error.message() : made ? made->err : made.error().message;
    log_event(LogLevel::warn, "a machine cannot be reached by ssh: it has no host key",
              {{"machine", spec.host_name}, {"error", why}});
}

// Who may do what in the home is its user's business; nobody else gets through the folder it is in.
Result<void> make_home(const Path& home) {
    if (::mkdir(home.c_str(), 0700) == 0 || errno == EEXIST) return {};
    return fail_errno("cannot create the folder", home);
}

// The tutorials call these programs by their place in the home.
void link_program(const Path& link, const std::string& name) {
    std::error_code there;
    std::filesystem::create_symlink("/opt/vouchsafe/bin/" + name, link, there);
}

}  // namespace

std::vector<std::string> guest_environment(const std::string& user) {
    // Programs differ in where they look for authorities.
    const std::string authorities = "/etc/ssl/certs/ca-certificates.crt";
    return {"PATH=/opt/vouchsafe/bin:/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin",
            "HOME=/home/" + user,
            "USER=" + user,
            "LOGNAME=" + user,
            "SHELL=/bin/bash",
            "LANG=C.UTF-8",
            "OMP_WAIT_POLICY=passive",
            "SSL_CERT_FILE=" + authorities,
            "REQUESTS_CA_BUNDLE=" + authorities,
            "NODE_EXTRA_CA_CERTS=" + authorities};
}

Result<void> write_hosts(const GuestSpec& spec) {
    TRY(check(spec));
    const Path file = GuestFiles(spec.folder).hosts();
    UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
    if (!fd) return fail_errno("open", file);
    const std::string text = hosts_text(spec);
    const ssize_t size = static_cast<ssize_t>(text.size());
    if (::pwrite(fd.get(), text.data(), text.size(), 0) != size ||
        ::ftruncate(fd.get(), size) != 0) {
        return fail_errno("write", file);
    }
    return {};
}

Result<void> write_guest_settings(const GuestSpec& spec) {
    TRY(check(spec));
    const GuestFiles files(spec.folder);
    for (const Path& folder : {spec.folder, files.etc(), files.authorities(), files.ssh()}) {
        TRY(make_private_dir(folder));
    }
    TRY(make_home(files.home()));
    TRY(write_hosts(spec));
    std::vector<std::string> environment = guest_environment(spec.user);
    std::string exports;
    for (const std::string& variable : environment) exports += "export " + variable + "\n";
    struct Text {
        Path path;
        std::string text;
        int mode;
    };
    const std::string profile = fmt::format(kLightProfile, exports);
    const std::string keys = TRY(key_lines(spec.authorized_keys));
    const Text texts[] = {
        {files.etc() / "passwd", fmt::format(kLightPasswd, spec.user), 0644},
        {files.etc() / "group", fmt::format(kLightGroup, spec.user), 0644},
        {files.etc() / "hostname", spec.host_name + "\n", 0644},
        {files.etc() / "nsswitch.conf", std::string(kLightNsswitch), 0644},
        {files.etc() / "resolv.conf", std::string(kLightResolv), 0644},
        {files.etc() / "profile", profile, 0644},
        {files.etc() / "bash.bashrc", profile, 0644},
        {files.etc() / "motd", std::string(kLightMotd), 0644},
        {files.authorities() / "ca-certificates.crt", spec.ca_pem, 0644},
        {files.sudo(), std::string(kLightSudo), 0755},
        {files.ssh() / "sshd_config", fmt::format(kLightSshd, fmt::join(environment, " ")), 0644},
        {files.ssh() / "authorized_keys", keys, 0600},
    };
    for (const Text& one : texts) {
        TRY(write_scratch_file(one.path, one.text, one.mode));
    }
    for (const char* name : kGuestPrograms) link_program(files.home() / name, name);
    make_host_key(spec, files.ssh() / "ssh_host_ed25519_key");
    return {};
}

}  // namespace vouchsafe::lab
