// Effects: in order, refusing, and cut short; deployments; and the recorded requests of az.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "vouchsafe/cloud/test_manager.h"

namespace vouchsafe::cloud {
namespace {

using namespace testing;
using ::testing::ElementsAre;

const std::string kVault = kGroup + "/providers/Microsoft.KeyVault/vaults/one";

TEST(Effects, RunBeforeTheAnswerAndAddToIt) {
    Manager manager;
    manager.effects.add = {{"properties", {{"vaultUri", "https://one.local/"}}}};
    EXPECT_EQ(manager.put(kVault, vault_body()).body["properties"]["vaultUri"],
              "https://one.local/");
    EXPECT_EQ(manager.get(kVault).body["properties"]["vaultUri"], "https://one.local/");
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 200);
    EXPECT_THAT(manager.effects.told, ElementsAre("new one", "change one"));
}

TEST(Effects, ThatFailAreTheAnswer) {
    Manager manager;
    manager.effects.failure = Error{Code::conflict, "somebody has it"};
    Reply reply = manager.put(kVault, vault_body());
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.body["error"]["message"], "somebody has it");
    EXPECT_EQ(manager.get(kVault).status, 404);
    manager.effects.failure = Error{Code::io, "/secret/path is full"};
    reply = manager.put(kVault, vault_body());
    EXPECT_EQ(reply.status, 500);
    EXPECT_EQ(reply.text.find("/secret"), std::string::npos);

    manager.effects.failure.reset();
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 201);
    manager.effects.failure = Error{Code::unavailable, "not now"};
    EXPECT_EQ(manager.remove(kVault).status, 503);
    EXPECT_EQ(manager.remove(kGroup).status, 503);
    EXPECT_EQ(manager.get(kVault).status, 200);
    EXPECT_EQ(manager.get(kGroup).status, 200);
    // Nothing of it is taken up later.
    manager.effects.failure.reset();
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
}

// die_in runs a request in whose effect the process ends, and starts again.
void die_in(Manager& manager, const std::function<void()>& request) {
    manager.effects.dies = true;
    request();  // the router turns the exception into 500; nothing after the effect has run
    manager.effects.dies = false;
    manager.effects.told.clear();
    manager.start();
}

TEST(Effects, ThatWereCutShortAreEndedAtTheNextStart) {
    Manager manager;
    die_in(manager, [&] { EXPECT_EQ(manager.put(kVault, vault_body()).status, 500); });
    EXPECT_THAT(manager.effects.told, ElementsAre("new one"));
    EXPECT_EQ(manager.get(kVault).status, 200);
    EXPECT_EQ(MUST(manager.service->resume()), 0U);

    die_in(manager, [&] {
        manager.put(kVault, vault_body({{"publicNetworkAccess", "Disabled"}}));
    });
    EXPECT_THAT(manager.effects.told, ElementsAre("change one"));
    EXPECT_EQ(manager.get(kVault).body["properties"]["publicNetworkAccess"], "Disabled");

    die_in(manager, [&] { manager.remove(kVault); });
    EXPECT_THAT(manager.effects.told, ElementsAre("remove one"));
    EXPECT_EQ(manager.get(kVault).status, 404);
}

TEST(Effects, OnDeletedVaultsThatWereCutShortAreEndedToo) {
    Manager manager;
    const std::string deleted =
        kS + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one";
    manager.put(kVault, vault_body());
    manager.remove(kVault);
    die_in(manager, [&] { manager.put(kVault, vault_body({{"createMode", "recover"}})); });
    EXPECT_THAT(manager.effects.told, ElementsAre("recover one"));
    EXPECT_EQ(manager.get(kVault).status, 200);
    EXPECT_EQ(manager.get(deleted).status, 404);

    manager.remove(kVault);
    die_in(manager, [&] { manager.send("POST", deleted + "/purge" + kVersion); });
    EXPECT_THAT(manager.effects.told, ElementsAre("purge one"));
    EXPECT_EQ(manager.get(deleted).status, 404);
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 201);
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
}

TEST(Effects, OnDeletedVaultsThatFailChangeNothing) {
    Manager manager;
    const std::string deleted =
        kS + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one";
    manager.put(kVault, vault_body());
    manager.remove(kVault);
    manager.effects.failure = Error{Code::forbidden, "protected in the vault alone"};
    EXPECT_EQ(manager.send("POST", deleted + "/purge" + kVersion).code(), "MethodNotAllowed");
    manager.effects.failure = Error{Code::unavailable, "not now"};
    EXPECT_EQ(manager.send("POST", deleted + "/purge" + kVersion).status, 503);
    EXPECT_EQ(manager.put(kVault, vault_body({{"createMode", "recover"}})).status, 503);
    manager.effects.failure.reset();
    EXPECT_EQ(manager.get(deleted).status, 200);
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
}

TEST(Effects, KnowWhoAskedForThem) {
    Manager manager;
    // kMachine may do everything here, by a role.
    const std::string assignment = kS + "/providers/Microsoft.Authorization/roleAssignments/";
    manager.put(assignment + "00000000-0000-4000-8000-000000000001",
                {{"properties",
                  {{"roleDefinitionId", "/8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},
                   {"principalId", kMachine}}}});
    manager.put(kVault, vault_body());
    manager.make("Microsoft.Network/virtualNetworks/net", network_body());
    const std::string subnet =
        kGroup + "/providers/Microsoft.Network/virtualNetworks/net/subnets/vm-subnet";
    const Json nic =
        manager.make("Microsoft.Network/networkInterfaces/nic",
                     {{"location", "westeurope"},
                      {"properties",
                       {{"ipConfigurations",
                         {{{"name", "ip"}, {"properties", {{"subnet", {{"id", subnet}}}}}}}}}}});
    manager.make(
        "Microsoft.Compute/virtualMachines/vm",
        {{"location", "westeurope"},
         {"properties", {{"networkProfile", {{"networkInterfaces", {{{"id", nic["id"]}}}}}}}}});
    manager.effects.actors.clear();
    const std::string bearer = token(kMachine);
    manager.send("POST",
                 kGroup + "/providers/Microsoft.Compute/virtualMachines/vm/start" + kVersion,
                 nullptr, bearer);
    EXPECT_EQ(manager.send("DELETE", kGroup + kVersion, nullptr, bearer).status, 202);
    manager.send("POST",
                 kS + "/providers/Microsoft.KeyVault/locations/westeurope/deletedVaults/one/purge" +
                     kVersion,
                 nullptr, bearer);
    EXPECT_THAT(manager.effects.told.back(), "purge one");
    EXPECT_THAT(manager.effects.actors, ElementsAre(kMachine, kMachine, kMachine, kMachine));
}

// FullStore is a disk that is full from a moment on: nothing can be written, and all can be read.
class FullStore : public store::Store {
  public:
    explicit FullStore(std::unique_ptr<store::Store> real) : real_(std::move(real)) {}
    Result<void> run(const std::function<Result<void>(store::Transaction&)>& work) override {
        if (left == 0) return fail(Code::io, "database or disk is full");
        if (left > 0) --left;
        return real_->run(work);
    }
    Result<void> read(const std::function<Result<void>(store::View&)>& work) override {
        return real_->read(work);
    }
    store::Statistics statistics() const override { return real_->statistics(); }

    int left = -1;  // transactions until it is full; -1: it is not

  private:
    std::unique_ptr<store::Store> real_;
};

FullStore& make_fillable(Manager& manager) {
    manager.service.reset();
    manager.store = std::make_unique<FullStore>(std::move(manager.store));
    manager.start();
    return static_cast<FullStore&>(*manager.store);
}

TEST(Effects, ThatAFullDiskDidNotLetBeRecordedAreRecordedBeforeTheNextWrite) {
    Manager manager;
    FullStore& disk = make_fillable(manager);
    const std::string other = kGroup + "/providers/Microsoft.Network/virtualNetworks/v";
    disk.left = 1;  // what is pending is the last that can be written
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 500);
    EXPECT_EQ(manager.get(kVault).status, 404);
    EXPECT_EQ(manager.put(other, network_body()).status, 500);
    disk.left = -1;
    EXPECT_EQ(manager.put(other, network_body()).status, 201);
    EXPECT_EQ(manager.get(kVault).status, 200);

    disk.left = 1;
    EXPECT_EQ(manager.remove(kVault).status, 500);
    EXPECT_EQ(manager.get(kVault).status, 200);
    disk.left = -1;
    EXPECT_EQ(manager.remove(other).status, 200);
    EXPECT_EQ(manager.get(kVault).status, 404);
    EXPECT_THAT(manager.effects.told, ElementsAre("new one", "remove one"));
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
}

TEST(Effects, ThatFailedOnAFullDiskAreNotTakenUpLater) {
    Manager manager;
    manager.put(kVault, vault_body());
    FullStore& disk = make_fillable(manager);
    manager.effects.failure = Error{Code::io, "no space left on device"};
    disk.left = 1;
    EXPECT_EQ(manager.remove(kGroup).status, 500);
    disk.left = -1;
    manager.effects.failure.reset();
    // The group was not deleted, its user goes on with it, and no start deletes it after all.
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 200);
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
    EXPECT_EQ(manager.get(kVault).status, 200);
    EXPECT_EQ(manager.get(kGroup).status, 200);
}

TEST(Effects, AreNotHadForRecordsThatHaveNoRoom) {
    Manager manager;
    const std::string network = kGroup + "/providers/Microsoft.Network/virtualNetworks/v";
    manager.put(network, network_body());
    const Json long_one = {{"properties", {{"note", std::string(1000 << 10, 'x')}}}};
    for (const char* subnet : {"a", "b", "c", "e"}) {
        EXPECT_EQ(manager.put(network + "/subnets/" + subnet, long_one).status, 201);
    }
    for (int i = 0; i < 2; ++i) {
        EXPECT_EQ(manager.put(network + "/subnets/d", long_one).code(), "RequestContentTooLarge");
    }
    EXPECT_EQ(manager.put(kVault, vault_body()).status, 201);
}

TEST(Effects, OfAGroupThatWasCutShortAreEndedToo) {
    Manager manager;
    manager.make("Microsoft.KeyVault/vaults/one", vault_body());
    manager.make("Microsoft.KeyVault/vaults/two", vault_body());
    die_in(manager, [&] { manager.remove(kGroup); });
    // What was made last goes first.
    EXPECT_THAT(manager.effects.told, ElementsAre("remove two", "remove one"));
    EXPECT_EQ(manager.get(kGroup).status, 404);
}

TEST(Effects, ThatFailAtTheNextStartAreGivenUp) {
    Manager manager;
    manager.effects.dies = true;
    manager.put(kVault, vault_body());
    manager.effects.dies = false;
    manager.effects.failure = Error{Code::conflict, "no"};
    manager.start();
    EXPECT_EQ(manager.get(kVault).status, 404);
    EXPECT_EQ(MUST(manager.service->resume()), 0U);
}

// Deployments.

Json thing(const std::string& name, const Json& more = Json::object()) {
    Json out = {{"type", "My.Own/things"}, {"apiVersion", "2021-01-01"}, {"name", name}};
    out.update(more);
    return out;
}

TEST(Deployments, PutWhatTheTemplateSays) {
    Manager manager;
    const Json document = {
        {"$schema", "https://schema.management.azure.com/schemas/2019-04-01/x#"},
        {"parameters", {{"prefix", {{"type", "string"}}}, {"secret", {{"type", "secureString"}}}}},
        {"variables", {{"name", "[concat(parameters('prefix'), '-b')]"}}},
        {"resources",
         Json::array(
             {thing("[variables('name')]", {{"location", "[resourceGroup().location]"},
                                            {"dependsOn", Json::array({"a"})},
                                            {"properties", {{"of", "[reference('a').value]"}}}}),
              thing("a", {{"properties", {{"value", 7}, {"s", "[parameters('secret')]"}}}})})},
        {"outputs",
         {{"id", {{"type", "string"}, {"value", "[resourceId('My.Own/things', 'a')]"}}},
          {"of", {{"type", "int"}, {"value", "[reference(variables('name')).of]"}}}}}};
    const Json parameters = {{"prefix", {{"value", "x"}}}, {"secret", {{"value", "hush"}}}};
    Reply reply = manager.deploy(document, parameters);
    ASSERT_EQ(reply.status, 200) << reply.text;
    EXPECT_EQ(reply.body["properties"]["provisioningState"], "Succeeded");
    EXPECT_EQ(reply.body["properties"]["outputs"]["of"]["value"], 7);
    EXPECT_EQ(reply.body["properties"]["outputResources"].size(), 2U);
    EXPECT_FALSE(reply.body["properties"]["parameters"]["secret"].contains("value"));
    EXPECT_EQ(reply.text.find("hush"), std::string::npos);
    Json made = manager.get(kGroup + "/providers/My.Own/things/x-b").body;
    EXPECT_EQ(made["location"], "westeurope");
    EXPECT_EQ(made["properties"]["of"], 7);
    EXPECT_FALSE(made.contains("dependsOn"));

    const std::string id = kGroup + "/providers/Microsoft.Resources/deployments/d1";
    EXPECT_EQ(manager.get(id).body, reply.body);
    EXPECT_EQ(manager.get(id + "/operations").body["value"].size(), 2U);
    EXPECT_EQ(manager.get(id + "/operationStatuses/x").body["status"], "Succeeded");
    EXPECT_EQ(manager.send("POST", id + "/exportTemplate" + kVersion).body["template"], document);
    EXPECT_EQ(manager.send("POST", id + "/whatIf" + kVersion).status, 400);
    EXPECT_EQ(
        manager.get(kGroup + "/providers/Microsoft.Resources/deployments").body["value"].size(),
        1U);
    EXPECT_EQ(manager.remove(id).status, 200);
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/a").status, 200);
}

TEST(Deployments, ThatAreWrongMakeNothing) {
    Manager manager;
    const Json circle = {
        {"resources", Json::array({thing("a", {{"dependsOn", Json::array({"b"})}}),
                                   thing("b", {{"dependsOn", Json::array({"a"})}})})}};
    Reply reply = manager.deploy(circle);
    EXPECT_EQ(reply.status, 400);
    EXPECT_EQ(reply.code(), "InvalidTemplate");
    EXPECT_NE(reply.body["error"]["message"].get<std::string>().find("resources[0]"),
              std::string::npos);
    reply = manager.deploy({{"resources", Json::array({thing("a"), thing("[nope()]")})}});
    EXPECT_EQ(reply.code(), "InvalidTemplate");
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 0U);
    EXPECT_EQ(manager.get(kGroup + "/providers/Microsoft.Resources/deployments/d1").status, 404);

    const std::string target = kGroup + "/providers/Microsoft.Resources/deployments/d1" + kVersion;
    for (const char* body :
         {"", "{", "[]", "{\"properties\":1}", "{\"properties\":{\"template\":\"x\"}}",
          "{\"properties\":{\"templateLink\":{\"uri\":\"https://x\"}}}",
          "{\"properties\":{\"mode\":\"Complete\",\"template\":{\"resources\":[]}}}"}) {
        EXPECT_EQ(manager.send_raw("PUT", target, body).code(), "InvalidRequestContent") << body;
    }
    EXPECT_EQ(manager
                  .send("PUT", kS + "/providers/Microsoft.Resources/deployments/d" + kVersion,
                        {{"properties", {{"template", {{"resources", Json::array()}}}}}})
                  .status,
              400);
}

TEST(Deployments, ThatFailSayWhereAndKeepWhatWasMade) {
    Manager manager;
    const Json document = {
        {"resources", Json::array({thing("a"),
                                   {{"type", "Microsoft.KeyVault/vaults"},
                                    {"apiVersion", "2022-07-01"},
                                    {"name", "b--d"},
                                    {"location", "westeurope"},
                                    {"properties", {{"sku", {{"name", "standard"}}}}}}})}};
    Reply reply = manager.deploy(document);
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.code(), "DeploymentFailed");
    EXPECT_EQ(reply.body["error"]["details"][0]["code"], "VaultNameNotValid");
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/a").status, 200);
    Json kept = manager.get(kGroup + "/providers/Microsoft.Resources/deployments/d1").body;
    EXPECT_EQ(kept["properties"]["provisioningState"], "Failed");
}

TEST(Deployments, DoNoMoreThanTheirCallerMay) {
    Manager manager;
    const std::string assignments = "/providers/Microsoft.Authorization/roleAssignments/";
    const Json contributor = {{"properties",
                               {{"roleDefinitionId", "b24988ac-6180-42a0-ab88-20f7382dd24c"},
                                {"principalId", kMachine}}}};
    ASSERT_EQ(
        manager.put(kGroup + assignments + "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa", contributor)
            .status,
        201);
    const Json owner = {{"type", "Microsoft.Authorization/roleAssignments"},
                        {"apiVersion", "2022-04-01"},
                        {"name", "[guid('x')]"},
                        {"properties",
                         {{"roleDefinitionId", "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"},
                          {"principalId", kMachine}}}};
    Reply reply = manager.send(
        "PUT", kGroup + "/providers/Microsoft.Resources/deployments/d" + kVersion,
        {{"properties", {{"template", {{"resources", Json::array({owner})}}}}}}, token(kMachine));
    EXPECT_EQ(reply.code(), "DeploymentFailed");
    EXPECT_EQ(reply.body["error"]["details"][0]["code"], "AuthorizationFailed");
    // Nor does a scope lead out of what the caller may write.
    Json elsewhere = thing("a");
    elsewhere["scope"] = kS;
    reply =
        manager.send("PUT", kGroup + "/providers/Microsoft.Resources/deployments/d" + kVersion,
                     {{"properties", {{"template", {{"resources", Json::array({elsewhere})}}}}}},
                     token(kMachine));
    EXPECT_EQ(reply.body["error"]["details"][0]["code"], "AuthorizationFailed");
}

TEST(Deployments, AreValidatedWithoutMakingAnything) {
    Manager manager;
    const std::string target =
        kGroup + "/providers/Microsoft.Resources/deployments/d1/validate" + kVersion;
    auto validate = [&](const Json& document) {
        return manager.send("POST", target, {{"properties", {{"template", document}}}});
    };
    EXPECT_EQ(validate({{"resources",
                         Json::array({thing("a", {{"properties", {{"x", "[reference('b').y]"}}}}),
                                      thing("b")})}})
                  .status,
              200);
    EXPECT_EQ(validate({{"resources",
                         Json::array({thing("a", {{"properties", {{"x", "[div(1, 0)]"}}}})})}})
                  .code(),
              "InvalidTemplate");
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 0U);
}

// What az sent.

// Members of the answers that az needs ("smallest answer", real-clients.md, 4), as JSON pointers.
std::vector<std::string> needed(const std::string& method, const std::string& path) {
    struct Row {
        const char *method, *end;
        std::vector<std::string> members;
    };
    static const std::vector<Row> kRows = {
        {"GET", "/subscriptions", {"/value/0/id", "/value/0/subscriptionId", "/value/0/state"}},
        {"GET", "/tenants", {"/value/0/tenantId"}},
        {"GET",
         "/Microsoft.Compute/skus",
         {"/value/0/name", "/value/0/locations/0", "/value/0/locationInfo/0/zones/0",
          "/value/0/restrictions", "/value/0/resourceType"}},
        {"PUT",
         "/MyConfidentialRG",
         {"/id", "/name", "/location", "/type", "/properties/provisioningState"}},
        {"GET", "/MyConfidentialRG", {"/location"}},
        {"POST", "/register", {"/registrationState"}},
        {"GET", "/Microsoft.KeyVault", {"/namespace", "/registrationState", "/resourceTypes"}},
        {"PUT",
         "/MyConfKV-1",
         {"/id", "/name", "/type", "/properties/vaultUri", "/properties/provisioningState"}},
        {"GET", "/resources", {"/value"}},
        {"PUT",
         "/attesta1b2c3",
         {"/properties/attestUri", "/properties/status", "/properties/trustModel"}},
        {"GET", "/roleDefinitions", {"/value/0/id"}},
        {"PUT", "/roleAssignments/", {"/id", "/name", "/properties/principalId"}},
        {"GET", "/versions", {"/0/name"}},
        {"GET", "/virtualNetworks", {"/value"}},
        {"PUT", "/deployments/", {"/properties/provisioningState"}},
        {"GET",
         "/virtualMachines/",
         {"/properties/networkProfile/networkInterfaces/0/id",
          "/properties/instanceView/statuses/1/code", "/identity/principalId"}},
        {"GET",
         "/networkInterfaces/",
         {"/properties/ipConfigurations/0/properties/privateIPAddress", "/properties/macAddress"}},
        {"GET", "/publicIPAddresses/", {"/properties/ipAddress"}},
        {"PUT", "/virtualNetworks/", {"/properties/provisioningState"}},
    };
    for (const Row& row : kRows) {
        const std::string end = row.end;
        const bool within = end.ends_with('/') && path.find(end) != std::string::npos;
        if (method == row.method && (within || path.ends_with(end))) return row.members;
    }
    return {};
}

TEST(Recordings, AreAnsweredAsAzNeedsIt) {
    Manager manager(false);
    manager.make_group("rg2");  // made in a step that went unrecorded
    std::ifstream file(VS_SOURCE_DIR "/tests/vectors/recordings/az-resource-manager.jsonl");
    size_t steps = 0;
    for (std::string line; std::getline(file, line); ++steps) {
        Json step = MUST(parse_json(line));
        const Json& request = step["request"];
        const std::string method = request["method"], path = request["path"];
        const std::string name = step["case"].get<std::string>() + ": " + method + " " + path;
        // Nor did it mind the same role assigned twice, in two recordings.
        if (name.starts_with("az role assignment create (user") && method == "PUT") {
            const std::string first = "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa";
            EXPECT_EQ(manager.remove(path.substr(0, path.rfind('/') + 1) + first).status, 200);
        }
        // The stand-in knew nothing of deleted vaults: here one has to be waited for.
        if (name.starts_with("az group delete (wait): PUT") && path.ends_with("/MyConfKV-1")) {
            manager.clock.set(manager.clock.now() + Seconds{91 * 86400});
        }
        std::string target = path;
        // The number of an operation is ours.
        if (path.find("/operationresults/") != std::string::npos) {
            target = kS + "/operationresults/" + std::string(32, 'a');
        }
        if (path.find("/asyncops/") != std::string::npos) continue;  // see below
        Reply reply = manager.send_raw(method, target + "?" + request["query"].get<std::string>(),
                                       request["body"]);
        int status = step["answer"]["status"];
        // Final at once, where the stand-in let az poll (real-clients.md, 4 and 4.1).
        const bool polled = (method == "DELETE" && path.find("/virtualMachines/") != path.npos) ||
                            (method == "PUT" && path.find("/deployments/") != path.npos);
        if (polled) status = 200;
        EXPECT_EQ(reply.status, status) << name << "\n" << reply.text;
        if (reply.status >= 400) continue;
        for (const std::string& member : needed(method, path)) {
            EXPECT_TRUE(reply.body.contains(Json::json_pointer(member)))
                << name << " lacks " << member << "\n"
                << reply.text;
        }
    }
    EXPECT_EQ(steps, 75U);
}

}  // namespace
}  // namespace vouchsafe::cloud
