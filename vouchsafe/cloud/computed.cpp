#include "vouchsafe/cloud/computed.h"

#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/computed_parts.h"
#include "vouchsafe/cloud/template/evaluate.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

// add_identity gives a resource that asks for one a system-assigned identity.
void add_identity(Computing& c) {
    Json* identity = c.now.body.contains("identity") ? &c.now.body["identity"] : nullptr;
    if (identity == nullptr || !identity->is_object()) return;
    const std::string type = to_lower(text_or_empty(*identity, "type"));
    if (type.find("systemassigned") == std::string::npos) return;
    const std::string old =
        c.before == nullptr ? "" : text_in(c.before->body, {"identity", "principalId"});
    (*identity)["principalId"] = old.empty() ? crypto::random_uuid() : old;
    (*identity)["tenantId"] = c.config.callers.tenant;
}

// Vaults.

bool is_vault_name(std::string_view name) {
    const bool letters = std::all_of(
        name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) != 0 || c == '-'; });
    return name.size() >= 3 && name.size() <= 24 && letters &&
           std::isalpha(static_cast<unsigned char>(name.front())) != 0 && name.back() != '-' &&
           name.find("--") == std::string_view::npos;
}

Outcome<void> compute_vault(Computing& c) {
    constexpr int64_t kLeastDays = 7, kMostDays = 90;
    if (!is_vault_name(c.now.name)) {
        return refuse(400, "VaultNameNotValid",
                      "The vault name '{}' is invalid. A vault's name must be between 3-24 "
                      "alphanumeric characters. The name must begin with a letter, end with a "
                      "letter or digit, and not contain consecutive hyphens.",
                      c.now.name);
    }
    Json& properties = c.now.properties();
    const std::string sku = to_lower(text_in(properties, {"sku", "name"}));
    if (sku != "standard" && sku != "premium") {
        return bad_parameter("sku.name", "it is 'standard' or 'premium'");
    }
    set_default(properties, "tenantId", c.config.callers.tenant);
    if (!equal_ignore_case(text_or_empty(properties, "tenantId"), c.config.callers.tenant)) {
        return bad_parameter("tenantId", "it is not the subscription's tenant");
    }
    set_default(properties, "accessPolicies", Json::array());
    set_default(properties, "enabledForDeployment", false);
    set_default(properties, "enableRbacAuthorization", false);
    set_default(properties, "publicNetworkAccess", "Enabled");
    properties["enableSoftDelete"] = true;  // nothing turns it off on Azure any more

    const Json* old_days =
        c.before == nullptr ? nullptr : c.before->property("softDeleteRetentionInDays");
    set_default(properties, "softDeleteRetentionInDays",
                old_days == nullptr ? Json(kMostDays) : *old_days);
    const Json& days = properties.at("softDeleteRetentionInDays");
    if (!days.is_number_integer() || days.get<int64_t>() < kLeastDays ||
        days.get<int64_t>() > kMostDays) {
        return bad_parameter("softDeleteRetentionInDays", "it is a number from 7 to 90");
    }
    if (old_days != nullptr && *old_days != days) {
        return refuse(
            400, "BadRequest",
            "The property \"softDeleteRetentionInDays\" has been set already and it can't "
            "be modified.");
    }
    // True or absent, and once true always so (azure-api E.3).
    const bool was = c.before != nullptr && c.before->property("enablePurgeProtection") != nullptr;
    const bool given = properties.contains("enablePurgeProtection");
    const bool on = given && properties.at("enablePurgeProtection") == Json(true);
    if (was && given && !on) {
        return refuse(400, "BadRequest",
                      "The property \"enablePurgeProtection\" cannot be set to false. Enabling the "
                      "purge protection for a vault is an irreversible action.");
    }
    properties.erase("enablePurgeProtection");
    if (was || on) properties["enablePurgeProtection"] = true;
    properties.erase("createMode");
    properties["vaultUri"] =
        fmt::format("https://{}.{}/", to_lower(c.now.name), c.config.vault_suffix);
    return {};
}

// Attestation providers.

constexpr const char* kPolicySigners = "policySigningCertificates";

// known_region_code is "" for a region without one: providers have codes in their names.
std::string known_region_code(std::string_view location);

// keep_policy_signers takes the certificates that make a provider isolated out of what clients read
// again; they can be given when it is made and stay (azure-api E.3). An empty set gives none.
Outcome<void> keep_policy_signers(Computing& c) {
    Json& properties = c.now.properties();
    if (!properties.contains(kPolicySigners)) return {};
    const Json given = properties[kPolicySigners];
    properties.erase(kPolicySigners);
    const Json* keys = find_member(given, "keys");
    if (keys == nullptr || keys->empty()) return {};
    const bool same = c.now.inner.contains(kPolicySigners) && c.now.inner[kPolicySigners] == given;
    if (c.before != nullptr && !same) {
        return bad_parameter(kPolicySigners,
                             "it is for new providers; change the signers at /certificates of this "
                             "one");
    }
    c.now.inner[kPolicySigners] = given;
    return {};
}

Outcome<void> compute_attestation_provider(Computing& c) {
    const std::string& name = c.now.name;
    const bool letters =
        std::all_of(name.begin(), name.end(), [](unsigned char x) { return std::isalnum(x) != 0; });
    if (name.size() < 3 || name.size() > 24 || !letters) {
        return bad_parameter("providerName", "it has 3 to 24 letters and digits");
    }
    const std::string code = known_region_code(c.now.location());
    if (code.empty()) {
        return refuse(400, "LocationNotAvailableForResourceType",
                      "The provided location '{}' is not available for resource type "
                      "'Microsoft.Attestation/attestationProviders'.",
                      c.now.location());
    }
    Json& properties = c.now.properties();
    TRY(keep_policy_signers(c));
    const bool isolated = c.now.inner.contains(kPolicySigners);
    properties["trustModel"] = isolated ? "Isolated" : "AAD";
    properties["status"] = "Ready";
    properties["attestUri"] =
        fmt::format("https://{}.{}.{}", to_lower(name), code, c.config.attestation_suffix);
    set_default(properties, "publicNetworkAccess", "Enabled");
    set_default(properties, "privateEndpointConnections", Json::array());
    return {};
}

// Machines.

// check_security is Azure's rules between the settings of a confidential machine (azure-api E.3).
Outcome<void> check_security(const Json& properties) {
    const std::string type = text_in(properties, {"securityProfile", "securityType"});
    const std::string disk = text_in(properties, {"storageProfile", "osDisk", "managedDisk",
                                                  "securityProfile", "securityEncryptionType"});
    const bool confidential = equal_ignore_case(type, "ConfidentialVM");
    auto flag = [&](const char* name) {
        const Json* profile = find_member(properties, "securityProfile");
        const Json* uefi = profile == nullptr ? nullptr : find_member(*profile, "uefiSettings");
        const Json* value = uefi == nullptr ? nullptr : find_member(*uefi, name);
        return value != nullptr && *value == Json(true);
    };
    if (disk.empty()) {
        if (!confidential) return {};
        return bad_parameter("securityEncryptionType",
                             "a ConfidentialVM needs storageProfile.osDisk.managedDisk."
                             "securityProfile.securityEncryptionType");
    }
    if (!confidential) {
        return bad_parameter("securityEncryptionType", "securityType must be ConfidentialVM");
    }
    if (!flag("vTpmEnabled")) {
        return bad_parameter("uefiSettings.vTpmEnabled", "a ConfidentialVM needs its vTPM");
    }
    if (equal_ignore_case(disk, "DiskWithVMGuestState") && !flag("secureBootEnabled")) {
        return bad_parameter("uefiSettings.secureBootEnabled",
                             "DiskWithVMGuestState needs Secure Boot");
    }
    return {};
}

const Json* member_at(const Json& object, std::span<const std::string_view> path) {
    const Json* at = &object;
    for (std::string_view name : path) {
        at = find_member(*at, name);
        if (at == nullptr || at->is_null()) return nullptr;
    }
    return at;
}

// keep_as_made: what a machine is made with stays. A request that does not name it means it
// unchanged; another value is refused with Azure's code.
Outcome<void> keep_as_made(Json& now, const Json& before, std::span<const std::string_view> path) {
    const Json* was = member_at(before, path);
    const Json* wanted = member_at(now, path);
    if (wanted == nullptr && was == nullptr) return {};
    const bool text =
        was != nullptr && was->is_string() && wanted != nullptr && wanted->is_string();
    const bool same =
        wanted == nullptr ||
        (was != nullptr &&
         (*was == *wanted ||
          (text && equal_ignore_case(was->get<std::string>(), wanted->get<std::string>()))));
    if (!same) {
        return refuse(409, "PropertyChangeNotAllowed", "Changing property '{}' is not allowed.",
                      fmt::join(path, "."));
    }
    Json* at = &now;
    for (std::string_view name : path) {
        if (!at->is_object()) *at = Json::object();
        at = &(*at)[std::string(name)];
    }
    *at = *was;
    return {};
}

Outcome<void> keep_machine_as_made(Computing& c) {
    if (c.before == nullptr) return {};
    const Json* before = find_member(c.before->body, "properties");
    if (before == nullptr) return {};
    using Names = std::vector<std::string_view>;
    static const std::vector<Names> kPaths = {
        {"securityProfile", "securityType"},
        {"securityProfile", "uefiSettings", "secureBootEnabled"},
        {"securityProfile", "uefiSettings", "vTpmEnabled"},
        {"storageProfile", "osDisk", "managedDisk", "securityProfile", "securityEncryptionType"},
        {"storageProfile", "osDisk", "managedDisk", "securityProfile", "diskEncryptionSet", "id"},
        {"storageProfile", "osDisk", "managedDisk", "diskEncryptionSet", "id"},
        {"osProfile", "adminUsername"},
        {"osProfile", "computerName"},
        {"osProfile", "linuxConfiguration", "ssh", "publicKeys"}};
    for (const Names& path : kPaths) TRY(keep_as_made(c.now.properties(), *before, path));
    return {};
}

// check_own_interface: a machine has its address by its interface, so no other has the same one.
Outcome<void> check_own_interface(Computing& c, const std::string& id) {
    const Resource interface = TRY(find_reference(c, id, "Microsoft.Network/networkInterfaces"));
    std::string user;
    const std::string own = record_key(interface.id);
    TRY(used_values(c, c.now.type, [&](const Resource& other, std::set<std::string>&) {
        const Json* network = other.property("networkProfile");
        const Json* theirs =
            network == nullptr ? nullptr : find_member(*network, "networkInterfaces");
        if (theirs == nullptr || !theirs->is_array()) return;
        for (const Json& one : *theirs) {
            if (reference_key(text_or_empty(one, "id")) == own) user = other.id;
        }
    }));
    if (user.empty()) return {};
    return refuse(400, "NicInUse",
                  "Network Interface {} is used by existing resource {}. In order to use it, it "
                  "must be dissociated from the resource.",
                  interface.id, user);
}

Outcome<void> compute_machine(Computing& c) {
    TRY(keep_machine_as_made(c));
    Json& properties = c.now.properties();
    const Json* network = find_member(properties, "networkProfile");
    const Json* interfaces =
        network == nullptr ? nullptr : find_member(*network, "networkInterfaces");
    if (interfaces == nullptr || !interfaces->is_array() || interfaces->empty()) {
        return bad_parameter("networkProfile.networkInterfaces", "a machine has one at least");
    }
    std::set<std::string> named;
    for (const Json& one : *interfaces) {
        const std::string id = text_or_empty(one, "id");
        TRY(check_own_interface(c, id));
        if (named.insert(reference_key(id)).second) continue;
        return bad_parameter("networkProfile.networkInterfaces", "one is named twice");
    }
    TRY(check_security(properties));

    keep_or_make(c, "vmId", crypto::random_uuid);
    keep_or_make(c, "timeCreated", [&] { return format_rfc3339(from_unix(c.time)); });
    add_identity(c);
    Json& storage = properties["storageProfile"];
    if (!storage.is_object()) storage = Json::object();
    Json& disk = storage["osDisk"];
    if (!disk.is_object()) disk = Json::object();
    const std::string old_name =
        c.before == nullptr
            ? ""
            : text_in(c.before->body, {"properties", "storageProfile", "osDisk", "name"});
    set_default(disk, "name",
                old_name.empty() ? fmt::format("{}_OsDisk_1_{}", c.now.name, crypto::random_hex(16))
                                 : old_name);
    set_default(disk, "osType", "Linux");
    set_default(disk, "deleteOption", "Detach");
    Json& managed = disk["managedDisk"];
    if (!managed.is_object()) managed = Json::object();
    set_default(managed, "storageAccountType", "Premium_LRS");
    const std::string group = c.now.id.substr(0, c.now.id.rfind("/providers/"));
    managed["id"] =
        fmt::format("{}/providers/Microsoft.Compute/disks/{}", group, text_or_empty(disk, "name"));

    // What nobody reads again: Azure does not show these either.
    if (properties.contains("osProfile") && properties["osProfile"].is_object()) {
        Json& profile = properties["osProfile"];
        profile.erase("adminPassword");
        if (profile.contains("customData")) {
            c.now.inner["customData"] = profile["customData"];
            profile.erase("customData");
        }
    }
    if (!c.now.inner.contains("power")) c.now.inner["power"] = "running";
    return {};
}

// What else has an identity or an id.

Outcome<void> compute_disk_encryption_set(Computing& c) {
    add_identity(c);
    set_default(c.now.properties(), "previousKeys", Json::array());
    set_default(c.now.properties(), "encryptionType", "EncryptionAtRestWithCustomerKey");
    return {};
}

Outcome<void> compute_user_identity(Computing& c) {
    Json& properties = c.now.properties();
    properties["tenantId"] = c.config.callers.tenant;
    keep_or_make(c, "principalId", crypto::random_uuid);
    keep_or_make(c, "clientId", crypto::random_uuid);
    return {};
}

Outcome<void> compute_disk(Computing& c) {
    keep_or_make(c, "uniqueId", crypto::random_uuid);
    set_default(c.now.properties(), "diskState", "Unattached");
    return {};
}

constexpr TypeRow kRows[] = {
    {"Microsoft.KeyVault/vaults", true, true, compute_vault},
    {"Microsoft.Attestation/attestationProviders", true, true, compute_attestation_provider},
    {"Microsoft.Compute/virtualMachines", true, false, compute_machine},
    {"Microsoft.Compute/disks", true, false, compute_disk, true},
    {"Microsoft.Compute/diskEncryptionSets", true, false, compute_disk_encryption_set, true},
    {"Microsoft.Compute/diskAccesses", true, false, nullptr, true},
    {"Microsoft.Compute/snapshots", true, false, nullptr, true},
    {"Microsoft.Compute/availabilitySets", true, false, nullptr, true},
    {"Microsoft.Network/virtualNetworks", true, false, compute_network},
    {"Microsoft.Network/networkSecurityGroups", true, false, compute_security_group},
    {"Microsoft.Network/publicIPAddresses", true, false, compute_public_ip},
    {"Microsoft.Network/networkInterfaces", true, false, compute_interface},
    {"Microsoft.Network/bastionHosts", true, false, compute_bastion},
    {"Microsoft.ManagedIdentity/userAssignedIdentities", true, false, compute_user_identity},
};

constexpr Embedded kEmbedded[] = {
    {"Microsoft.Network/virtualNetworks", "subnets"},
    {"Microsoft.Network/networkSecurityGroups", "securityRules"},
};

struct Region {
    std::string_view name, code;
};
// Codes as in the names of Azure's shared attestation providers.
constexpr Region kRegions[] = {
    {"westeurope", "weu"},       {"northeurope", "neu"},     {"eastus", "eus"},
    {"eastus2", "eus2"},         {"westus", "wus"},          {"westus2", "wus2"},
    {"westus3", "wus3"},         {"centralus", "cus"},       {"southcentralus", "scus"},
    {"uksouth", "uks"},          {"ukwest", "ukw"},          {"canadacentral", "cac"},
    {"canadaeast", "cae"},       {"francecentral", "frc"},   {"germanywestcentral", "dewc"},
    {"switzerlandnorth", "chn"}, {"italynorth", "itn"},      {"swedencentral", "sec"},
    {"japaneast", "jpe"},        {"southeastasia", "sasia"}, {"eastasia", "easia"},
    {"centralindia", "cin"},     {"uaenorth", "uan"},        {"australiaeast", "aue"},
};

std::string known_region_code(std::string_view location) {
    const std::string name = normal_location(location);
    for (const Region& region : kRegions) {
        if (region.name == name) return std::string(region.code);
    }
    return "";
}

}  // namespace

std::string normal_location(std::string_view location) {
    std::string out = to_lower(location);
    std::erase(out, ' ');
    return out;
}

std::string region_code(std::string_view location) {
    const std::string known = known_region_code(location);
    return known.empty() ? normal_location(location) : known;
}

bool is_shared_provider(std::string_view name) {
    return std::any_of(std::begin(kRegions), std::end(kRegions), [&](const Region& region) {
        return equal_ignore_case(name, "shared" + std::string(region.code));
    });
}

std::span<const TypeRow> type_rows() {
    return kRows;
}

const TypeRow* find_row(std::string_view type) {
    auto found = std::find_if(std::begin(kRows), std::end(kRows), [&](const TypeRow& row) {
        return equal_ignore_case(row.type, type);
    });
    return found == std::end(kRows) ? nullptr : found;
}

const Embedded* find_embedded(std::string_view type) {
    const size_t slash = type.rfind('/');
    if (slash == std::string_view::npos) return nullptr;
    for (const Embedded& row : kEmbedded) {
        if (equal_ignore_case(row.parent, type.substr(0, slash)) &&
            equal_ignore_case(row.segment, type.substr(slash + 1))) {
            return &row;
        }
    }
    return nullptr;
}

Outcome<void> compute(Computing& computing) {
    const TypeRow* row = find_row(computing.now.type);
    computing.now.properties();
    if (row != nullptr && row->compute != nullptr) TRY(row->compute(computing));
    computing.now.properties()["provisioningState"] = "Succeeded";
    return {};
}

Json instance_view(const Resource& machine, const std::optional<Effects::Condition>& condition) {
    std::string power = condition ? condition->power : text_or_empty(machine.inner, "power");
    if (power.empty()) power = "running";
    Json status = {
        {"code", "PowerState/" + power}, {"level", "Info"}, {"displayStatus", "VM " + power}};
    if (condition && !condition->reason.empty()) {
        status["level"] = "Error";
        status["message"] = condition->reason;
    }
    const Json* profile = machine.property("osProfile");
    const std::string name = profile == nullptr ? "" : text_or_empty(*profile, "computerName");
    return {{"computerName", name.empty() ? machine.name : name},
            {"osName", "ubuntu"},
            {"vmAgent", {{"vmAgentVersion", "1"}, {"statuses", Json::array()}}},
            {"statuses",
             {{{"code", "ProvisioningState/succeeded"},
               {"level", "Info"},
               {"displayStatus", "Provisioning succeeded"}},
              std::move(status)}}};
}

}  // namespace vouchsafe::cloud
