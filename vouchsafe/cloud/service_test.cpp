#include "vouchsafe/cloud/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/cloud/test_manager.h"

namespace vouchsafe::cloud {
namespace {

using namespace testing;
using ::testing::ElementsAre;

const std::string kThings = "My.Own/things/";

// Who may call.

TEST(ResourceManager, WantsATokenFirst) {
    Manager manager;
    struct Case {
        std::string token, code;
    };
    for (const Case& item :
         {Case{"", "AuthenticationFailed"},
          {"rubbish", "InvalidAuthenticationToken"},
          {token(kOwner, {{"aud", "https://vault.azure.net"}}), "InvalidAuthenticationToken"},
          {token(kOwner, {{"iss", "https://sts.windows.net/other/"}}),
           "InvalidAuthenticationToken"},
          {token(kOwner, {{"exp", to_unix(test_time()) - 3600}}), "InvalidAuthenticationToken"}}) {
        // Neither a missing version nor a body that is no JSON is told to strangers.
        Reply reply = manager.send_raw("PUT", kGroup, "{", item.token);
        EXPECT_EQ(reply.status, 401);
        EXPECT_EQ(reply.code(), item.code);
        EXPECT_TRUE(
            reply.headers.get("WWW-Authenticate")
                .starts_with("Bearer authorization_uri=\"https://login.microsoftonline.com/" +
                             kTenant + "\", error=\"invalid_token\""));
        EXPECT_NE(reply.headers.find("x-ms-request-id"), nullptr);
    }
}

TEST(ResourceManager, TakesBothOfItsNamesAsAudience) {
    Manager manager;
    for (const char* audience :
         {"https://management.azure.com", "https://management.azure.com/",
          "https://management.core.windows.net", "https://management.core.windows.net/"}) {
        EXPECT_EQ(
            manager.send("GET", kGroup + kVersion, nullptr, token(kOwner, {{"aud", audience}}))
                .status,
            200)
            << audience;
    }
}

TEST(ResourceManager, WantsAnApiVersionAndTakesAny) {
    Manager manager;
    EXPECT_EQ(manager.get(kGroup, "").code(), "MissingApiVersionParameter");
    EXPECT_EQ(manager.get(kGroup, "?api-version=").status, 400);
    EXPECT_EQ(manager.get(kGroup, "?api-version=2031-12-24").status, 200);
    EXPECT_EQ(manager.get(kGroup, "?api%2Dversion=2021-04-01").status, 200);
}

TEST(ResourceManager, LetsStrangersDoNothingUntilTheyHaveARole) {
    Manager manager;
    const std::string stranger = token(kMachine);
    auto status = [&](const std::string& method, const std::string& id, const Json& body) {
        return manager.send(method, id + kVersion, body, stranger).status;
    };
    const std::string thing = kGroup + "/providers/" + kThings + "a";
    const std::string assignment = kGroup +
                                   "/providers/Microsoft.Authorization/roleAssignments/"
                                   "aaaaaaaa-1111-4111-8111-aaaaaaaaaaa";
    auto role = [](const std::string& id) {
        return Json{{"properties", {{"roleDefinitionId", "/x/" + id}, {"principalId", kMachine}}}};
    };
    const std::string kReader = "acdd72a7-3385-48ef-bd42-f606fba81ae7";
    const std::string kContributor = "b24988ac-6180-42a0-ab88-20f7382dd24c";
    const std::string kOwnerRole = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635";

    EXPECT_EQ(status("GET", kGroup, nullptr), 403);
    EXPECT_EQ(status("PUT", thing, Json::object()), 403);
    // Least of all give itself a role.
    EXPECT_EQ(status("PUT", assignment + "0", role(kOwnerRole)), 403);
    EXPECT_EQ(manager.send("GET", "/subscriptions" + kVersion, nullptr, stranger).body["value"],
              Json::array());

    ASSERT_EQ(manager.put(assignment + "1", role(kReader)).status, 201);
    EXPECT_EQ(status("GET", kGroup, nullptr), 200);
    EXPECT_EQ(status("PUT", thing, Json::object()), 403);
    EXPECT_EQ(status("DELETE", kGroup, nullptr), 403);
    EXPECT_EQ(status("GET", kS + "/resourceGroups", nullptr), 403);  // above its scope
    EXPECT_EQ(
        manager.send("GET", "/subscriptions" + kVersion, nullptr, stranger).body["value"].size(),
        1U);

    ASSERT_EQ(manager.put(assignment + "2", role(kContributor)).status, 201);
    EXPECT_EQ(status("PUT", thing, Json::object()), 201);
    EXPECT_EQ(status("PUT", assignment + "3", role(kOwnerRole)), 403);
    EXPECT_EQ(status("DELETE", assignment + "1", nullptr), 403);
    EXPECT_EQ(manager.send("GET", kGroup + kVersion, nullptr, token(kMachine)).status, 200);

    manager.remove(assignment + "1");
    manager.remove(assignment + "2");
    EXPECT_EQ(status("GET", thing, nullptr), 403);
}

// Any resource.

TEST(Resources, OfUnknownTypesAreKeptAndEchoed) {
    Manager manager;
    const Json body = {{"location", "West Europe"},
                       {"tags", {{"a", "b"}}},
                       {"custom", {1, {{"x", nullptr}}}},
                       {"properties", {{"deep", {{"er", true}}}}},
                       {"id", "/forged"},
                       {"name", "forged"},
                       {"type", "Forged/type"}};
    Json made = manager.make(kThings + "One", body);
    EXPECT_EQ(made["id"], kGroup + "/providers/My.Own/things/One");
    EXPECT_EQ(made["name"], "One");
    EXPECT_EQ(made["type"], "My.Own/things");
    EXPECT_EQ(made["location"], "westeurope");
    EXPECT_EQ(made["custom"], body["custom"]);
    EXPECT_EQ(made["properties"],
              (Json{{"deep", {{"er", true}}}, {"provisioningState", "Succeeded"}}));
    EXPECT_EQ(made["systemData"]["createdBy"], kOwner);
    EXPECT_EQ(made["systemData"]["createdByType"], "Application");
    EXPECT_EQ(manager.get(made["id"]).body, made);
}

TEST(Resources, TellWhoMadeThemWhereAzureDoes) {
    Manager manager;
    const std::string person = token(kOwner, {{"upn", "ada@lab.test"}});
    const std::string identity =
        kGroup + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/one";
    Reply made = manager.send("PUT", identity + kVersion, {{"location", "westeurope"}}, person);
    ASSERT_EQ(made.status, 201) << dump_json(made.body);
    EXPECT_EQ(made.body["systemData"]["createdBy"], "ada@lab.test");
    EXPECT_EQ(made.body["systemData"]["createdByType"], "User");
    EXPECT_EQ(made.body["systemData"]["lastModifiedBy"], "ada@lab.test");
    EXPECT_EQ(made.body["systemData"]["lastModifiedByType"], "User");
    EXPECT_FALSE(manager.get(kGroup).body.contains("systemData"));
    Json network =
        manager.make("microsoft.network/virtualNetworks/one", {{"location", "westeurope"}});
    EXPECT_FALSE(network.contains("systemData"));
}

TEST(Resources, AreTheSameInAnyCaseAndWithAnySlashes) {
    Manager manager;
    manager.make(kThings + "One", {{"tags", {{"n", "1"}}}});
    const std::string other =
        "/SUBSCRIPTIONS/" + kSubscription + "//resourcegroups/RG/providers//my.OWN//Things/ONE/";
    Reply reply = manager.get(other);
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body["name"], "One");
    reply = manager.put(other, {{"tags", {{"n", "2"}}}});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body["id"], kGroup + "/providers/My.Own/things/One");
    EXPECT_EQ(reply.body["tags"]["n"], "2");
    EXPECT_EQ(manager.remove(other).status, 200);
    EXPECT_EQ(manager.get(other).code(), "ResourceNotFound");
}

TEST(Resources, AreDeletedTwiceWithoutHarm) {
    Manager manager;
    Json made = manager.make(kThings + "a", Json::object());
    EXPECT_EQ(manager.remove(made["id"]).status, 200);
    EXPECT_EQ(manager.remove(made["id"]).status, 204);
}

TEST(Resources, AreListedAtEveryLevel) {
    Manager manager;
    manager.make_group("other");
    manager.make(kThings + "a", {{"location", "westeurope"}, {"tags", {{"k", "v"}}}});
    manager.make(kThings + "a/parts/p", Json::object());
    manager.make(kThings + "ab", Json::object());
    manager.make("My.Own/thingsAndMore/x", Json::object());
    manager.put(kS + "/resourceGroups/other/providers/" + kThings + "b", Json::object());
    auto names = [&](const std::string& id, const std::string& query = "") {
        std::vector<std::string> out;
        Reply reply = manager.get(id, kVersion + query);
        EXPECT_EQ(reply.status, 200) << id;
        for (const Json& item : reply.body["value"]) out.push_back(item["name"]);
        std::sort(out.begin(), out.end());
        return out;
    };
    EXPECT_THAT(names(kGroup + "/providers/my.own/THINGS"), ElementsAre("a", "ab"));
    EXPECT_THAT(names(kS + "/providers/My.Own/things"), ElementsAre("a", "ab", "b"));
    EXPECT_THAT(names(kGroup + "/providers/My.Own/things/a/parts"), ElementsAre("p"));
    EXPECT_THAT(names(kGroup + "/resources"), ElementsAre("a", "ab", "p", "x"));
    EXPECT_THAT(names(kS + "/resources"), ElementsAre("a", "ab", "b", "p", "x"));
    EXPECT_THAT(names(kS + "/resources", "&$filter=resourceType%20eq%20'my.own/things'"),
                ElementsAre("a", "ab", "b"));
    EXPECT_THAT(names(kS + "/resources", "&$filter=resourceGroup%20eq%20'OTHER'"),
                ElementsAre("b"));
    EXPECT_THAT(names(kS + "/resources",
                      "&$filter=resourceType%20eq%20'My.Own/things'%20and%20name%20eq%20'ab'"),
                ElementsAre("ab"));
    EXPECT_THAT(names(kS + "/resources", "&$filter=tagName%20eq%20'k'%20and%20tagValue%20eq%20'v'"),
                ElementsAre("a"));
    EXPECT_THAT(names(kS + "/resources", "&$filter=name%20eq%20'it''s'"), ElementsAre());
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/none/parts").status, 404);
    EXPECT_THAT(names(kGroup + "/providers/Never.Seen/before"), ElementsAre());
}

TEST(Resources, ArePatched) {
    Manager manager;
    Json made = manager.make(kThings + "a", {{"tags", {{"a", "1"}, {"b", "2"}}},
                                             {"properties", {{"x", 1}, {"y", {{"z", 2}}}}}});
    Reply reply =
        manager.send("PATCH", made["id"].get<std::string>() + kVersion,
                     {{"tags", {{"a", nullptr}, {"c", "3"}}}, {"properties", {{"y", {{"w", 3}}}}}});
    EXPECT_EQ(reply.status, 200);
    EXPECT_EQ(reply.body["tags"], (Json{{"b", "2"}, {"c", "3"}}));
    EXPECT_EQ(reply.body["properties"]["y"], (Json{{"z", 2}, {"w", 3}}));
    EXPECT_EQ(reply.body["properties"]["x"], 1);
    EXPECT_EQ(
        manager.send("PATCH", kGroup + "/providers/" + kThings + "none" + kVersion, Json::object())
            .status,
        404);
}

TEST(Resources, NeedTheirGroupTheirParentAndTheirSubscription) {
    Manager manager;
    auto put = [&](const std::string& id) { return manager.put(id, Json::object()).code(); };
    EXPECT_EQ(put(kS + "/resourceGroups/none/providers/A.B/c/d"), "ResourceGroupNotFound");
    EXPECT_EQ(put(kGroup + "/providers/A.B/c/none/d/e"), "ParentResourceNotFound");
    EXPECT_EQ(put("/subscriptions/55555555-5555-4555-8555-555555555555/resourceGroups/rg/providers/"
                  "A.B/c/d"),
              "SubscriptionNotFound");
    EXPECT_EQ(manager.get(kS + "/resourceGroups/none/providers/A.B/c/d").code(),
              "ResourceGroupNotFound");
}

TEST(Resources, OfKnownTypesNeedALocationAndKeepIt) {
    Manager manager;
    const std::string id = kGroup + "/providers/Microsoft.Network/virtualNetworks/v";
    EXPECT_EQ(manager.put(id, Json::object()).code(), "LocationRequired");
    EXPECT_EQ(manager.put(id, {{"location", "evil.example/#"}}).code(),
              "LocationNotAvailableForResourceType");
    EXPECT_EQ(manager.put(id, {{"location", "West Europe"}}).status, 201);
    EXPECT_EQ(manager.put(id, {{"location", "westeurope"}}).status, 200);
    EXPECT_EQ(manager.put(id, {{"location", "eastus"}}).code(), "InvalidResourceLocation");
}

TEST(Resources, AnswerBadBodies) {
    Manager manager;
    const std::string target = kGroup + "/providers/" + kThings + "a" + kVersion;
    std::string deep = "{\"a\":";
    for (int i = 0; i < 2000; ++i) deep += "[";
    for (const std::string& body :
         {std::string(), std::string("{"), std::string("[]"), std::string("x"),
          std::string("{\"a\":1,\"a\":2}"), std::string("{template:{}}"), deep,
          "{\"a\":\"" + std::string(2 << 20, 'x') + "\"}"}) {
        Reply reply = manager.send_raw("PUT", target, body);
        EXPECT_EQ(reply.status, 400) << body.substr(0, 40);
        EXPECT_EQ(reply.code(), "InvalidRequestContent");
    }
    EXPECT_EQ(manager.send_raw("PUT", target, std::string(5 << 20, ' ')).status, 413);
    EXPECT_EQ(manager.get(kGroup + "/providers/" + kThings + "a").status, 404);
}

TEST(Resources, AreNotGroupsNorDeployments) {
    Manager manager;
    const std::string own = kGroup + "/providers/Microsoft.Resources/";
    EXPECT_EQ(manager.put(own + "resourceGroups/fake", {{"location", "westeurope"}}).code(),
              "InvalidResourceType");
    EXPECT_EQ(manager.get(kS + "/resourceGroups").body["value"].size(), 1U);
    manager.deploy({{"resources", Json::array()}});
    EXPECT_EQ(manager.send("PATCH", own + "deployments/d1" + kVersion, {{"a", 1}}).code(),
              "InvalidResourceType");
}

TEST(Resources, HaveIdsThatCanBeIds) {
    Manager manager;
    const std::string things = kGroup + "/providers/My.Own/things/";
    for (const std::string& target :
         {things + "a%2Fb", things + "a%00b", things + "a%0Ab", things + "..", things + "%ff",
          things + std::string(300, 'x'), kS + "/nothing/x", kGroup + "/x", std::string("/x"),
          kGroup + "/providers", kGroup + "/providers/A.B/c/%3Cscript%3E",
          things + std::string(200, 'a') + "/b/" + std::string(200, 'c') + "/d/" +
              std::string(200, 'e') + "/f/" + std::string(200, 'g') + "/h/" +
              std::string(200, 'i')}) {
        Reply reply = manager.put(target, Json::object());
        EXPECT_EQ(reply.status, 400) << target;
        EXPECT_EQ(reply.code(), "InvalidResourceId") << target;
    }
    EXPECT_EQ(manager.get("/").status, 404);
    EXPECT_EQ(manager.send("POST", "/subscriptions" + kVersion).status, 400);
    EXPECT_EQ(manager.send("POST", things + "a" + kVersion).status, 405);
    EXPECT_EQ(manager.remove(kGroup + "/providers/My.Own/things").status, 405);
}

// Resource groups.

TEST(ResourceGroups, AreMadeChangedAndFound) {
    Manager manager(false);
    Reply reply = manager.put(kS + "/resourcegroups/My.Group-1", {{"location", "West Europe"}});
    EXPECT_EQ(reply.status, 201);
    EXPECT_EQ(reply.body["id"], kS + "/resourceGroups/My.Group-1");
    EXPECT_EQ(reply.body["type"], "Microsoft.Resources/resourceGroups");
    EXPECT_EQ(reply.body["properties"]["provisioningState"], "Succeeded");
    const std::string id = kS + "/RESOURCEGROUPS/my.group-1";
    EXPECT_EQ(manager.put(id, {{"location", "westeurope"}}).status, 200);
    EXPECT_EQ(manager.put(id, {{"location", "eastus"}}).code(), "InvalidResourceGroupLocation");
    EXPECT_EQ(manager.put(id, Json::object()).code(), "LocationRequired");
    EXPECT_EQ(manager.send("PATCH", id + kVersion, {{"tags", {{"a", "b"}}}}).body["tags"]["a"],
              "b");
    EXPECT_EQ(manager.send("HEAD", id + kVersion).status, 204);
    EXPECT_EQ(manager.send("HEAD", kS + "/resourceGroups/none" + kVersion).status, 404);
    EXPECT_EQ(manager.get(kS + "/resourceGroups/none").code(), "ResourceGroupNotFound");
    EXPECT_EQ(manager.get(kS + "/resourceGroups").body["value"].size(), 1U);
    for (const char* name : {"dot.", "a%20b", "a'b"}) {
        EXPECT_EQ(manager.put(kS + "/resourceGroups/" + name, {{"location", "westeurope"}}).status,
                  400)
            << name;
    }
}

TEST(ResourceGroups, TakeEverythingWithThem) {
    Manager manager;
    manager.make_group("rg2");
    manager.make(kThings + "a", Json::object());
    manager.make(kThings + "a/parts/p", Json::object());
    manager.make("Microsoft.KeyVault/vaults/vault1", vault_body());
    manager.put(kS + "/resourceGroups/rg2/providers/" + kThings + "stays", Json::object());

    Reply reply = manager.remove(kS + "/resourcegroups/RG");
    EXPECT_EQ(reply.status, 202);
    const std::string location = reply.headers.get("Location");
    const std::string base = "https://management.azure.com";
    ASSERT_TRUE(location.starts_with(base + kS + "/operationresults/")) << location;
    EXPECT_EQ(reply.headers.get("Retry-After"), "0");
    EXPECT_EQ(manager.send("GET", location.substr(base.size())).status, 200);
    EXPECT_EQ(manager.get(kS + "/operationresults/none").status, 404);

    EXPECT_EQ(manager.get(kGroup).code(), "ResourceGroupNotFound");
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 1U);
    EXPECT_EQ(manager.effects.told.back(), "remove vault1");
    EXPECT_EQ(manager.remove(kGroup).status, 404);
    manager.make_group("rg");
    EXPECT_EQ(manager.get(kGroup + "/resources").body["value"].size(), 0U);
}

// What is always there.

TEST(Catalog, ShowsTenantSubscriptionAndRegions) {
    Manager manager;
    EXPECT_EQ(manager.get("/tenants").body["value"][0]["tenantId"], kTenant);
    Json one = manager.get("/subscriptions").body["value"][0];
    EXPECT_EQ(one["id"], kS);
    EXPECT_EQ(one["state"], "Enabled");
    EXPECT_EQ(manager.get(kS).body, one);
    EXPECT_EQ(manager.get("/subscriptions/none").code(), "SubscriptionNotFound");
    EXPECT_EQ(manager.get(kS + "/locations").body["value"][0]["name"], "westeurope");
}

TEST(Catalog, ShowsProvidersSizesAndImages) {
    Manager manager;
    Reply reply = manager.send("POST", kS + "/providers/microsoft.keyvault/register" + kVersion);
    EXPECT_EQ(reply.body["registrationState"], "Registered");
    EXPECT_EQ(reply.body["namespace"], "Microsoft.KeyVault");
    reply = manager.get(kS + "/providers/Microsoft.Attestation");
    EXPECT_EQ(reply.body["resourceTypes"][0]["resourceType"], "attestationProviders");
    EXPECT_EQ(manager.get(kS + "/providers/Never.Seen").body["resourceTypes"], Json::array());
    EXPECT_GE(manager.get(kS + "/providers").body["value"].size(), 5U);

    const std::string compute = kS + "/providers/Microsoft.Compute";
    Json sizes = manager.get(compute + "/skus").body["value"];
    Json here = manager.get(compute + "/skus", kVersion + "&$filter=location%20eq%20'westeurope'")
                    .body["value"];
    EXPECT_GT(sizes.size(), here.size());
    auto found = std::find_if(here.begin(), here.end(),
                              [](const Json& size) { return size["name"] == "Standard_DC2as_v5"; });
    ASSERT_NE(found, here.end());
    EXPECT_EQ((*found)["locationInfo"][0]["zones"], (Json{"1", "2", "3"}));

    const std::string versions = compute +
                                 "/locations/westeurope/publishers/Canonical/artifacttypes/vmimage/"
                                 "offers/o/skus/s/versions";
    Json list = manager.get(versions).body;
    ASSERT_TRUE(list.is_array());
    const std::string name = list[0]["name"];
    EXPECT_EQ(manager.get(versions + "/" + name).body["properties"]["hyperVGeneration"], "V2");
    EXPECT_EQ(manager.get(versions + "/1.2.3").status, 404);
}

TEST(RoleAssignments, AreForPrincipalsThatTheDirectoryKnows) {
    Manager manager;
    const std::string group = "55555555-5555-4555-8555-555555555555";
    const std::string nobody = "66666666-6666-4666-8666-666666666666";
    manager.directory = {{kOwner, "User"}, {group, "Group"}, {kMachine, "ServicePrincipal"}};
    manager.start();
    int number = 0;
    auto assign = [&](const std::string& principal, const std::string& type) {
        Json properties = {{"roleDefinitionId", "/acdd72a7-3385-48ef-bd42-f606fba81ae7"},
                           {"principalId", principal}};
        if (!type.empty()) properties["principalType"] = type;
        return manager.put(fmt::format("{}/providers/Microsoft.Authorization/roleAssignments/"
                                       "00000000-0000-4000-8000-{:012}",
                                       kGroup, ++number),
                           {{"properties", properties}});
    };
    const Reply unknown = assign(nobody, "");
    EXPECT_EQ(unknown.status, 400);
    EXPECT_EQ(unknown.code(), "PrincipalNotFound");
    EXPECT_NE(
        unknown.text.find("Principal " + nobody + " does not exist in the directory " + kTenant),
        std::string::npos);
    EXPECT_EQ(assign(nobody, "User").code(), "PrincipalNotFound");
    EXPECT_EQ(assign(nobody, "Group").code(), "PrincipalNotFound");
    EXPECT_EQ(assign(kMachine, "User").code(), "UnmatchedPrincipalType");
    EXPECT_EQ(assign(kMachine, "Robot").code(), "InvalidPrincipalType");
    // Who was made a moment ago may not be known yet.
    EXPECT_EQ(assign(nobody, "servicePrincipal").body["properties"]["principalType"],
              "ServicePrincipal");
    EXPECT_EQ(assign(kMachine, "").body["properties"]["principalType"], "ServicePrincipal");
    EXPECT_EQ(assign(group, "").body["properties"]["principalType"], "Group");
    EXPECT_EQ(assign(kOwner, "User").status, 201);
}

}  // namespace
}  // namespace vouchsafe::cloud
