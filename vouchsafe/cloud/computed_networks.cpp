// Networks: what vaults know machines by, and ssh finds them by.
#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/computed_parts.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

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

}  // namespace

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

}  // namespace vouchsafe::cloud
