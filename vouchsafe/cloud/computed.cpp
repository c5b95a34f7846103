#include "vouchsafe/cloud/computed.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/template/evaluate.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

// keep_or_make takes a member over from before, or makes it: ids and addresses stay.
template <typename Make>
void keep_or_make(Computing& c, const char* member, Make make) {
    const Json* old = c.before == nullptr ? nullptr : c.before->property(member);
    c.now.properties()[member] = old != nullptr ? *old : Json(make());
}

void set_default(Json& object, const char* member, Json value) {
    if (find_member(object, member) == nullptr || object.at(member).is_null()) {
        object[member] = std::move(value);
    }
}

std::string text_in(const Json& object, std::initializer_list<std::string_view> path) {
    const Json* at = &object;
    for (std::string_view name : path) {
        at = find_member(*at, name);
        if (at == nullptr) return "";
    }
    return at->is_string() ? at->get<std::string>() : "";
}

tl::unexpected<Problem> bad_parameter(std::string_view name, std::string_view why) {
    return refuse(400, "InvalidParameter", "The value of parameter {} is invalid: {}.", name, why);
}

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

// name_items gives the items of an array their ids and states, as Azure does for what lies within.
void name_items(Resource& resource, const char* array, std::string_view type) {
    Json& properties = resource.properties();
    if (!properties.contains(array) || !properties[array].is_array()) return;
    for (Json& item : properties[array]) {
        if (!item.is_object()) continue;
        const std::string name = text_or_empty(item, "name");
        item["id"] = fmt::format("{}/{}/{}", resource.id, array, name);
        if (!type.empty()) item["type"] = type;
        if (!item["properties"].is_object()) item["properties"] = Json::object();
        item["properties"]["provisioningState"] = "Succeeded";
    }
}

// check_items wants items with names of their own.
Outcome<void> check_items(Resource& resource, const char* array) {
    Json& properties = resource.properties();
    if (!properties.contains(array)) return {};
    if (!properties[array].is_array()) return bad_parameter(array, "it is no array");
    std::set<std::string> names;
    for (const Json& item : properties[array]) {
        const std::string name = to_lower(text_or_empty(item, "name"));
        if (name.empty() || name.find('/') != std::string::npos) {
            return bad_parameter(array, "an item has no name");
        }
        if (!names.insert(name).second) return bad_parameter(array, "two items have one name");
    }
    return {};
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

// Networks.

constexpr uint32_t kFirstHost = 4;  // Azure keeps the first addresses of a subnet for itself

std::string dotted(uint32_t address) {
    return fmt::format("{}.{}.{}.{}", address >> 24, (address >> 16) & 255, (address >> 8) & 255,
                       address & 255);
}

// Prefix is an IPv4 network "10.0.0.0/24".
struct Prefix {
    uint32_t first = 0;
    uint32_t count = 0;

    bool holds(uint32_t address) const { return address - first < count; }
    bool holds(const Prefix& other) const {
        return holds(other.first) && holds(other.first + (other.count - 1));
    }
    bool overlaps(const Prefix& other) const { return holds(other.first) || other.holds(first); }
};

std::optional<uint32_t> parse_address(const std::string& text) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    int end = 0;
    const int read = std::sscanf(text.c_str(), "%3u.%3u.%3u.%3u%n", &a, &b, &c, &d, &end);
    if (read != 4 || a > 255 || b > 255 || c > 255 || d > 255) return std::nullopt;
    // Signs and spaces, which sscanf takes, and leading zeros are in no address.
    const uint32_t out = (a << 24) | (b << 16) | (c << 8) | d;
    return dotted(out) == text ? std::optional(out) : std::nullopt;
}

std::optional<Prefix> parse_prefix(const std::string& text) {
    const size_t slash = text.find('/');
    if (slash == std::string::npos) return std::nullopt;
    const auto address = parse_address(text.substr(0, slash));
    unsigned bits = 0;
    const char* last = text.data() + text.size();
    const auto [end, error] = std::from_chars(text.data() + slash + 1, last, bits);
    if (!address || error != std::errc() || end != last || bits < 8 || bits > 29) {
        return std::nullopt;
    }
    const uint32_t count = uint32_t{1} << (32 - bits);
    return Prefix{*address & ~(count - 1), count};
}

// prefixes_of reads the IPv4 networks of a member that is one text, else of one that is several.
std::vector<Prefix> prefixes_of(const Json& object, const char* one, const char* several) {
    std::vector<Prefix> out;
    if (auto prefix = parse_prefix(text_or_empty(object, one))) return {*prefix};
    const Json* list = find_member(object, several);
    if (list == nullptr || !list->is_array()) return out;
    for (const Json& item : *list) {
        auto prefix = item.is_string() ? parse_prefix(item.get<std::string>()) : std::nullopt;
        if (prefix) out.push_back(*prefix);
    }
    return out;
}

// What no network can have: the computer's own addresses, the metadata service's, the platform's,
// and those of groups (Azure's documentation of virtual networks, "address space").
constexpr Prefix kReserved[] = {{0x7f000000, 1 << 24},
                                {0xa9fe0000, 1 << 16},
                                {0xa83f8110, 1},
                                {0xe0000000, 1 << 28},
                                {0xffffffff, 1}};

// check_subnet wants addresses that the network has (anything, if it says none) and nobody else:
// machines are known by theirs.
Outcome<void> check_subnet(const std::string& name, const Prefix& prefix,
                           const std::vector<Prefix>& network, const std::vector<Prefix>& taken) {
    const auto in = [&](const Prefix& other) { return other.holds(prefix); };
    const auto meets = [&](const Prefix& other) { return other.overlaps(prefix); };
    if (std::any_of(std::begin(kReserved), std::end(kReserved), meets)) {
        return refuse(
            400, "NetcfgInvalidSubnet",
            "Subnet '{}' is not valid: it has addresses that no virtual network can have.", name);
    }
    if (!network.empty() && std::none_of(network.begin(), network.end(), in)) {
        return refuse(
            400, "NetcfgInvalidSubnet",
            "Subnet '{}' is not valid: its addresses are not among the virtual network's.", name);
    }
    if (std::any_of(taken.begin(), taken.end(), meets)) {
        return refuse(400, "NetcfgSubnetRangesOverlap",
                      "Subnet '{}' is not valid because its IP address range overlaps with that of "
                      "an existing subnet in the virtual network.",
                      name);
    }
    return {};
}

Outcome<void> check_subnets(const Json& properties) {
    static const Json kNone = Json::object();
    const auto member = [](const Json& object, const char* name) -> const Json& {
        const Json* found = find_member(object, name);
        return found == nullptr ? kNone : *found;
    };
    const auto network =
        prefixes_of(member(properties, "addressSpace"), "addressPrefix", "addressPrefixes");
    std::vector<Prefix> taken;
    for (const Json& subnet : properties.at("subnets")) {
        for (const Prefix& prefix :
             prefixes_of(member(subnet, "properties"), "addressPrefix", "addressPrefixes")) {
            TRY(check_subnet(text_or_empty(subnet, "name"), prefix, network, taken));
            taken.push_back(prefix);
        }
    }
    return {};
}

Outcome<void> compute_network(Computing& c) {
    TRY(check_items(c.now, "subnets"));
    // A network that is written without its subnets keeps them.
    const Json* old = c.before == nullptr ? nullptr : c.before->property("subnets");
    set_default(c.now.properties(), "subnets", old != nullptr ? *old : Json::array());
    TRY(check_subnets(c.now.properties()));
    name_items(c.now, "subnets", "Microsoft.Network/virtualNetworks/subnets");
    keep_or_make(c, "resourceGuid", crypto::random_uuid);
    return {};
}

Outcome<void> compute_security_group(Computing& c) {
    TRY(check_items(c.now, "securityRules"));
    const Json* old = c.before == nullptr ? nullptr : c.before->property("securityRules");
    set_default(c.now.properties(), "securityRules", old != nullptr ? *old : Json::array());
    name_items(c.now, "securityRules", "Microsoft.Network/networkSecurityGroups/securityRules");
    keep_or_make(c, "resourceGuid", crypto::random_uuid);
    struct Rule {
        const char *name, *direction, *access, *from, *to;
        int priority;
    };
    constexpr Rule kDefaults[] = {
        {"AllowVnetInBound", "Inbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000},
        {"AllowAzureLoadBalancerInBound", "Inbound", "Allow", "AzureLoadBalancer", "*", 65001},
        {"DenyAllInBound", "Inbound", "Deny", "*", "*", 65500},
        {"AllowVnetOutBound", "Outbound", "Allow", "VirtualNetwork", "VirtualNetwork", 65000},
        {"AllowInternetOutBound", "Outbound", "Allow", "*", "Internet", 65001},
        {"DenyAllOutBound", "Outbound", "Deny", "*", "*", 65500}};
    Json rules = Json::array();
    for (const Rule& rule : kDefaults) {
        rules.push_back({{"name", rule.name},
                         {"properties",
                          {{"direction", rule.direction},
                           {"access", rule.access},
                           {"priority", rule.priority},
                           {"protocol", "*"},
                           {"sourceAddressPrefix", rule.from},
                           {"sourcePortRange", "*"},
                           {"destinationAddressPrefix", rule.to},
                           {"destinationPortRange", "*"}}}});
    }
    c.now.properties()["defaultSecurityRules"] = std::move(rules);
    name_items(c.now, "defaultSecurityRules", "");
    return {};
}

// used_values gathers what resources of a type have at a place, for addresses that nobody has.
Outcome<std::set<std::string>> used_values(
    Computing& c, std::string_view type,
    const std::function<void(const Resource&, std::set<std::string>&)>& take) {
    std::set<std::string> out;
    const std::string own = record_key(c.now.id);
    TRY(scan_resources(c.view, "/subscriptions/" + c.config.subscription_id + "/resourcegroups/",
                       [&](const Resource& other) {
                           if (other.is_a(type) && record_key(other.id) != own) take(other, out);
                       }));
    return out;
}

Outcome<void> compute_public_ip(Computing& c) {
    Json& properties = c.now.properties();
    set_default(properties, "publicIPAllocationMethod", "Dynamic");
    set_default(properties, "publicIPAddressVersion", "IPv4");
    set_default(properties, "idleTimeoutInMinutes", 4);
    keep_or_make(c, "resourceGuid", crypto::random_uuid);
    const Json* old = c.before == nullptr ? nullptr : c.before->property("ipAddress");
    if (old != nullptr) {
        properties["ipAddress"] = *old;
        return {};
    }
    auto used =
        TRY(used_values(c, c.now.type, [](const Resource& other, std::set<std::string>& out) {
            if (const Json* address = other.property("ipAddress")) out.insert(show_json(*address));
        }));
    for (uint32_t host = kFirstHost; host < 0xffff; ++host) {
        const std::string address =
            fmt::format("{}.{}.{}", c.config.public_network, host >> 8, host & 255);
        if (used.contains(show_json(Json(address)))) continue;
        properties["ipAddress"] = address;
        return {};
    }
    return refuse(409, "PublicIPCountLimitReached", "There are no more public IP addresses.");
}

// reference_key compares ids that may be written in several ways.
std::string reference_key(const std::string& id) {
    const Outcome<ResourceId> parsed = ResourceId::parse(id);
    return record_key(parsed ? parsed->text() : id);
}

tl::unexpected<Problem> no_such_reference(const Computing& c, const std::string& id) {
    return refuse(400, "InvalidResourceReference",
                  "Resource {} referenced by resource {} was not found.", id, c.now.id);
}

// find_reference wants a resource of this type. 400 InvalidResourceReference.
Outcome<Resource> find_reference(Computing& c, const std::string& id, std::string_view type) {
    const Outcome<ResourceId> parsed = ResourceId::parse(id);
    if (!parsed || !parsed->is_item() || !equal_ignore_case(parsed->type(), type)) {
        return no_such_reference(c, id);
    }
    std::optional<Resource> found = TRY(read_resource(c.view, parsed->text()));
    if (!found) return no_such_reference(c, id);
    return std::move(*found);
}

// find_subnet looks a subnet up in its network. 400 InvalidResourceReference.
Outcome<Json> find_subnet(Computing& c, const std::string& id) {
    const Outcome<ResourceId> parsed = ResourceId::parse(id);
    if (!parsed || !parsed->is_child() || find_embedded(parsed->type()) == nullptr) {
        return no_such_reference(c, id);
    }
    const Resource network =
        TRY(find_reference(c, parsed->parent().text(), "Microsoft.Network/virtualNetworks"));
    const Json* subnets = network.property("subnets");
    if (subnets == nullptr || !subnets->is_array()) return no_such_reference(c, id);
    for (const Json& subnet : *subnets) {
        if (equal_ignore_case(text_or_empty(subnet, "name"), parsed->name())) return subnet;
    }
    return no_such_reference(c, id);
}

// addresses_in gathers those that interfaces have in a subnet, without this one's.
Outcome<std::set<std::string>> addresses_in(Computing& c, const Json& subnet) {
    const std::string id = record_key(text_or_empty(subnet, "id"));
    return used_values(c, c.now.type, [&](const Resource& other, std::set<std::string>& out) {
        const Json* configurations = other.property("ipConfigurations");
        if (configurations == nullptr || !configurations->is_array()) return;
        for (const Json& one : *configurations) {
            if (reference_key(text_in(one, {"properties", "subnet", "id"})) != id) continue;
            out.insert(text_in(one, {"properties", "privateIPAddress"}));
        }
    });
}

Outcome<std::vector<Prefix>> prefixes_of_subnet(const Json& subnet) {
    auto out = prefixes_of(subnet.at("properties"), "addressPrefix", "addressPrefixes");
    if (out.empty()) return bad_parameter("addressPrefix", "the subnet has no IPv4 network");
    return out;
}

// free_address is the first of a subnet that no interface has.
Outcome<std::string> free_address(Computing& c, const Json& subnet) {
    const Prefix prefix = TRY(prefixes_of_subnet(subnet)).front();
    auto used = TRY(addresses_in(c, subnet));
    for (const Json& one : c.now.properties()["ipConfigurations"]) {
        used.insert(text_in(one, {"properties", "privateIPAddress"}));
    }
    for (uint32_t host = kFirstHost; host + 1 < prefix.count; ++host) {
        const std::string address = dotted(prefix.first + host);
        if (!used.contains(address)) return address;
    }
    return refuse(400, "SubnetIsFull", "The subnet {} has no more addresses.",
                  text_or_empty(subnet, "id"));
}

// check_address judges one that a request asks for: vaults know machines by it.
Outcome<void> check_address(Computing& c, const Json& subnet, const std::string& text) {
    const auto address = parse_address(text);
    if (!address) return bad_parameter("privateIPAddress", "it is no IPv4 address");
    const auto prefixes = TRY(prefixes_of_subnet(subnet));
    const auto found = std::find_if(prefixes.begin(), prefixes.end(),
                                    [&](const Prefix& prefix) { return prefix.holds(*address); });
    if (found == prefixes.end()) {
        return refuse(400, "PrivateIPAddressNotInSubnet",
                      "Private static IP address {} does not belong to the range of subnet {}.",
                      text, text_or_empty(subnet, "id"));
    }
    const uint32_t host = *address - found->first;
    if (host < kFirstHost || host + 1 == found->count) {
        return refuse(400, "PrivateIPAddressInReservedRange",
                      "Private static IP address {} falls within reserved IP range of subnet {}.",
                      text, text_or_empty(subnet, "id"));
    }
    size_t mine = 0;
    for (const Json& one : c.now.properties()["ipConfigurations"]) {
        mine += text_in(one, {"properties", "privateIPAddress"}) == text ? 1 : 0;
    }
    if (mine < 2 && !TRY(addresses_in(c, subnet)).contains(text)) return {};
    return refuse(400, "PrivateIPAddressIsAllocated",
                  "The private IP address {} is already allocated in subnet {}.", text,
                  text_or_empty(subnet, "id"));
}

// check_public_address: ssh finds machines by these, so what is named is an address that was made
// here, and nobody else's.
Outcome<void> check_public_address(Computing& c, const std::string& id) {
    if (id.empty()) return {};
    TRY(find_reference(c, id, "Microsoft.Network/publicIPAddresses"));
    const auto used =
        TRY(used_values(c, c.now.type, [&](const Resource& other, std::set<std::string>& out) {
            const Json* configurations = other.property("ipConfigurations");
            if (configurations == nullptr || !configurations->is_array()) return;
            for (const Json& one : *configurations) {
                out.insert(reference_key(text_in(one, {"properties", "publicIPAddress", "id"})));
            }
        }));
    if (!used.contains(reference_key(id))) return {};
    return refuse(400, "PublicIPAddressInUse",
                  "Resource {} is referencing public IP address {} that is already allocated to "
                  "another resource.",
                  c.now.id, id);
}

// kept_address is the one that an interface had under this name and in this subnet, or "".
std::string kept_address(const Computing& c, const Json& configuration, const std::string& subnet) {
    const Json* old = c.before == nullptr ? nullptr : c.before->property("ipConfigurations");
    if (old == nullptr) return "";
    for (const Json& was : *old) {
        const bool same = text_or_empty(was, "name") == text_or_empty(configuration, "name") &&
                          equal_ignore_case(text_in(was, {"properties", "subnet", "id"}), subnet);
        if (same) return text_in(was, {"properties", "privateIPAddress"});
    }
    return "";
}

Outcome<void> compute_configuration(Computing& c, Json& configuration, bool first) {
    Json& inner = configuration["properties"];
    set_default(inner, "privateIPAllocationMethod", "Dynamic");
    set_default(inner, "privateIPAddressVersion", "IPv4");
    set_default(inner, "primary", first);
    const std::string subnet_id = text_in(inner, {"subnet", "id"});
    if (subnet_id.empty()) return bad_parameter("subnet", "an ipConfiguration has none");
    const Json subnet = TRY(find_subnet(c, subnet_id));
    TRY(check_public_address(c, text_in(inner, {"publicIPAddress", "id"})));
    const std::string kept = kept_address(c, configuration, subnet_id);
    const std::string wanted = text_or_empty(inner, "privateIPAddress");
    if (!wanted.empty() && wanted != kept) return check_address(c, subnet, wanted);
    inner["privateIPAddress"] = kept;
    if (kept.empty()) inner["privateIPAddress"] = TRY(free_address(c, subnet));
    return {};
}

Outcome<void> compute_interface(Computing& c) {
    TRY(check_items(c.now, "ipConfigurations"));
    Json& properties = c.now.properties();
    set_default(properties, "ipConfigurations", Json::array());
    set_default(properties, "enableAcceleratedNetworking", false);
    name_items(c.now, "ipConfigurations", "");
    keep_or_make(c, "resourceGuid", crypto::random_uuid);
    keep_or_make(c, "macAddress", [] {
        Bytes random = crypto::random_bytes(3);
        return fmt::format("00-0D-3A-{:02X}-{:02X}-{:02X}", random[0], random[1], random[2]);
    });
    bool first = true;
    for (Json& one : properties["ipConfigurations"]) {
        TRY(compute_configuration(c, one, std::exchange(first, false)));
    }
    return {};
}

Outcome<void> compute_bastion(Computing& c) {
    name_items(c.now, "ipConfigurations", "");
    if (!c.now.body.contains("sku")) c.now.body["sku"] = {{"name", "Basic"}};
    keep_or_make(c, "dnsName",
                 [] { return fmt::format("bst-{}.bastion.azure.com", crypto::random_uuid()); });
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
