#include "vouchsafe/lab/vm_spec.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::lab {

namespace {

using cloud::Outcome;
using cloud::refuse;

constexpr size_t kMaxHostName = 64;  // as sethostname(2) has it
constexpr size_t kMaxUserName = 32;  // as useradd(8) has it
constexpr size_t kMaxAuthorizedKey = 16 << 10;

const Json& at(const Json& object, std::initializer_list<std::string_view> path) {
    static const Json kNull;
    const Json* here = &object;
    for (std::string_view name : path) {
        here = find_member(*here, name);
        if (here == nullptr) return kNull;
    }
    return *here;
}

std::string text_at(const Json& object, std::initializer_list<std::string_view> path) {
    const Json& found = at(object, path);
    return found.is_string() ? found.get<std::string>() : "";
}

bool flag_at(const Json& object, std::initializer_list<std::string_view> path) {
    return at(object, path) == Json(true);
}

tl::unexpected<cloud::Problem> bad_parameter(std::string_view name, std::string_view why) {
    return refuse(400, "InvalidParameter", "The value of parameter {} is invalid: {}.", name, why);
}

// Confidential machines.

// A size's name says its family: "Standard_DC2as_v5" is DC, 2 processors, "as", v5. An 'a' is AMD,
// an 'e' Intel TDX (Azure's naming of sizes).
enum class SizeFamily { amd, tdx, other };
SizeFamily family_of(std::string_view size) {
    const std::string name = to_lower(size);
    constexpr std::string_view kFamilies[] = {"standard_dc", "standard_ec", "standard_ncc"};
    for (std::string_view family : kFamilies) {
        if (!name.starts_with(family)) continue;
        size_t end = family.size();
        while (end < name.size() && std::isdigit(static_cast<unsigned char>(name[end])) != 0) ++end;
        const std::string_view letters =
            std::string_view(name).substr(end, name.find('_', end) - end);
        if (letters.starts_with('a')) return SizeFamily::amd;
        if (letters.starts_with('e')) return SizeFamily::tdx;
    }
    return SizeFamily::other;
}

Outcome<void> check_size(const VmSpec& spec) {
    if (spec.security != VmSecurity::confidential || spec.size.empty()) return {};
    switch (family_of(spec.size)) {
        case SizeFamily::amd:
            return {};
        case SizeFamily::tdx:
            return refuse(501, "NotImplemented",
                          "{} is a size with Intel TDX, and a lab's confidential machines have AMD "
                          "SEV-SNP: use one of DCasv5, DCadsv5, ECasv5 or ECadsv5.",
                          spec.size);
        case SizeFamily::other:
            break;
    }
    return refuse(400, "BadRequest",
                  "The VM size '{}' is not supported for creation of VMs and Virtual Machine Scale "
                  "Set with 'ConfidentialVM' security type.",
                  spec.size);
}

Outcome<VmSecurity> security_of(const Json& properties) {
    const std::string type = text_at(properties, {"securityProfile", "securityType"});
    if (type.empty() || equal_ignore_case(type, "Standard")) return VmSecurity::standard;
    if (equal_ignore_case(type, "TrustedLaunch")) return VmSecurity::trusted_launch;
    if (equal_ignore_case(type, "ConfidentialVM")) return VmSecurity::confidential;
    return bad_parameter("securityProfile.securityType",
                         "it is 'ConfidentialVM', 'TrustedLaunch' or 'Standard'");
}

Outcome<void> read_security(VmSpec& spec, const Json& properties) {
    spec.security = TRY(security_of(properties));
    if (spec.security == VmSecurity::standard) return {};
    spec.tpm = flag_at(properties, {"securityProfile", "uefiSettings", "vTpmEnabled"});
    spec.secure_boot =
        flag_at(properties, {"securityProfile", "uefiSettings", "secureBootEnabled"});
    if (spec.security == VmSecurity::confidential && !spec.tpm) {
        return bad_parameter("uefiSettings.vTpmEnabled", "a ConfidentialVM needs its vTPM");
    }
    return {};
}

Outcome<void> read_encryption(VmSpec& spec, const Json& properties, const FindResource& find) {
    const Json& disk = at(properties, {"storageProfile", "osDisk", "managedDisk"});
    const std::string encryption = text_at(disk, {"securityProfile", "securityEncryptionType"});
    if (equal_ignore_case(encryption, "NonPersistedTPM")) {
        return refuse(501, "NotImplemented",
                      "securityEncryptionType NonPersistedTPM is not built: a lab's machines keep "
                      "the state of their TPMs.");
    }
    const std::string confidential = text_at(disk, {"securityProfile", "diskEncryptionSet", "id"});
    spec.encryption_set =
        confidential.empty() ? text_at(disk, {"diskEncryptionSet", "id"}) : confidential;
    if (spec.encryption_set.empty()) return {};
    auto set = find(spec.encryption_set);
    if (!set && set.error().code != Code::not_found) return fail(std::move(set.error()));
    if (!set) {
        return refuse(400, "InvalidResourceReference",
                      "Resource {} referenced by resource {} was not found.", spec.encryption_set,
                      spec.resource_id);
    }
    const bool of_confidential = equal_ignore_case(text_at(*set, {"properties", "encryptionType"}),
                                                   "ConfidentialVmEncryptedWithCustomerKey");
    if (of_confidential == !confidential.empty()) return {};
    return bad_parameter("diskEncryptionSet",
                         "a set of type ConfidentialVmEncryptedWithCustomerKey is for "
                         "managedDisk.securityProfile of a ConfidentialVM, another one is not");
}

// Who comes in.

// Names that Azure refuses for administrators, and those that a Linux has already.
constexpr std::string_view kReservedNames[] = {
    "administrator", "admin",  "user",   "user1",   "test",    "user2",   "test1",
    "user3",         "admin1", "1",      "123",     "a",       "actuser", "adm",
    "admin2",        "aspnet", "backup", "console", "david",   "guest",   "john",
    "owner",         "root",   "server", "sql",     "support", "sys",     "test2",
    "test3",         "user4",  "user5",  "nobody",  "daemon",  "bin"};

bool is_user_name(std::string_view name) {
    const auto is_good = [](unsigned char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '-' || c == '.';
    };
    return !name.empty() && name.size() <= kMaxUserName && name.front() != '-' &&
           name.front() != '.' && std::all_of(name.begin(), name.end(), is_good);
}

Outcome<void> read_user(VmSpec& spec, const Json& properties) {
    spec.user = text_at(properties, {"osProfile", "adminUsername"});
    if (spec.user.empty()) spec.user = "azureuser";
    const auto is_it = [&](std::string_view name) { return equal_ignore_case(name, spec.user); };
    if (!is_user_name(spec.user) ||
        std::any_of(std::begin(kReservedNames), std::end(kReservedNames), is_it)) {
        return refuse(400, "InvalidParameter", "The Admin Username specified is not allowed.");
    }
    const Json& keys = at(properties, {"osProfile", "linuxConfiguration", "ssh", "publicKeys"});
    if (!keys.is_array()) return {};
    for (const Json& key : keys) {
        std::string line = text_at(key, {"keyData"});
        while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.pop_back();
        const bool one_line = std::none_of(line.begin(), line.end(),
                                           [](unsigned char c) { return std::iscntrl(c) != 0; });
        if (line.empty() || !one_line || line.size() > kMaxAuthorizedKey) {
            return bad_parameter("linuxConfiguration.ssh.publicKeys.keyData", "it is no key");
        }
        spec.authorized_keys.push_back(std::move(line));
    }
    return {};
}

// host_name_of makes a host name of what may have other characters.
std::string host_name_of(std::string_view name) {
    std::string out;
    for (char c : name.substr(0, kMaxHostName)) {
        out += std::isalnum(static_cast<unsigned char>(c)) != 0 ? c : '-';
    }
    return out;
}

// Its place in the network.

Outcome<void> read_addresses(VmSpec& spec, const Json& properties, const FindResource& find) {
    const Json& interfaces = at(properties, {"networkProfile", "networkInterfaces"});
    if (!interfaces.is_array()) return {};
    for (const Json& reference : interfaces) {
        auto interface = find(text_at(reference, {"id"}));
        if (!interface) continue;  // deleted meanwhile: it has no address any more
        const Json& configurations = at(*interface, {"properties", "ipConfigurations"});
        if (!configurations.is_array()) continue;
        for (const Json& one : configurations) {
            const std::string address = text_at(one, {"properties", "privateIPAddress"});
            const auto& known = spec.private_addresses;
            // Networks apart from each other may have the same addresses.
            const bool fresh = std::find(known.begin(), known.end(), address) == known.end();
            if (!address.empty() && fresh) spec.private_addresses.push_back(address);
            const std::string id = text_at(one, {"properties", "publicIPAddress", "id"});
            if (id.empty() || !spec.public_address.empty()) continue;
            auto made = find(id);
            if (made) spec.public_address = text_at(*made, {"properties", "ipAddress"});
        }
    }
    return {};
}

Outcome<void> read_tier(VmSpec& spec, const cloud::Resource& machine) {
    constexpr std::string_view kTag = "tags['vouchsafe.tier']";
    const Json* tags = find_member(machine.body, "tags");
    const Json* tier = tags == nullptr ? nullptr : find_member_ignore_case(*tags, "vouchsafe.tier");
    if (tier == nullptr || *tier == Json("light")) return {};
    if (*tier != Json(kHeavyTier)) return bad_parameter(kTag, "it is 'light' or 'qemu'");
    if (!spec.tpm) {
        return bad_parameter(kTag,
                             "what QEMU boots has a vTPM: a ConfidentialVM, or TrustedLaunch with "
                             "vTpmEnabled");
    }
    spec.tier = kHeavyTier;
    return {};
}

}  // namespace

std::string_view vm_security_name(VmSecurity security) {
    switch (security) {
        case VmSecurity::standard:
            return "Standard";
        case VmSecurity::trusted_launch:
            return "TrustedLaunch";
        case VmSecurity::confidential:
            break;
    }
    return "ConfidentialVM";
}

Outcome<VmSpec> parse_vm_spec(const cloud::Resource& machine, const FindResource& find) {
    const auto id = TRY(cloud::ResourceId::parse(machine.id));
    static const Json kNone = Json::object();
    const Json* found = find_member(machine.body, "properties");
    const Json& properties = found == nullptr ? kNone : *found;
    VmSpec spec;
    spec.resource_id = machine.id;
    spec.name = machine.name;
    spec.group = id.group;
    spec.subscription = id.subscription;
    spec.location = machine.location();
    spec.vm_id = to_lower(text_at(properties, {"vmId"}));
    if (!is_guid(spec.vm_id)) return bad_parameter("vmId", "it is no GUID");
    spec.size = text_at(properties, {"hardwareProfile", "vmSize"});
    const std::string computer = text_at(properties, {"osProfile", "computerName"});
    spec.host_name = host_name_of(computer.empty() ? machine.name : computer);
    TRY(read_security(spec, properties));
    TRY(check_size(spec));
    TRY(read_encryption(spec, properties, find));
    TRY(read_user(spec, properties));
    TRY(read_addresses(spec, properties, find));
    TRY(read_tier(spec, machine));
    return spec;
}

}  // namespace vouchsafe::lab
