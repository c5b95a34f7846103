// What is there without anybody having made it: the tenant and its subscription, regions,
// providers, machine sizes and images. Tables, cut down to what the tutorials and their tools ask.
#include <algorithm>
#include <set>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

namespace {

struct Location {
    const char *name, *shown, *geography, *latitude, *longitude;
};
constexpr Location kLocations[] = {
    {"westeurope", "West Europe", "Europe", "52.3667", "4.9"},
    {"northeurope", "North Europe", "Europe", "53.3478", "-6.2597"},
    {"swedencentral", "Sweden Central", "Europe", "60.67488", "17.14127"},
    {"germanywestcentral", "Germany West Central", "Europe", "50.110924", "8.682127"},
    {"switzerlandnorth", "Switzerland North", "Europe", "47.451542", "8.564572"},
    {"uksouth", "UK South", "UK", "50.941", "-0.799"},
    {"eastus", "East US", "US", "37.3719", "-79.8164"},
    {"eastus2", "East US 2", "US", "36.6681", "-78.3889"},
    {"westus", "West US", "US", "37.783", "-122.417"},
    {"westus2", "West US 2", "US", "47.233", "-119.852"},
    {"southeastasia", "Southeast Asia", "Asia Pacific", "1.283", "103.833"},
    {"japaneast", "Japan East", "Asia Pacific", "35.68", "139.77"},
};

struct Provider {
    const char* name;
    std::vector<const char*> types, versions;
};
const std::vector<Provider>& known_providers() {
    static const std::vector<Provider> kProviders = {
        {"Microsoft.KeyVault",
         {"vaults", "deletedVaults", "locations", "managedHSMs", "checkNameAvailability"},
         {"2023-07-01", "2022-11-01", "2022-07-01"}},
        {"Microsoft.Attestation",
         {"attestationProviders", "defaultProviders"},
         {"2021-06-01", "2020-10-01"}},
        {"Microsoft.Compute",
         {"virtualMachines", "disks", "diskEncryptionSets", "images", "skus"},
         {"2024-07-01", "2022-11-01", "2022-08-01"}},
        {"Microsoft.Network",
         {"virtualNetworks", "virtualNetworks/subnets", "networkSecurityGroups",
          "publicIPAddresses", "networkInterfaces", "bastionHosts"},
         {"2023-11-01", "2022-07-01", "2022-01-01"}},
        {"Microsoft.ManagedIdentity", {"userAssignedIdentities"}, {"2023-01-31"}},
        {"Microsoft.Authorization",
         {"roleAssignments", "roleDefinitions"},
         {"2022-04-01", "2020-04-01-preview"}},
        {"Microsoft.Resources",
         {"deployments", "resourceGroups", "subscriptions"},
         {"2022-09-01", "2021-04-01"}},
        {"Microsoft.Storage", {"storageAccounts"}, {"2023-01-01"}},
    };
    return kProviders;
}

Json show_provider(const std::string& subscription, std::string_view name, const Provider* known) {
    Json types = Json::array();
    if (known != nullptr) {
        Json locations = Json::array();
        for (const Location& location : kLocations) locations.push_back(location.shown);
        for (const char* type : known->types) {
            types.push_back({{"resourceType", type},
                             {"locations", locations},
                             {"apiVersions", Json(known->versions)},
                             {"capabilities", "None"}});
        }
    }
    return {{"id", fmt::format("{}/providers/{}", subscription, name)},
            {"namespace", known != nullptr ? std::string(known->name) : std::string(name)},
            {"registrationPolicy", "RegistrationRequired"},
            {"registrationState", "Registered"},
            {"resourceTypes", std::move(types)}};
}

const Provider* find_provider(std::string_view name) {
    for (const Provider& one : known_providers()) {
        if (equal_ignore_case(one.name, name)) return &one;
    }
    return nullptr;
}

// Families of confidential machines and, to compare with, one that is none.
struct Size {
    const char *prefix, *suffix, *family, *tee;
    int memory_per_cpu;
    std::vector<int> cpus;
};
const std::vector<Size>& sizes() {
    static const std::vector<Size> kSizes = {
        {"DC", "as_v5", "standardDCASv5Family", "SNP", 4, {2, 4, 8, 16, 32, 48, 64, 96}},
        {"DC", "ads_v5", "standardDCADSv5Family", "SNP", 4, {2, 4, 8, 16, 32, 48, 64, 96}},
        {"EC", "as_v5", "standardECASv5Family", "SNP", 8, {2, 4, 8, 16, 20, 32, 48, 64, 96}},
        {"DC", "es_v5", "standardDCESv5Family", "TDX", 4, {2, 4, 8, 16, 32, 48, 64, 96}},
        {"DC", "as_v6", "standardDCASv6Family", "SNP", 4, {2, 4, 8, 16, 32, 48, 64, 96}},
        {"DC", "es_v6", "standardDCESv6Family", "TDX", 4, {2, 4, 8, 16, 32, 48, 64, 96}},
        {"D", "s_v5", "standardDSv5Family", "", 4, {2, 4, 8, 16}},
    };
    return kSizes;
}

Json capability(const char* name, std::string value) {
    return {{"name", name}, {"value", std::move(value)}};
}

Json show_size(const Size& size, int cpus, const Location& location) {
    const std::string name = fmt::format("{}{}{}", size.prefix, cpus, size.suffix);
    Json capabilities = {capability("vCPUs", std::to_string(cpus)),
                         capability("MemoryGB", std::to_string(cpus * size.memory_per_cpu)),
                         capability("HyperVGenerations", *size.tee == '\0' ? "V1,V2" : "V2"),
                         capability("PremiumIO", "True"),
                         capability("CpuArchitectureType", "x64"),
                         capability("MaxResourceVolumeMB", "0")};
    if (*size.tee != '\0')
        capabilities.push_back(capability("ConfidentialComputingType", size.tee));
    const Json zones = {"1", "2", "3"};
    return {{"resourceType", "virtualMachines"},
            {"name", "Standard_" + name},
            {"tier", "Standard"},
            {"size", name},
            {"family", size.family},
            {"locations", {location.name}},
            {"locationInfo",
             {{{"location", location.name}, {"zones", zones}, {"zoneDetails", Json::array()}}}},
            {"capabilities", std::move(capabilities)},
            {"restrictions", Json::array()}};
}

constexpr std::string_view kImageVersion = "22.04.202601010";

// image_id is written as Azure writes it.
std::string image_id(const net::Request& request, std::string_view version) {
    return fmt::format(
        "/Subscriptions/{}/Providers/Microsoft.Compute/Locations/{}/Publishers/{}/ArtifactTypes/"
        "VMImage/Offers/{}/Skus/{}/Versions/{}",
        request.params.at("subscription"), normal_location(request.params.at("location")),
        request.params.at("publisher"), request.params.at("offer"), request.params.at("sku"),
        version);
}

// shared_provider is Azure's own attestation provider of a region.
Json shared_provider(const std::string& region, const Config& config) {
    const std::string code = region_code(region);
    auto known = std::find_if(std::begin(kLocations), std::end(kLocations),
                              [&](const Location& one) { return region == one.name; });
    return {{"id", "/providers/Microsoft.Attestation/attestationProviders/shared" + code},
            {"name", "shared" + code},
            {"type", "Microsoft.Attestation/attestationProviders"},
            {"location", known == std::end(kLocations) ? region : std::string(known->shown)},
            {"properties",
             {{"trustModel", "AAD"},
              {"status", "Ready"},
              {"attestUri",
               fmt::format("https://shared{}.{}.{}", code, code, config.attestation_suffix)}}}};
}

}  // namespace

std::vector<std::string> region_names() {
    std::vector<std::string> out;
    for (const Location& location : kLocations) out.emplace_back(location.name);
    return out;
}

Json Service::Impl::subscription() const {
    return {{"id", subscription_path()},
            {"subscriptionId", config.subscription_id},
            {"tenantId", config.callers.tenant},
            {"displayName", config.subscription_name},
            {"state", "Enabled"},
            {"authorizationSource", "RoleBased"},
            {"subscriptionPolicies",
             {{"locationPlacementId", "Public_2014-09-01"},
              {"quotaId", "PayAsYouGo_2014-09-01"},
              {"spendingLimit", "Off"}}},
            {"managedByTenants", Json::array()}};
}

Outcome<net::Response> Service::Impl::list_tenants(const Call&) {
    return list_response({{{"id", "/tenants/" + config.callers.tenant},
                           {"tenantId", config.callers.tenant},
                           {"displayName", config.tenant_name},
                           {"defaultDomain", config.tenant_domain},
                           {"tenantType", "AAD"},
                           {"tenantCategory", "Home"}}});
}

// Who has no role in the subscription does not see it, as on Azure.
Outcome<net::Response> Service::Impl::list_subscriptions(const Call& call) {
    Json values = Json::array();
    if (TRY(has_any_role(call))) values.push_back(subscription());
    const Json count = {{"type", "Total"}, {"value", values.size()}};
    return net::json_response(200, {{"value", std::move(values)}, {"count", count}});
}

Outcome<net::Response> Service::Impl::get_subscription(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    TRY(authorize(call, subscription_path(), "Microsoft.Resources/subscriptions/read"));
    return net::json_response(200, subscription());
}

Outcome<net::Response> Service::Impl::list_locations(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    Json values = Json::array();
    for (const Location& one : kLocations) {
        values.push_back({{"id", fmt::format("{}/locations/{}", subscription_path(), one.name)},
                          {"name", one.name},
                          {"type", "Region"},
                          {"displayName", one.shown},
                          {"regionalDisplayName", fmt::format("({}) {}", one.geography, one.shown)},
                          {"metadata",
                           {{"regionType", "Physical"},
                            {"regionCategory", "Recommended"},
                            {"geographyGroup", one.geography},
                            {"latitude", one.latitude},
                            {"longitude", one.longitude},
                            {"physicalLocation", ""},
                            {"pairedRegion", Json::array()}}}});
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::list_providers(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    Json values = Json::array();
    for (const Provider& one : known_providers()) {
        values.push_back(show_provider(subscription_path(), one.name, &one));
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::get_provider(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    const std::string& name = call.request.params.at("namespace");
    return net::json_response(200, show_provider(subscription_path(), name, find_provider(name)));
}

// Every provider is registered from the beginning.
Outcome<net::Response> Service::Impl::register_provider(const Call& call) {
    return get_provider(call);
}

Outcome<net::Response> Service::Impl::list_skus(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    const std::string wanted = normal_location(filter_value(call.request, "location"));
    Json values = Json::array();
    for (const Location& location : kLocations) {
        if (!wanted.empty() && wanted != location.name) continue;
        for (const Size& size : sizes()) {
            for (int cpus : size.cpus) values.push_back(show_size(size, cpus, location));
        }
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::list_image_versions(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    return net::json_response(
        200, Json::array({{{"name", kImageVersion},
                           {"location", normal_location(call.request.params.at("location"))},
                           {"id", image_id(call.request, kImageVersion)}}}));
}

Outcome<net::Response> Service::Impl::get_image_version(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    const std::string& version = call.request.params.at("version");
    if (!equal_ignore_case(version, kImageVersion) && !equal_ignore_case(version, "latest")) {
        return refuse(404, "NotFound", "Artifact: VMImage was not found.");
    }
    const Json confidential = {{"name", "SecurityType"}, {"value", "ConfidentialVmSupported"}};
    return net::json_response(200,
                              {{"name", kImageVersion},
                               {"location", normal_location(call.request.params.at("location"))},
                               {"id", image_id(call.request, kImageVersion)},
                               {"properties",
                                {{"osDiskImage", {{"operatingSystem", "Linux"}, {"sizeInGb", 31}}},
                                 {"dataDiskImages", Json::array()},
                                 {"hyperVGeneration", "V2"},
                                 {"architecture", "x64"},
                                 {"features", Json::array({confidential})},
                                 {"disallowed", {{"vmDiskType", "Unmanaged"}}}}}});
}

Outcome<net::Response> Service::Impl::default_attestation_providers(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    Json values = Json::array();
    for (const std::string& region : config.shared_provider_regions) {
        values.push_back(shared_provider(region, config));
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::default_attestation_provider(const Call& call) {
    TRY(check_subscription({call.request.params.at("subscription"), "", {}}));
    const std::string location = normal_location(call.request.params.at("location"));
    for (const std::string& region : config.shared_provider_regions) {
        if (region != location) continue;
        return net::json_response(200, shared_provider(region, config));
    }
    return refuse(404, "NotFound", "There is no default attestation provider in '{}' here.",
                  location);
}

// Azure's names: what a client keeps of them and this lab does not have is refused by its door.
net::Response Service::Impl::cloud_metadata(const net::Request& request) const {
    const std::string* version = request.query_value("api-version");
    if (version == nullptr || version->empty()) {
        return net::error_response(400, "MissingApiVersionParameter",
                                   "The api-version query parameter (?api-version=) is required "
                                   "for all requests.");
    }
    const std::string gallery = "https://gallery.azure.com/", portal = "https://portal.azure.com";
    const std::string login = config.callers.login_authority;
    Json audiences = Json::array();
    for (const std::string& audience : config.audiences) audiences.push_back(audience + "/");
    if (*version < "2019-05-01") {
        return net::json_response(
            200, {{"galleryEndpoint", gallery},
                  {"graphEndpoint", "https://graph.windows.net/"},
                  {"portalEndpoint", portal + "/"},
                  {"authentication",
                   {{"loginEndpoint", login + "/"}, {"audiences", std::move(audiences)}}}});
    }
    Json cloud = {{"name", "AzureCloud"},
                  {"portal", portal},
                  {"authentication",
                   {{"loginEndpoint", login},
                    {"audiences", std::move(audiences)},
                    {"tenant", "common"},
                    {"identityProvider", "AAD"}}},
                  {"resourceManager", config.endpoint + "/"},
                  {"graph", "https://graph.windows.net/"},
                  {"graphAudience", "https://graph.windows.net/"},
                  {"microsoftGraphResourceId", "https://graph.microsoft.com/"},
                  {"attestationResourceId", "https://" + config.attestation_suffix},
                  {"gallery", gallery},
                  {"batch", "https://batch.core.windows.net/"},
                  {"media", "https://rest.media.azure.net"},
                  {"sqlManagement", "https://management.core.windows.net:8443/"},
                  {"vmImageAliasDoc",
                   "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/"
                   "arm-compute/quickstart-templates/aliases.json"},
                  {"suffixes",
                   {{"keyVaultDns", config.vault_suffix},
                    {"mhsmDns", "managedhsm.azure.net"},
                    {"attestationEndpoint", config.attestation_suffix},
                    {"storage", "core.windows.net"},
                    {"acrLoginServer", "azurecr.io"},
                    {"sqlServerHostname", "database.windows.net"}}}};
    if (*version >= "2022-09-01") return net::json_response(200, cloud);
    return net::json_response(200, Json::array({std::move(cloud)}));
}

}  // namespace vouchsafe::cloud
