// What Azure computes, type by type; vaults after their deletion; roles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/cloud/test_manager.h"

namespace vouchsafe::cloud {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::MatchesRegex;

const std::string kGuid = "[0-9a-f-]{36}";
const std::string kNetwork = "Microsoft.Network/";

// make_network_and_interface gives the interface's id.
std::string make_interface(Manager& manager, const std::string& name) {
    manager.put(kGroup + "/providers/Microsoft.Network/virtualNetworks/v", network_body());
    const std::string subnet =
        kGroup + "/providers/Microsoft.Network/virtualNetworks/v/subnets/vm-subnet";
    Reply reply =
        manager.put(kGroup + "/providers/Microsoft.Network/networkInterfaces/" + name,
                    {{"location", "westeurope"},
                     {"properties",
                      {{"ipConfigurations",
                        {{{"name", "ip"}, {"properties", {{"subnet", {{"id", subnet}}}}}}}}}}});
    return reply.status == 201 ? reply.body["id"].get<std::string>() : reply.text;
}

Json machine_body(const std::string& interface) {
    return {
        {"location", "westeurope"},
        {"identity", {{"type", "SystemAssigned"}}},
        {"properties",
         {{"networkProfile", {{"networkInterfaces", {{{"id", interface}}}}}},
          {"storageProfile",
           {{"osDisk",
             {{"name", nullptr},
              {"managedDisk",
               {{"storageAccountType", nullptr},
                {"securityProfile", {{"securityEncryptionType", "DiskWithVMGuestState"}}}}}}}}},
          {"osProfile", {{"adminUsername", "u"}, {"adminPassword", "hush"}, {"customData", "c"}}},
          {"securityProfile",
           {{"securityType", "ConfidentialVM"},
            {"uefiSettings", {{"secureBootEnabled", true}, {"vTpmEnabled", true}}}}}}}};
}

TEST(Vaults, GetTheirAddressAndDefaults) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.KeyVault/vaults/MyConfKV-1";
    EXPECT_EQ(manager.get(id).code(), "ResourceNotFound");
    Json made = manager.make("Microsoft.KeyVault/vaults/MyConfKV-1", vault_body());
    const Json& properties = made["properties"];
    EXPECT_EQ(properties["vaultUri"], "https://myconfkv-1.vault.azure.net/");
    EXPECT_EQ(properties["sku"]["name"], "Premium");
    EXPECT_EQ(properties["softDeleteRetentionInDays"], 90);
    EXPECT_EQ(properties["enableSoftDelete"], true);
    EXPECT_EQ(properties["enableRbacAuthorization"], true);
    EXPECT_FALSE(properties.contains("enablePurgeProtection"));
    EXPECT_EQ(properties["provisioningState"], "Succeeded");
}

TEST(Vaults, RefuseWhatAzureRefuses) {
    Manager manager;
    const std::string vaults = kGroup + "/providers/Microsoft.KeyVault/vaults/";
    auto code = [&](const std::string& name, const Json& change) {
        return manager.put(vaults + name, vault_body(change)).code();
    };
    for (const char* name : {"ab", "1abc", "a--b", "abc-", "a_bc", "abcdefghijklmnopqrstuvwxy"}) {
        EXPECT_EQ(code(name, Json::object()), "VaultNameNotValid") << name;
    }
    EXPECT_EQ(code("abc", {{"sku", {{"name", "gold"}}}}), "InvalidParameter");
    EXPECT_EQ(code("abc", {{"softDeleteRetentionInDays", 6}}), "InvalidParameter");
    EXPECT_EQ(code("abc", {{"softDeleteRetentionInDays", 91}}), "InvalidParameter");
    EXPECT_EQ(code("abc", {{"tenantId", kMachine}}), "InvalidParameter");
    EXPECT_EQ(code("abc", {{"accessPolicies", {{{"objectId", "x"}}}}}), "InvalidRequestContent");
    EXPECT_EQ(manager.put(vaults + "abc", {{"location", "westeurope"}}).code(),
              "InvalidRequestContent");
    EXPECT_TRUE(manager.effects.told.empty());

    EXPECT_EQ(code("abc", {{"enablePurgeProtection", true}, {"softDeleteRetentionInDays", 7}}), "");
    EXPECT_EQ(code("abc", {{"enablePurgeProtection", false}, {"softDeleteRetentionInDays", 7}}),
              "BadRequest");
    EXPECT_EQ(code("abc", {{"softDeleteRetentionInDays", 8}}), "BadRequest");
    // Left out, both stay.
    Reply again = manager.put(vaults + "abc", vault_body());
    EXPECT_EQ(again.status, 200);
    EXPECT_EQ(again.body["properties"]["enablePurgeProtection"], true);
    EXPECT_EQ(again.body["properties"]["softDeleteRetentionInDays"], 7);
}

TEST(Vaults, HaveNamesOfTheirOwnEverywhere) {
    Manager manager;
    manager.make_group("rg2");
    manager.make("Microsoft.KeyVault/vaults/one", vault_body());
    const std::string other = kS + "/resourceGroups/rg2/providers/Microsoft.KeyVault/vaults/ONE";
    EXPECT_EQ(manager.put(other, vault_body()).code(), "VaultAlreadyExists");
    auto available = [&](const char* name) {
        return manager
            .send("POST", kS + "/providers/Microsoft.KeyVault/checkNameAvailability" + kVersion,
                  {{"name", name}, {"type", "Microsoft.KeyVault/vaults"}})
            .body["nameAvailable"]
            .get<bool>();
    };
    EXPECT_FALSE(available("One"));
    EXPECT_TRUE(available("two"));
    manager.remove(kGroup + "/providers/Microsoft.KeyVault/vaults/one");
    EXPECT_FALSE(available("one"));
}

TEST(Vaults, AreRecoveredOrPurgedAfterTheirDeletion) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.KeyVault/vaults/one";
    const std::string deleted =
        kS + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one";
    Json made = manager.make("Microsoft.KeyVault/vaults/one", vault_body());
    EXPECT_EQ(manager.get(deleted).code(), "DeletedVaultNotFound");
    EXPECT_EQ(manager.remove(id).status, 200);
    EXPECT_EQ(manager.get(id).status, 404);

    Json shown = manager.get(deleted).body;
    EXPECT_EQ(shown["properties"]["vaultId"], id);
    EXPECT_EQ(shown["properties"]["deletionDate"], "2026-07-01T12:00:00Z");
    EXPECT_EQ(shown["properties"]["scheduledPurgeDate"], "2026-09-29T12:00:00Z");
    EXPECT_EQ(manager.get(kS + "/providers/Microsoft.KeyVault/deletedVaults").body["value"].size(),
              1U);
    EXPECT_EQ(manager.put(id, vault_body()).code(), "ConflictError");
    EXPECT_EQ(manager
                  .put(kGroup + "/providers/Microsoft.KeyVault/vaults/two",
                       vault_body({{"createMode", "recover"}}))
                  .code(),
              "DeletedVaultNotFound");

    Reply recovered = manager.put(id, vault_body({{"createMode", "recover"}}));
    EXPECT_EQ(recovered.status, 201);
    EXPECT_EQ(recovered.body["properties"], made["properties"]);
    EXPECT_EQ(manager.get(deleted).status, 404);

    manager.remove(id);
    EXPECT_EQ(manager.send("POST", deleted + "/purge" + kVersion).status, 200);
    EXPECT_EQ(manager.send("POST", deleted + "/purge" + kVersion).status, 404);
    EXPECT_EQ(manager.put(id, vault_body()).status, 201);
    EXPECT_THAT(manager.effects.told, ElementsAre("new one", "remove one", "recover one",
                                                  "remove one", "purge one", "new one"));
}

TEST(Vaults, AreNotPurgedWhileTheyAreProtected) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.KeyVault/vaults/one";
    const std::string deleted =
        kS + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one";
    manager.make("Microsoft.KeyVault/vaults/one", vault_body({{"enablePurgeProtection", true}}));
    manager.remove(id);
    Reply refused = manager.send("POST", deleted + "/purge" + kVersion);
    EXPECT_EQ(refused.status, 405);
    EXPECT_EQ(refused.code(), "MethodNotAllowed");
    EXPECT_EQ(refused.body["error"]["message"], "Operation 'DeletedVaultPurge' is not allowed.");
    manager.clock.set(test_time() + Seconds{91 * 86400});
    EXPECT_EQ(manager.get(deleted).status, 404);
    EXPECT_EQ(manager.put(id, vault_body()).status, 201);
    EXPECT_THAT(manager.effects.told, ElementsAre("new one", "remove one", "purge one", "new one"));
}

TEST(Vaults, ChangeTheirAccessPolicies) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.KeyVault/vaults/one";
    manager.make("Microsoft.KeyVault/vaults/one", vault_body());
    auto policy = [](const std::string& who, const Json& keys) {
        return Json{
            {"properties",
             {{"accessPolicies",
               {{{"tenantId", kTenant}, {"objectId", who}, {"permissions", {{"keys", keys}}}}}}}}};
    };
    auto policies = [&] { return manager.get(id).body["properties"]["accessPolicies"]; };
    auto change = [&](const char* how, const Json& body) {
        return manager.put(id + "/accessPolicies/" + how, body).status;
    };
    EXPECT_EQ(change("add", policy(kMachine, {"get", "list"})), 200);
    EXPECT_EQ(change("add", policy(kMachine, {"list", "sign"})), 200);
    EXPECT_EQ(policies()[0]["permissions"]["keys"], (Json{"get", "list", "sign"}));
    EXPECT_EQ(change("remove", policy(kMachine, Json::array({"sign"}))), 200);
    EXPECT_EQ(change("replace", policy(kOwner, Json::array({"get"}))), 200);
    EXPECT_EQ(policies().size(), 2U);
    EXPECT_EQ(policies()[0]["permissions"]["keys"], (Json{"get", "list"}));
    EXPECT_EQ(change("other", policy(kOwner, Json::array())), 400);
    EXPECT_EQ(change("add", policy("x", Json::array())), 400);
    EXPECT_EQ(change("add", Json::object()), 400);
}

TEST(AttestationProviders, AreReadyUnderTheirRegionsName) {
    Manager manager;
    Json made = manager.make("Microsoft.Attestation//attestationProviders/attesta1b2c3",
                             {{"location", "westeurope"}, {"properties", Json::object()}});
    EXPECT_EQ(made["type"], "Microsoft.Attestation/attestationProviders");
    EXPECT_EQ(made["properties"]["attestUri"], "https://attesta1b2c3.weu.attest.azure.net");
    EXPECT_EQ(made["properties"]["status"], "Ready");
    EXPECT_EQ(made["properties"]["trustModel"], "AAD");
    EXPECT_EQ(manager
                  .put(kGroup + "/providers/Microsoft.Attestation/attestationProviders/a.b.c",
                       {{"location", "westeurope"}})
                  .status,
              400);
}

TEST(AttestationProviders, HaveNamesOfTheirOwnAndRegionsWithACode) {
    Manager manager;
    manager.make_group("other");
    const Json body = {{"location", "westeurope"}, {"properties", Json::object()}};
    const std::string type = "/providers/Microsoft.Attestation/attestationProviders/";
    manager.make("Microsoft.Attestation/attestationProviders/mine", body);
    auto code = [&](const std::string& group, const std::string& name, const Json& what) {
        return manager.put(kS + "/resourceGroups/" + group + type + name, what).code();
    };
    EXPECT_EQ(code("other", "MINE", body), "DuplicateTenant");
    EXPECT_EQ(code("rg", "sharedweu", body), "DuplicateTenant");  // Azure's own
    EXPECT_EQ(code("rg", "SharedNeu", body), "DuplicateTenant");
    EXPECT_EQ(code("rg", "sharedmine", body), "");
    EXPECT_EQ(code("rg", "ab", body), "InvalidParameter");
    EXPECT_EQ(code("rg", "my-own", body), "InvalidParameter");
    EXPECT_EQ(code("rg", "abcdefghijklmnopqrstuvwxy", body), "InvalidParameter");
    EXPECT_EQ(code("rg", "far", {{"location", "farside"}}), "LocationNotAvailableForResourceType");
    EXPECT_EQ(code("rg", "mine", {{"location", "northeurope"}}), "InvalidResourceLocation");
}

TEST(AttestationProviders, KeepTheCertificatesOfTheirMakerToThemselves) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.Attestation/attestationProviders/mine";
    auto body = [](const Json& keys) {
        return Json{{"location", "westeurope"},
                    {"properties", {{"policySigningCertificates", {{"keys", keys}}}}}};
    };
    const Json one = Json::array({{{"kty", "RSA"}, {"x5c", {"AAAA"}}}});
    Json made = manager.make("Microsoft.Attestation/attestationProviders/mine", body(one));
    EXPECT_EQ(made["properties"]["trustModel"], "Isolated");
    EXPECT_FALSE(made["properties"].contains("policySigningCertificates"));
    // Repeated or left out, it stays; others cannot be named later.
    EXPECT_EQ(manager.put(id, body(one)).status, 200);
    const Reply again = manager.put(id, {{"location", "westeurope"}});
    EXPECT_EQ(again.body["properties"]["trustModel"], "Isolated");
    const Json two = Json::array({{{"kty", "RSA"}, {"x5c", {"BBBB"}}}});
    EXPECT_EQ(manager.put(id, body(two)).code(), "InvalidParameter");

    const std::string open = kGroup + "/providers/Microsoft.Attestation/attestationProviders/open";
    EXPECT_EQ(manager.put(open, body(Json::array())).body["properties"]["trustModel"], "AAD");
    EXPECT_EQ(manager.put(open, body(one)).code(), "InvalidParameter");
}

TEST(AttestationProviders, OfAzureItselfAreListedWhereTheyAre) {
    Manager manager;
    const std::string attestation = kS + "/providers/Microsoft.Attestation";
    const Json listed = manager.get(attestation + "/defaultProviders").body["value"];
    ASSERT_EQ(listed.size(), 1U);
    EXPECT_EQ(listed[0]["properties"]["attestUri"], "https://sharedweu.weu.attest.azure.net");
    EXPECT_EQ(manager.get(attestation + "/locations/West%20Europe/defaultProvider").body,
              listed[0]);
    EXPECT_EQ(manager.get(attestation + "/locations/northeurope/defaultProvider").status, 404);
}

TEST(CloudMetadata, IsToldToEverybodyInTheShapeOfItsVersion) {
    Manager manager;
    auto ask = [&](const std::string& query) {
        return manager.send("GET", "/metadata/endpoints" + query, nullptr, "");
    };
    EXPECT_EQ(ask("").code(), "MissingApiVersionParameter");
    Json oldest = ask("?api-version=2015-01-01").body;
    EXPECT_EQ(oldest["authentication"]["loginEndpoint"], "https://login.microsoftonline.com/");
    EXPECT_EQ(oldest["authentication"]["audiences"][0], "https://management.azure.com/");
    Json list = ask("?api-version=2019-05-01").body;
    ASSERT_TRUE(list.is_array());
    Json cloud = ask("?api-version=2022-09-01").body;
    EXPECT_EQ(list, Json::array({cloud}));
    EXPECT_EQ(cloud["resourceManager"], "https://management.azure.com/");
    EXPECT_EQ(cloud["suffixes"]["keyVaultDns"], "vault.azure.net");
    EXPECT_EQ(cloud["suffixes"]["attestationEndpoint"], "attest.azure.net");
    EXPECT_EQ(cloud["microsoftGraphResourceId"], "https://graph.microsoft.com/");
    // The next path is for callers alone.
    EXPECT_EQ(manager.send("GET", "/metadata/other?api-version=2022-09-01", nullptr, "").status,
              401);
}

TEST(Networks, HoldSubnetsWithIdsOfTheirOwn) {
    Manager manager;
    Json made = manager.make(kNetwork + "virtualNetworks/v", network_body());
    const std::string id = made["id"];
    EXPECT_EQ(made["properties"]["subnets"][0]["id"], id + "/subnets/vm-subnet");
    Json body = {{"name", "AzureBastionSubnet"},
                 {"properties", {{"addressPrefix", "10.10.0.64/26"}}}};
    Reply reply = manager.put(id + "/subnets/AzureBastionSubnet", body);
    EXPECT_EQ(reply.status, 201);
    EXPECT_EQ(reply.body["type"], "Microsoft.Network/virtualNetworks/subnets");
    EXPECT_EQ(manager.put(id + "/SUBNETS/azurebastionsubnet", body).status, 200);
    EXPECT_EQ(manager.get(id + "/subnets").body["value"].size(), 2U);
    EXPECT_EQ(manager.get(id + "/subnets/VM-subnet").body["name"], "vm-subnet");
    EXPECT_EQ(manager.get(id).body["properties"]["subnets"][1]["name"], "AzureBastionSubnet");

    // Written without its subnets, the network keeps them; with others, it has those.
    Json without = network_body();
    without["properties"].erase("subnets");
    EXPECT_EQ(manager.put(id, without).body["properties"]["subnets"].size(), 2U);
    EXPECT_EQ(manager.put(id, network_body()).body["properties"]["subnets"].size(), 1U);
    EXPECT_EQ(manager.get(id + "/subnets/AzureBastionSubnet").status, 404);
    EXPECT_EQ(manager.remove(id + "/subnets/vm-subnet").status, 200);
    EXPECT_EQ(manager.remove(id + "/subnets/vm-subnet").status, 204);
    EXPECT_EQ(
        manager.put(kGroup + "/providers/Microsoft.Network/virtualNetworks/none/subnets/s", body)
            .code(),
        "ParentResourceNotFound");
    Json twice = network_body();
    twice["properties"]["subnets"].push_back({{"name", "VM-SUBNET"}});
    EXPECT_EQ(manager.put(id, twice).code(), "InvalidParameter");
}

TEST(Networks, HaveRulesInTheirSecurityGroups) {
    Manager manager;
    Json made = manager.make(kNetwork + "networkSecurityGroups/n", {{"location", "westeurope"}});
    EXPECT_EQ(made["properties"]["defaultSecurityRules"].size(), 6U);
    Reply rule = manager.put(made["id"].get<std::string>() + "/securityRules/ssh",
                             {{"properties", {{"priority", 100}}}});
    EXPECT_EQ(rule.status, 201);
    EXPECT_EQ(manager.get(made["id"]).body["properties"]["securityRules"][0]["name"], "ssh");
}

TEST(Interfaces, GetAddressesThatNobodyHas) {
    Manager manager;
    const std::string first = make_interface(manager, "n1");
    const std::string second = make_interface(manager, "n2");
    auto address = [&](const std::string& id) {
        return manager.get(id)
            .body["properties"]["ipConfigurations"][0]["properties"]["privateIPAddress"];
    };
    EXPECT_EQ(address(first), "10.10.0.4");
    EXPECT_EQ(address(second), "10.10.0.5");
    Json made = manager.get(first).body;
    EXPECT_THAT(made["properties"]["macAddress"].get<std::string>(),
                MatchesRegex("00-0D-3A-[0-9A-F]{2}-[0-9A-F]{2}-[0-9A-F]{2}"));
    EXPECT_EQ(made["properties"]["ipConfigurations"][0]["id"], first + "/ipConfigurations/ip");
    // Written again, it keeps what it has; deleted, its address is free.
    Json body = {{"location", "westeurope"},
                 {"properties",
                  {{"ipConfigurations",
                    {{{"name", "ip"},
                      {"properties",
                       {{"subnet",
                         made["properties"]["ipConfigurations"][0]["properties"]["subnet"]}}}}}}}}};
    Reply again = manager.put(first, body);
    EXPECT_EQ(again.body["properties"]["macAddress"], made["properties"]["macAddress"]);
    EXPECT_EQ(address(first), "10.10.0.4");
    manager.remove(first);
    EXPECT_EQ(address(make_interface(manager, "n3")), "10.10.0.4");
    // A network of 16 has room for eleven.
    for (int i = 4; i < 13; ++i) make_interface(manager, "n" + std::to_string(i));
    EXPECT_THAT(make_interface(manager, "n99"), ::testing::HasSubstr("SubnetIsFull"));
}

TEST(Networks, HaveSubnetsThatAreApartAndTheirOwn) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.Network/virtualNetworks/v";
    const auto code = [&](const std::string& space, const Json& first, const Json& second) {
        return manager
            .put(id, {{"location", "westeurope"},
                      {"properties",
                       {{"addressSpace", {{"addressPrefixes", {space}}}},
                        {"subnets",
                         {{{"name", "a"}, {"properties", {{"addressPrefix", first}}}},
                          {{"name", "b"}, {"properties", {{"addressPrefixes", {second}}}}}}}}}})
            .code();
    };
    EXPECT_EQ(code("10.0.0.0/16", "10.0.1.0/24", "10.0.1.128/25"), "NetcfgSubnetRangesOverlap");
    EXPECT_EQ(code("10.0.0.0/16", "10.0.0.0/16", "10.0.9.0/24"), "NetcfgSubnetRangesOverlap");
    EXPECT_EQ(code("10.0.0.0/16", "10.0.0.0/24", "10.1.0.0/24"), "NetcfgInvalidSubnet");
    EXPECT_EQ(code("10.0.0.0/16", "10.0.0.0/24", "10.0.0.0/15"), "NetcfgInvalidSubnet");
    for (const char* nobodys : {"127.0.0.0/24", "169.254.169.0/24", "168.63.0.0/16", "239.1.0.0/24",
                                "255.255.255.0/24"}) {
        EXPECT_EQ(code("0.0.0.0/0", nobodys, "10.0.0.0/24"), "NetcfgInvalidSubnet") << nobodys;
    }
    EXPECT_EQ(code("10.0.0.0/16", "10.0.0.0/24", "10.0.1.0/24"), "");
    EXPECT_EQ(
        manager.put(id + "/subnets/c", {{"properties", {{"addressPrefix", "10.0.1.0/28"}}}}).code(),
        "NetcfgSubnetRangesOverlap");
    EXPECT_EQ(
        manager.put(id + "/subnets/c", {{"properties", {{"addressPrefix", "10.0.2.0/28"}}}}).status,
        201);
    // One that is written again does not meet itself.
    EXPECT_EQ(
        manager.put(id + "/subnets/c", {{"properties", {{"addressPrefix", "10.0.2.0/27"}}}}).status,
        200);
}

Reply put_interface(Manager& manager, const std::string& name, const Json& change) {
    const std::string network = kGroup + "/providers/Microsoft.Network/";
    manager.put(network + "virtualNetworks/v", network_body());
    Json properties = {{"subnet", {{"id", network + "virtualNetworks/v/subnets/vm-subnet"}}}};
    properties.update(change);
    return manager.put(
        network + "networkInterfaces/" + name,
        {{"location", "westeurope"},
         {"properties", {{"ipConfigurations", {{{"name", "ip"}, {"properties", properties}}}}}}});
}

TEST(Interfaces, HaveAddressesOfTheirSubnetThatNobodyElseHas) {
    Manager manager;
    const auto code = [&](const std::string& name, const char* address) {
        return put_interface(manager, name, {{"privateIPAddress", address}}).code();
    };
    EXPECT_EQ(code("a", "10.10.0.7"), "");
    EXPECT_EQ(code("a", "10.10.0.7"), "");  // its own, again
    EXPECT_EQ(code("b", "10.10.0.7"), "PrivateIPAddressIsAllocated");
    for (const char* outside : {"127.0.0.1", "169.254.169.254", "10.10.0.16", "10.11.0.7"}) {
        EXPECT_EQ(code("b", outside), "PrivateIPAddressNotInSubnet") << outside;
    }
    for (const char* reserved : {"10.10.0.0", "10.10.0.3", "10.10.0.15"}) {
        EXPECT_EQ(code("b", reserved), "PrivateIPAddressInReservedRange") << reserved;
    }
    for (const char* none : {"+10.10.0.8", "10.10.0.08", "10.10.0.8 ", "10.10.0", "::1", "x"}) {
        EXPECT_EQ(code("b", none), "InvalidParameter") << none;
    }
    EXPECT_EQ(code("b", "10.10.0.14"), "");
    // However the subnet's id is written, it is the same one.
    const std::string same =
        kGroup + "/providers//Microsoft.Network/virtualNetworks/V/subnets/VM-SUBNET";
    EXPECT_EQ(put_interface(manager, "c",
                            {{"subnet", {{"id", same}}}, {"privateIPAddress", "10.10.0.14"}})
                  .code(),
              "PrivateIPAddressIsAllocated");
}

TEST(Interfaces, HavePublicAddressesThatWereMadeAndAreNobodyElses) {
    Manager manager;
    const auto code = [&](const std::string& name, const Json& id) {
        return put_interface(manager, name, {{"publicIPAddress", {{"id", id}}}}).code();
    };
    const Json location = {{"location", "westeurope"}};
    const Json made = manager.make(kNetwork + "publicIPAddresses/p", location)["id"];
    // Anything can be written into a resource of a type that is not known.
    Json unknown = location;
    unknown["properties"] = {{"ipAddress", "1.2.3.4\nProxyCommand x"}};
    const Json other = manager.make("Microsoft.Other/things/p", unknown)["id"];
    EXPECT_EQ(code("a", other), "InvalidResourceReference");
    EXPECT_EQ(code("a", made.get<std::string>() + "x"), "InvalidResourceReference");
    EXPECT_EQ(code("a", made), "");
    EXPECT_EQ(code("a", made), "");
    EXPECT_EQ(code("b", made), "PublicIPAddressInUse");
}

TEST(Interfaces, NeedASubnetThatIsThere) {
    Manager manager;
    for (const char* subnet : {"none", "/subscriptions/x", ""}) {
        Reply reply =
            manager.put(kGroup + "/providers/Microsoft.Network/networkInterfaces/n",
                        {{"location", "westeurope"},
                         {"properties",
                          {{"ipConfigurations",
                            {{{"name", "ip"}, {"properties", {{"subnet", {{"id", subnet}}}}}}}}}}});
        EXPECT_EQ(reply.status, 400) << subnet;
    }
}

TEST(PublicAddresses, LeadToThisComputer) {
    Manager manager;
    auto make = [&](const char* name) {
        return manager.make(kNetwork + "publicIPAddresses/" + std::string(name),
                            {{"location", "westeurope"}, {"sku", {{"name", "Standard"}}}});
    };
    Json a = make("a"), b = make("b");
    EXPECT_EQ(a["properties"]["ipAddress"], "127.42.0.4");
    EXPECT_EQ(b["properties"]["ipAddress"], "127.42.0.5");
    EXPECT_EQ(
        manager
            .put(a["id"], {{"location", "westeurope"}, {"properties", {{"ipAddress", "8.8.8.8"}}}})
            .body["properties"]["ipAddress"],
        "127.42.0.4");
}

TEST(Bastions, GetAName) {
    Manager manager;
    Json made = manager.make(kNetwork + "bastionHosts/b", {{"location", "westeurope"}});
    EXPECT_THAT(made["properties"]["dnsName"].get<std::string>(),
                MatchesRegex("bst-" + kGuid + "\\.bastion\\.azure\\.com"));
    EXPECT_EQ(made["sku"]["name"], "Basic");
}

TEST(Identities, StayTheSame) {
    Manager manager;
    Reply made =
        manager.put(kGroup + "/providers/Microsoft.Compute/diskEncryptionSets/d",
                    {{"location", "westeurope"}, {"identity", {{"type", "SystemAssigned"}}}});
    EXPECT_EQ(made.status, 200);  // its clients know no 201
    Json set = made.body;
    const std::string principal = set["identity"]["principalId"];
    EXPECT_THAT(principal, MatchesRegex(kGuid));
    EXPECT_EQ(set["identity"]["tenantId"], kTenant);
    EXPECT_EQ(
        manager
            .put(set["id"], {{"location", "westeurope"},
                             {"identity", {{"type", "SystemAssigned"}, {"principalId", kOwner}}}})
            .body["identity"]["principalId"],
        principal);
    Json user =
        manager.make("Microsoft.ManagedIdentity/userAssignedIdentities/i",
                     {{"location", "westeurope"}, {"properties", {{"principalId", kOwner}}}});
    EXPECT_NE(user["properties"]["principalId"], kOwner);
    EXPECT_THAT(user["properties"]["clientId"].get<std::string>(), MatchesRegex(kGuid));
}

TEST(Machines, GetIdsAnIdentityAndADisk) {
    Manager manager;
    const std::string interface = make_interface(manager, "n1");
    Json made = manager.make("Microsoft.Compute/virtualMachines/vm", machine_body(interface));
    const Json& properties = made["properties"];
    EXPECT_THAT(properties["vmId"].get<std::string>(), MatchesRegex(kGuid));
    EXPECT_THAT(made["identity"]["principalId"].get<std::string>(), MatchesRegex(kGuid));
    const std::string disk = properties["storageProfile"]["osDisk"]["name"];
    EXPECT_TRUE(disk.starts_with("vm_OsDisk_1_"));
    EXPECT_EQ(properties["storageProfile"]["osDisk"]["managedDisk"]["id"],
              kGroup + "/providers/Microsoft.Compute/disks/" + disk);
    EXPECT_FALSE(properties["osProfile"].contains("adminPassword"));
    EXPECT_FALSE(properties["osProfile"].contains("customData"));
    EXPECT_FALSE(properties.contains("instanceView"));

    const std::string id = made["id"];
    auto power = [&] {
        return manager.get(id, kVersion + "&$expand=instanceView")
            .body["properties"]["instanceView"]["statuses"][1]["code"];
    };
    EXPECT_EQ(power(), "PowerState/running");
    EXPECT_EQ(manager.send("POST", id + "/powerOff" + kVersion).status, 200);
    EXPECT_EQ(power(), "PowerState/stopped");
    EXPECT_EQ(manager.send("POST", id + "/START" + kVersion).status, 200);
    EXPECT_EQ(power(), "PowerState/running");
    EXPECT_EQ(manager.send("POST", id + "/explode" + kVersion).status, 400);
    EXPECT_THAT(manager.effects.told, ElementsAre("new vm", "powerOff vm", "start vm"));
    EXPECT_EQ(manager.put(id, machine_body(interface)).body["properties"]["vmId"],
              properties["vmId"]);
}

TEST(Machines, HaveInterfacesThatAreSuchAndNobodyElses) {
    Manager manager;
    const std::string machines = "Microsoft.Compute/virtualMachines/";
    const Json first = manager.make(machines + "a", machine_body(make_interface(manager, "n1")));
    const std::string taken = kGroup + "/providers/Microsoft.Network/networkInterfaces/N1";
    const auto code = [&](const Json& body) {
        return manager.put(kGroup + "/providers/" + machines + "b", body).code();
    };
    EXPECT_EQ(code(machine_body(taken)), "NicInUse");
    Json fake = {{"location", "westeurope"},
                 {"properties", {{"ipConfigurations", {{{"name", "ip"}}}}}}};
    const Json other = manager.make("Microsoft.Other/things/n", fake)["id"];
    EXPECT_EQ(code(machine_body(other)), "InvalidResourceReference");
    Json twice = machine_body(make_interface(manager, "n2"));
    Json& list = twice["properties"]["networkProfile"]["networkInterfaces"];
    list.push_back(list[0]);
    EXPECT_EQ(code(twice), "InvalidParameter");
    EXPECT_EQ(code(machine_body(list[0]["id"])), "");
    EXPECT_EQ(manager.put(first["id"], machine_body(taken)).status, 200);
}

TEST(Machines, AreLentIdentitiesThatAreThereToBeLentByWhoMay) {
    Manager manager;
    const auto with = [&](const std::string& interface, const std::string& lent) {
        Json body = machine_body(interface);
        body["identity"] = {{"type", "UserAssigned"},
                            {"userAssignedIdentities", {{lent, Json::object()}}}};
        return body;
    };
    const Json victim = manager.make("Microsoft.Compute/virtualMachines/a",
                                     machine_body(make_interface(manager, "n1")));
    const std::string machine = kGroup + "/providers/Microsoft.Compute/virtualMachines/b";
    const std::string interface = make_interface(manager, "n2");
    // Another machine's own identity is nobody's to lend.
    EXPECT_EQ(manager.put(machine, with(interface, victim["id"])).code(),
              "InvalidResourceReference");
    manager.make_group("apart");
    const std::string identity =
        kS + "/resourceGroups/apart/providers/Microsoft.ManagedIdentity/userAssignedIdentities/i";
    EXPECT_EQ(manager.put(machine, with(interface, identity)).code(), "InvalidResourceReference");
    EXPECT_EQ(manager.put(identity, {{"location", "westeurope"}}).status, 201);

    // Contributor of the machine's group, and of nothing else.
    const auto assign = [&](const std::string& scope, const char* id) {
        return manager
            .put(scope + "/providers/Microsoft.Authorization/roleAssignments/" + id,
                 {{"properties",
                   {{"roleDefinitionId", "/b24988ac-6180-42a0-ab88-20f7382dd24c"},
                    {"principalId", kMachine}}}})
            .status;
    };
    EXPECT_EQ(assign(kGroup, "00000000-0000-4000-8000-000000000001"), 201);
    const auto asked = [&] {
        return manager.send("PUT", machine + kVersion, with(interface, identity), token(kMachine));
    };
    EXPECT_EQ(asked().code(), "LinkedAuthorizationFailed");
    EXPECT_EQ(manager.get(machine).status, 404);
    EXPECT_EQ(assign(identity, "00000000-0000-4000-8000-000000000002"), 201);
    EXPECT_EQ(asked().status, 201);
    // What is lent already stays so when somebody else writes the machine.
    EXPECT_EQ(manager
                  .remove(identity + "/providers/Microsoft.Authorization/roleAssignments/"
                                     "00000000-0000-4000-8000-000000000002")
                  .status,
              200);
    EXPECT_EQ(asked().status, 200);
}

TEST(Machines, StayAsTheyWereMade) {
    Manager manager;
    const std::string interface = make_interface(manager, "n1");
    const Json body = machine_body(interface);
    const std::string id = manager.make("Microsoft.Compute/virtualMachines/vm", body)["id"];
    auto put = [&](const std::function<void(Json&)>& change) {
        Json changed = body;
        change(changed["properties"]);
        return manager.put(id, changed);
    };
    auto security = [](Json& p) -> Json& { return p["securityProfile"]; };
    auto disk = [](Json& p) -> Json& {
        return p["storageProfile"]["osDisk"]["managedDisk"]["securityProfile"];
    };
    const std::vector<std::function<void(Json&)>> refused = {
        [&](Json& p) { security(p)["securityType"] = "TrustedLaunch"; },
        [&](Json& p) { security(p)["uefiSettings"]["secureBootEnabled"] = false; },
        [&](Json& p) { disk(p)["securityEncryptionType"] = "VMGuestStateOnly"; },
        [&](Json& p) { disk(p)["diskEncryptionSet"]["id"] = "/subscriptions/x"; },
        [&](Json& p) { p["osProfile"]["adminUsername"] = "other"; },
        [&](Json& p) { p["osProfile"]["computerName"] = "other"; },
    };
    for (size_t i = 0; i < refused.size(); ++i) {
        Reply reply = put(refused[i]);
        EXPECT_EQ(reply.status, 409) << i;
        EXPECT_EQ(reply.code(), "PropertyChangeNotAllowed") << i;
    }
    // What is not named, or written in other letters, is not changed.
    for (const char* type : {"", "confidentialvm"}) {
        Reply reply = put([&](Json& p) {
            p.erase("osProfile");
            if (*type == 0) p.erase("securityProfile");
            if (*type != 0) security(p)["securityType"] = type;
        });
        EXPECT_EQ(reply.status, 200) << reply.text;
        EXPECT_EQ(reply.body["properties"]["securityProfile"],
                  body["properties"]["securityProfile"]);
        EXPECT_EQ(reply.body["properties"]["osProfile"]["adminUsername"], "u");
    }
    EXPECT_EQ(put([](Json& p) { p["securityProfile"] = "text"; }).status, 200);
    EXPECT_EQ(manager.get(id).body["properties"]["securityProfile"],
              body["properties"]["securityProfile"]);
}

TEST(Machines, AreShownAsTheyAre) {
    Manager manager;
    const std::string interface = make_interface(manager, "n1");
    const std::string id =
        manager.make("Microsoft.Compute/virtualMachines/vm", machine_body(interface))["id"];
    manager.effects.machine = Effects::Condition{"stopped", "its first process ended"};
    Json view = manager.get(id + "/instanceView").body;
    EXPECT_EQ(view["statuses"][1]["code"], "PowerState/stopped");
    EXPECT_EQ(view["statuses"][1]["message"], "its first process ended");
    EXPECT_EQ(
        manager.get(id, kVersion + "&$expand=instanceView").body["properties"]["instanceView"],
        view);
    manager.effects.machine.reset();
    view = manager.get(id + "/instanceView").body;
    EXPECT_EQ(view["statuses"][1]["code"], "PowerState/running");
    EXPECT_FALSE(view["statuses"][1].contains("message"));
    EXPECT_EQ(manager.get(id + "x/instanceView").status, 404);
    EXPECT_EQ(manager.send("GET", id + "/instanceView" + kVersion, nullptr, token(kMachine)).status,
              403);
}

TEST(Machines, KeepAzuresRulesOfConfidentialOnes) {
    Manager manager;
    const std::string interface = make_interface(manager, "n1");
    auto code = [&](const std::function<void(Json&)>& change) {
        Json body = machine_body(interface);
        change(body["properties"]);
        return manager.put(kGroup + "/providers/Microsoft.Compute/virtualMachines/vm", body).code();
    };
    EXPECT_EQ(code([](Json& p) { p["securityProfile"]["uefiSettings"]["vTpmEnabled"] = false; }),
              "InvalidParameter");
    EXPECT_EQ(
        code([](Json& p) { p["securityProfile"]["uefiSettings"]["secureBootEnabled"] = false; }),
        "InvalidParameter");
    EXPECT_EQ(code([](Json& p) { p["securityProfile"]["securityType"] = "TrustedLaunch"; }),
              "InvalidParameter");
    EXPECT_EQ(code([](Json& p) { p["storageProfile"].erase("osDisk"); }), "InvalidParameter");
    EXPECT_EQ(code([](Json& p) { p["networkProfile"] = nullptr; }), "InvalidParameter");
    EXPECT_EQ(code([](Json& p) { p["networkProfile"]["networkInterfaces"][0]["id"] = "/x"; }),
              "InvalidResourceReference");
    EXPECT_TRUE(manager.effects.told.empty());
    // Without Secure Boot the guest's state alone can be encrypted.
    EXPECT_EQ(code([](Json& p) {
                  p["securityProfile"]["uefiSettings"]["secureBootEnabled"] = false;
                  p["storageProfile"]["osDisk"]["managedDisk"]["securityProfile"]
                   ["securityEncryptionType"] = "VMGuestStateOnly";
              }),
              "");
}

// Roles.

const std::string kAuthorization = "/providers/Microsoft.Authorization/";
const std::string kOfficer = "14b46e9e-c2b7-41b4-b07b-48a6ebf60603";

Json role_body(const std::string& role, const std::string& principal = kMachine) {
    return {{"properties",
             {{"roleDefinitionId", kS + kAuthorization + "roleDefinitions/" + role},
              {"principalId", principal},
              {"principalType", "ServicePrincipal"}}}};
}

TEST(Roles, AreFoundByTheirName) {
    Manager manager;
    const std::string scope = kGroup + "/providers/Microsoft.KeyVault/vaults/v/keys/k";
    Reply reply =
        manager.get(scope + kAuthorization + "roleDefinitions",
                    kVersion + "&$filter=roleName%20eq%20'Key%20Vault%20Crypto%20Officer'");
    ASSERT_EQ(reply.body["value"].size(), 1U);
    Json role = reply.body["value"][0];
    EXPECT_EQ(role["id"], kS + kAuthorization + "roleDefinitions/" + kOfficer);
    EXPECT_EQ(role["properties"]["permissions"][0]["dataActions"][0],
              "Microsoft.KeyVault/vaults/keys/*");
    EXPECT_EQ(manager.get(kS + kAuthorization + "roleDefinitions/" + kOfficer).body, role);
    EXPECT_EQ(manager
                  .get(kS + kAuthorization + "roleDefinitions",
                       kVersion + "&$filter=roleName%20eq%20'None'")
                  .body["value"],
              Json::array());
    EXPECT_GT(manager.get(kS + kAuthorization + "roleDefinitions").body["value"].size(), 15U);
    EXPECT_EQ(manager.get(kS + kAuthorization + "roleDefinitions/" + kMachine).code(),
              "RoleDefinitionDoesNotExist");
}

TEST(Roles, AreAssignedAndListedByScope) {
    Manager manager;
    const std::string key = kGroup + "/providers/Microsoft.KeyVault/vaults/v/keys/k";
    auto assign = [&](const std::string& scope, int number, const std::string& principal) {
        return manager.put(scope + kAuthorization + "roleAssignments/aaaaaaaa-1111-4111-8111-" +
                               fmt::format("{:012}", number),
                           role_body(kOfficer, principal));
    };
    Reply made = assign(key, 1, kMachine);
    EXPECT_EQ(made.status, 201);
    EXPECT_EQ(made.body["properties"]["scope"], key);
    EXPECT_EQ(made.body["type"], "Microsoft.Authorization/roleAssignments");
    EXPECT_EQ(assign(kGroup, 2, kMachine).status, 201);
    EXPECT_EQ(assign(kS, 3, kOwner).status, 201);

    auto count = [&](const std::string& scope, const std::string& filter = "") {
        return manager
            .get(scope + kAuthorization + "roleAssignments",
                 kVersion + (filter.empty() ? "" : "&$filter=" + filter))
            .body["value"]
            .size();
    };
    EXPECT_EQ(count(key, "atScope()"), 3U);
    EXPECT_EQ(count(kGroup, "atScope()"), 2U);
    EXPECT_EQ(count(kS, "atScope()"), 1U);
    EXPECT_EQ(count(kS), 3U);
    EXPECT_EQ(count(kS, "principalId%20eq%20'" + kMachine + "'"), 2U);
    EXPECT_EQ(count(kS + "/resourceGroups/rgx"), 1U);
    // Neither a resource nor in its lists.
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 0U);
    EXPECT_EQ(manager.get(made.body["id"]).body, made.body);
    EXPECT_EQ(manager.remove(made.body["id"]).body["name"], made.body["name"]);
    EXPECT_EQ(count(key, "atScope()"), 2U);
}

TEST(Roles, AreNotAssignedTwiceNorChangedNorMadeUp) {
    Manager manager;
    const std::string base = kGroup + kAuthorization + "roleAssignments/";
    const std::string a = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa";
    const std::string b = "bbbbbbbb-1111-4111-8111-aaaaaaaaaaaa";
    EXPECT_EQ(manager.put(base + a, role_body(kOfficer)).status, 201);
    EXPECT_EQ(manager.put(base + a, role_body(kOfficer)).status, 201);
    EXPECT_EQ(manager.put(base + b, role_body(kOfficer)).code(), "RoleAssignmentExists");
    EXPECT_EQ(manager.put(base + a, role_body(kOfficer, kOwner)).code(),
              "RoleAssignmentUpdateNotPermitted");
    EXPECT_EQ(manager.put(base + b, role_body(kMachine)).code(), "RoleDefinitionDoesNotExist");
    EXPECT_EQ(manager.put(base + b, role_body("Owner")).code(), "RoleDefinitionDoesNotExist");
    EXPECT_EQ(manager.put(base + b, role_body(kOfficer, "x")).code(), "InvalidPrincipalId");
    EXPECT_EQ(manager.put(base + "name", role_body(kOfficer)).code(), "InvalidRoleAssignmentId");
    EXPECT_EQ(manager.put(base + b, Json::object()).code(), "InvalidRequestContent");
    Json condition = role_body(kOfficer, kOwner);
    condition["properties"]["condition"] = "(!(ActionMatches{'x'}))";
    EXPECT_EQ(manager.put(base + b, condition).code(), "ConditionNotSupported");
}

}  // namespace
}  // namespace vouchsafe::cloud
