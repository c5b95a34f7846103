#include "vouchsafe/lab/heavy_files.h"

#include <arpa/inet.h>

#include <algorithm>
#include <climits>

#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/heavy_guest.h"
#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

namespace {

constexpr int kHeavyStateFormat = 1;
constexpr const char* kVariablesWithKeys = "/usr/share/OVMF/OVMF_VARS_4M.snakeoil.fd";
constexpr const char* kVariablesEmpty = "/usr/share/OVMF/OVMF_VARS_4M.fd";
constexpr auto kKeyTimeout = std::chrono::seconds(30);
// Users and groups of the guest, as passwd(5) and group(5) have them.
constexpr std::string_view kUsers =
    "root::0:0:root:/root:/bin/sh\n{0}:x:{1}:{1}:{0}:/home/{0}:/bin/sh\n";
constexpr std::string_view kGroups = "root:x:0:\ntty:x:5:\n{0}:x:{1}:\n";

bool is_there(const Path& path) {
    std::error_code error;
    return std::filesystem::exists(path, error);
}

bool is_host_name(std::string_view name) {
    constexpr size_t kMaxHostName = 253;
    return !name.empty() && name.size() <= kMaxHostName &&
           std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.';
           });
}

bool is_address(const std::string& text) {
    in_addr address{};
    return ::inet_pton(AF_INET, text.c_str(), &address) == 1;
}

// is_user is what may stand in /etc/passwd and in a path. root is there already.
bool is_user(std::string_view name) {
    constexpr size_t kMaxUser = 32;
    return !name.empty() && name.size() <= kMaxUser && name != "root" && name.front() != '-' &&
           name.front() != '.' && std::all_of(name.begin(), name.end(), [](char c) {
               return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '_' || c == '.';
           });
}

bool is_one_line(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
        return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F;
    });
}

// OVMF changes its store, so a machine has its own.
Result<void> make_variables(const Path& file, bool secure_boot) {
    if (is_there(file)) return {};
    const Bytes store = TRY(read_file(secure_boot ? kVariablesWithKeys : kVariablesEmpty));
    return write_file(file, store, Overwrite::no, 0600);
}

Result<std::string> make_key(std::vector<std::string> argv) {
    const std::string program = argv.front();
    Command command;
    command.argv = std::move(argv);
    Finished end = TRY(run(std::move(command), kKeyTimeout));
    if (!end.ok()) return fail(Code::io, "{} failed: {}", program, end.err);
    return end.out;
}

// make_keys makes a key pair to sign in with and the guest's own, and notes that as known.
Result<void> make_keys(const HeavyFiles& files, std::string_view machine) {
    if (!is_there(files.sign_in_key())) {
        TRY(make_key({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "vouchsafe", "-f",
                      files.sign_in_key().string()}));
    }
    if (is_there(files.known_hosts())) return {};
    std::error_code error;
    std::filesystem::remove(files.host_key(), error);
    const std::string said =
        TRY(make_key({"dropbearkey", "-t", "ed25519", "-f", files.host_key().string()}));
    const size_t begin = said.find("\nssh-ed25519 ");
    if (begin == std::string::npos) return fail(Code::io, "dropbearkey says no public key");
    const std::string line = said.substr(begin + 1, said.find('\n', begin + 1) - begin - 1);
    return write_file(files.known_hosts(),
                      as_bytes(fmt::format("vouchsafe-{} {}\n", machine, line)), Overwrite::yes,
                      0600);
}

// write_settings is what the guest is told: HeavySpec's part that is not in the image.
Result<void> write_settings(const HeavySpec& spec, std::string_view machine,
                            const HeavyFiles& files) {
    std::string addresses = fmt::format("{}/16", kGuestAddress);
    for (const std::string& address : spec.addresses) addresses += " " + address + "/32";
    std::string keys = TRY(read_text_file(files.sign_in_key().string() + ".pub"));
    for (const std::string& key : spec.authorized_keys) keys += key + "\n";
    BootArchive archive;
    archive.file(std::string(kGuestSettings),
                 as_bytes(fmt::format("HOST_NAME={}\nUSER_NAME={}\nADDRESSES=\"{}\"\n", machine,
                                      spec.user, addresses)));
    archive.file(std::string(kGuestUsers), as_bytes(fmt::format(kUsers, spec.user, kHeavyUserId)));
    archive.file(std::string(kGuestGroups),
                 as_bytes(fmt::format(kGroups, spec.user, kHeavyUserId)));
    archive.file(std::string(kGuestHosts), as_bytes(hosts_file(spec, machine)));
    archive.file(std::string(kGuestAuthorities), as_bytes(spec.ca_pem));
    archive.file(std::string(kGuestHostKey), TRY(read_file(files.host_key())), 0600);
    const std::string home = "home/" + spec.user;
    archive.folder(home, 0750, kHeavyUserId);
    archive.folder(home + "/.ssh", 0700, kHeavyUserId);
    archive.file(home + "/.ssh/authorized_keys", as_bytes(keys), 0600, kHeavyUserId);
    return write_file(files.settings(), archive.finish(), Overwrite::yes, 0600);
}

// A path between quotes, as ssh_config(5) has it: '%' begins something else.
Result<std::string> quoted_for_ssh(const Path& path) {
    std::string out = "\"";
    for (char c : path.string()) {
        if (c == '"' || c == '\n') {
            return fail(Code::invalid, "ssh cannot be told of the path {}", path.string());
        }
        out += c;
        if (c == '%') out += c;
    }
    return out + "\"";
}

Json process_to(const ProcessMark& process) {
    return {{"pid", process.pid}, {"started_ticks", process.start}, {"boot", process.boot}};
}

Result<ProcessMark> process_from(const Json& json) {
    const int64_t pid = TRY(json_integer(json, "pid"));
    if (pid < 1 || pid > INT_MAX) return fail(Code::invalid, "its process is none");
    ProcessMark out;
    out.pid = static_cast<int>(pid);
    out.start = static_cast<uint64_t>(TRY(json_integer(json, "started_ticks")));
    out.boot = TRY(json_string(json, "boot"));
    return out;
}

Result<HeavyState> state_from(const Json& json) {
    if (TRY(json_integer(json, "format")) != kHeavyStateFormat) {
        return fail(Code::unsupported, "it was written by another version of this program");
    }
    const int64_t port = TRY(json_integer(json, "ssh_port"));
    if (port < 1 || port > UINT16_MAX) return fail(Code::invalid, "its port is none");
    HeavyState out;
    out.process = TRY(process_from(*TRY(json_object(json, "qemu"))));
    out.owner = TRY(process_from(*TRY(json_object(json, "owner"))));
    out.ssh_port = static_cast<uint16_t>(port);
    out.console = TRY(json_string(json, "console"));
    out.control = TRY(json_string(json, "control"));
    return out;
}

}  // namespace

std::string service_address(size_t index) {
    return fmt::format("169.254.1.{}", index + 1);
}

Path heavy_folder(const Path& machine) {
    return machine / "heavy";
}
Path heavy_ssh_config(const Path& machine) {
    return HeavyFiles{heavy_folder(machine), {}}.ssh_config();
}
Path heavy_console_log(const Path& machine) {
    return HeavyFiles{heavy_folder(machine), {}}.console_log();
}

std::string hosts_file(const HeavySpec& spec, std::string_view machine) {
    std::string out = fmt::format("127.0.0.1 localhost {}\n", machine);
    for (size_t i = 0; i < spec.services.size(); ++i) {
        // A line has room for few names in some readers.
        for (const std::string& name : spec.services[i].names) {
            out += fmt::format("{} {}\n", service_address(i), name);
        }
    }
    return out;
}

Result<std::string> read_heavy_host_key(const Path& machine) {
    const Path file = HeavyFiles{heavy_folder(machine), {}}.known_hosts();
    const std::string text = TRY(read_text_file(file));
    const size_t name_end = text.find(' ');
    if (name_end == std::string::npos) return fail(Code::io, "{} has no key", file.string());
    return text.substr(name_end + 1, text.find('\n') - name_end - 1);
}

Result<std::vector<std::string>> heavy_ssh(const Path& machine) {
    const Machine made = TRY(Machine::open(machine));
    return std::vector<std::string>{"ssh", "-F", heavy_ssh_config(machine).string(),
                                    made.identity().spec.name};
}

Result<void> check_heavy_spec(const HeavySpec& spec) {
    if (!is_user(spec.user)) return fail(Code::invalid, "\"{}\" is no user's name", spec.user);
    for (const std::string& key : spec.authorized_keys) {
        if (!is_one_line(key)) return fail(Code::invalid, "an authorized key is not one line");
    }
    for (const std::string& address : spec.addresses) {
        if (!is_address(address)) return fail(Code::invalid, "{} is no IPv4 address", address);
    }
    if (spec.services.size() > kMaxServices) {
        return fail(Code::invalid, "more than {} services", kMaxServices);
    }
    for (const HeavyService& service : spec.services) {
        for (const std::string& name : service.names) {
            if (!is_host_name(name)) return fail(Code::invalid, "\"{}\" is no host name", name);
        }
    }
    if (spec.relay.empty()) return fail(Code::invalid, "there is no relay to the services");
    return {};
}

Result<void> prepare_files(const HeavySpec& spec, const MachineIdentity& machine,
                           const HeavyFiles& files) {
    TRY(make_private_dir(files.folder));
    TRY(make_variables(files.variables(), machine.spec.secure_boot));
    TRY(make_keys(files, machine.spec.name));
    return write_settings(spec, machine.spec.name, files);
}

Result<void> write_ssh_config(const HeavyFiles& files, std::string_view machine,
                              std::string_view user, uint16_t port) {
    const std::string text = fmt::format(
        "Host {0}\n"
        "    HostName 127.0.0.1\n"
        "    Port {1}\n"
        "    User {2}\n"
        "    IdentityFile {3}\n"
        "    HostKeyAlias vouchsafe-{0}\n"
        "    UserKnownHostsFile {4}\n"
        "    GlobalKnownHostsFile /dev/null\n"
        "    StrictHostKeyChecking yes\n",
        machine, port, user, TRY(quoted_for_ssh(files.sign_in_key())),
        TRY(quoted_for_ssh(files.known_hosts())));
    return write_file(files.ssh_config(), as_bytes(text), Overwrite::yes, 0600);
}

Result<void> write_heavy_state(const HeavyFiles& files, const HeavyState& state) {
    const Json json = {{"format", kHeavyStateFormat},       {"qemu", process_to(state.process)},
                       {"owner", process_to(state.owner)},  {"ssh_port", state.ssh_port},
                       {"console", state.console.string()}, {"control", state.control.string()}};
    return write_file(files.state(), as_bytes(dump_json_pretty(json)), Overwrite::yes, 0600);
}

Result<std::optional<HeavyState>> read_heavy_state(const Path& folder) {
    const Path file = HeavyFiles{heavy_folder(folder), {}}.state();
    auto text = read_text_file(file);
    if (!text && text.error().code == Code::not_found) return std::nullopt;
    Json json = TRY(with_context(parse_json_object(TRY(std::move(text))), file.string()));
    HeavyState state = TRY(with_context(state_from(json), file.string()));
    if (!is_running(state.process)) return std::nullopt;
    return state;
}

}  // namespace vouchsafe::lab
