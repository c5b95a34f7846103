// Deployments with modules, as Bicep compiles them, through the service: records, operations,
// outputs, other groups, failures and permissions.
#include <gmock/gmock.h>

#include "vouchsafe/cloud/test_manager.h"

namespace vouchsafe::cloud {
namespace {

using namespace testing;
using ::testing::ElementsAre;

const std::string kDeploymentsPath = kGroup + "/providers/Microsoft.Resources/deployments/";
const std::string kNetworkPath = kGroup + "/providers/Microsoft.Network/";

Json parse_template(const char* text) {
    return MUST(parse_json(text, {1 << 20, 64}));
}

// As `bicep build` writes it, of a main file with two modules: a network, and a machine with its
// interface, once for each name.
Json lab_template() {
    return parse_template(R"json({
  "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
  "contentVersion": "1.0.0.0",
  "metadata": {"_generator": {"name": "bicep", "version": "0.24.24.22086", "templateHash": "1"}},
  "parameters": {
    "location": {"type": "string", "defaultValue": "[resourceGroup().location]"},
    "addressSpace": {"type": "string", "defaultValue": "10.20.0.0/16"},
    "machines": {"type": "array", "defaultValue": [{"name": "first", "vtpm": true}, {"name": "second", "vtpm": false}]},
    "adminPassword": {"type": "secureString"}
  },
  "variables": {
    "subnets": "[map(createArray('front', 'back'), lambda('name', 'i', createObject('name', lambdaVariables('name'), 'prefix', cidrSubnet(parameters('addressSpace'), 24, lambdaVariables('i')))))]"
  },
  "resources": [
    {
      "copy": {"name": "machineModule", "count": "[length(parameters('machines'))]"},
      "type": "Microsoft.Resources/deployments",
      "apiVersion": "2022-09-01",
      "name": "[format('machine-{0}', parameters('machines')[copyIndex()].name)]",
      "properties": {
        "expressionEvaluationOptions": {"scope": "inner"},
        "mode": "Incremental",
        "parameters": {
          "name": {"value": "[parameters('machines')[copyIndex()].name]"},
          "location": {"value": "[parameters('location')]"},
          "vtpm": {"value": "[parameters('machines')[copyIndex()].vtpm]"},
          "adminPassword": {"value": "[parameters('adminPassword')]"},
          "subnetId": {"value": "[reference(resourceId('Microsoft.Resources/deployments', 'network'), '2022-09-01').outputs.subnetIds.value[0]]"}
        },
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
          "contentVersion": "1.0.0.0",
          "parameters": {
            "name": {"type": "string", "minLength": 1, "maxLength": 15},
            "location": {"type": "string"},
            "vtpm": {"type": "bool"},
            "adminPassword": {"type": "secureString"},
            "subnetId": {"type": "string"}
          },
          "resources": [
            {
              "type": "Microsoft.Network/networkInterfaces",
              "apiVersion": "2023-04-01",
              "name": "[format('{0}-nic', parameters('name'))]",
              "location": "[parameters('location')]",
              "properties": {"ipConfigurations": [{"name": "ip", "properties": {"subnet": {"id": "[parameters('subnetId')]"}}}]}
            },
            {
              "type": "Microsoft.Compute/virtualMachines",
              "apiVersion": "2023-03-01",
              "name": "[parameters('name')]",
              "location": "[parameters('location')]",
              "identity": {"type": "SystemAssigned"},
              "properties": {
                "osProfile": {"computerName": "[parameters('name')]", "adminUsername": "azureuser", "adminPassword": "[parameters('adminPassword')]"},
                "networkProfile": {"networkInterfaces": [{"id": "[resourceId('Microsoft.Network/networkInterfaces', format('{0}-nic', parameters('name')))]"}]},
                "storageProfile": {"osDisk": {"createOption": "FromImage", "managedDisk": {"securityProfile": {"securityEncryptionType": "VMGuestStateOnly"}}}},
                "securityProfile": {"securityType": "ConfidentialVM", "uefiSettings": {"secureBootEnabled": true, "vTpmEnabled": true}}
              },
              "dependsOn": ["[resourceId('Microsoft.Network/networkInterfaces', format('{0}-nic', parameters('name')))]"]
            }
          ],
          "outputs": {
            "principalId": {"type": "string", "value": "[reference(resourceId('Microsoft.Compute/virtualMachines', parameters('name')), '2023-03-01', 'full').identity.principalId]"},
            "address": {"type": "string", "value": "[reference(resourceId('Microsoft.Network/networkInterfaces', format('{0}-nic', parameters('name'))), '2023-04-01').ipConfigurations[0].properties.privateIPAddress]"}
          }
        }
      },
      "dependsOn": ["[resourceId('Microsoft.Resources/deployments', 'network')]"]
    },
    {
      "type": "Microsoft.Resources/deployments",
      "apiVersion": "2022-09-01",
      "name": "network",
      "properties": {
        "expressionEvaluationOptions": {"scope": "inner"},
        "mode": "Incremental",
        "parameters": {
          "location": {"value": "[parameters('location')]"},
          "addressSpace": {"value": "[parameters('addressSpace')]"},
          "subnets": {"value": "[variables('subnets')]"}
        },
        "template": {
          "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
          "contentVersion": "1.0.0.0",
          "parameters": {"location": {"type": "string"}, "addressSpace": {"type": "string"}, "subnets": {"type": "array"}},
          "resources": [
            {
              "type": "Microsoft.Network/virtualNetworks",
              "apiVersion": "2023-04-01",
              "name": "vnet",
              "location": "[parameters('location')]",
              "properties": {
                "copy": [{"name": "subnets", "count": "[length(parameters('subnets'))]", "input": {"name": "[parameters('subnets')[copyIndex('subnets')].name]", "properties": {"addressPrefix": "[parameters('subnets')[copyIndex('subnets')].prefix]"}}}],
                "addressSpace": {"addressPrefixes": ["[parameters('addressSpace')]"]}
              }
            }
          ],
          "outputs": {
            "subnetIds": {"type": "array", "copy": {"count": "[length(parameters('subnets'))]", "input": "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'vnet', parameters('subnets')[copyIndex()].name)]"}}
          }
        }
      }
    }
  ],
  "outputs": {
    "addresses": {"type": "array", "copy": {"count": "[length(parameters('machines'))]", "input": "[reference(resourceId('Microsoft.Resources/deployments', format('machine-{0}', parameters('machines')[copyIndex()].name)), '2022-09-01').outputs.address.value]"}},
    "firstPrincipal": {"type": "string", "value": "[reference(resourceId('Microsoft.Resources/deployments', format('machine-{0}', parameters('machines')[0].name)), '2022-09-01').outputs.principalId.value]"}
  }
})json");
}

const Json kPassword = {{"adminPassword", {{"value", "hush-hush-1"}}}};

TEST(NestedDeployments, MakeTheModulesOfABicepFile) {
    Manager manager;
    Reply reply = manager.deploy(lab_template(), kPassword, "main");
    ASSERT_EQ(reply.status, 200) << reply.text;
    const Json& properties = reply.body["properties"];
    EXPECT_EQ(properties["outputs"]["addresses"]["value"], (Json{"10.20.0.4", "10.20.0.5"}));
    EXPECT_THAT(manager.effects.told, ElementsAre("new first", "new second"));
    const Json machine =
        manager.get(kGroup + "/providers/Microsoft.Compute/virtualMachines/first").body;
    EXPECT_EQ(properties["outputs"]["firstPrincipal"]["value"], machine["identity"]["principalId"]);
    EXPECT_EQ(manager.get(kNetworkPath + "virtualNetworks/vnet/subnets/back")
                  .body["properties"]["addressPrefix"],
              "10.20.1.0/24");
    // Everything that was made is told, of the modules as well.
    ASSERT_EQ(properties["outputResources"].size(), 5U);
    EXPECT_EQ(properties["outputResources"][0]["id"], kNetworkPath + "virtualNetworks/vnet");

    // Each module is a deployment with its own parameters, outputs and operations.
    Json module = manager.get(kDeploymentsPath + "machine-second").body;
    EXPECT_EQ(module["properties"]["provisioningState"], "Succeeded");
    EXPECT_EQ(module["properties"]["parameters"]["name"]["value"], "second");
    EXPECT_EQ(module["properties"]["parameters"]["adminPassword"],
              (Json{{"type", "secureString"}}));
    EXPECT_EQ(module["properties"]["outputs"]["address"]["value"], "10.20.0.5");
    EXPECT_EQ(manager.get(kDeploymentsPath + "network/operations").body["value"].size(), 1U);
    Json operations = manager.get(kDeploymentsPath + "main/operations").body["value"];
    ASSERT_EQ(operations.size(), 3U);
    EXPECT_EQ(operations[0]["properties"]["targetResource"]["id"], kDeploymentsPath + "network");
    // az asks by Azure's older path.
    const std::string older = kS + "/resourcegroups/rg/deployments/main/operations";
    EXPECT_EQ(manager.get(older).body["value"], operations);
    EXPECT_EQ(manager.get(older + "/0000000000000002").body, operations[1]);
    EXPECT_EQ(manager.get(older + "/0000000000000004").code(), "DeploymentOperationNotFound");
    EXPECT_EQ(manager.get(kS + "/resourcegroups/rg/deployments/none/operations").status, 404);
    EXPECT_EQ(
        manager.get("/subscriptions/none/resourcegroups/rg/deployments/main/operations").code(),
        "SubscriptionNotFound");
    EXPECT_EQ(manager.send("GET", older + kVersion, nullptr, token(kMachine)).status, 403);
    EXPECT_EQ(manager.send("POST", kDeploymentsPath + "network/exportTemplate" + kVersion)
                  .body["template"],
              lab_template()["resources"][1]["properties"]["template"]);
    EXPECT_EQ(
        manager.get(kGroup + "/providers/Microsoft.Resources/deployments").body["value"].size(),
        4U);
    for (const char* name : {"main", "network", "machine-first", "machine-second"}) {
        EXPECT_EQ(manager.get(kDeploymentsPath + name).text.find("hush-hush"), std::string::npos);
    }

    // Once more changes what is there.
    EXPECT_EQ(manager.deploy(lab_template(), kPassword, "main").status, 200);
    EXPECT_EQ(
        manager.get(kGroup + "/providers/Microsoft.Resources/deployments").body["value"].size(),
        4U);
}

TEST(NestedDeployments, AreValidatedWithTheirTemplates) {
    Manager manager;
    auto validate = [&](const Json& document) {
        return manager.send("POST", kDeploymentsPath + "main/validate" + kVersion,
                            {{"properties", {{"template", document}, {"parameters", kPassword}}}});
    };
    Reply reply = validate(lab_template());
    ASSERT_EQ(reply.status, 200) << reply.text;
    EXPECT_EQ(reply.body["properties"]["validatedResources"].size(), 5U);
    Json wrong = lab_template();
    wrong["resources"][1]["properties"]["template"]["resources"][0]["properties"]["addressSpace"] =
        "[div(1, 0)]";
    reply = validate(wrong);
    EXPECT_EQ(reply.code(), "InvalidTemplate");
    EXPECT_NE(reply.text.find("divided by 0"), std::string::npos) << reply.text;
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 0U);
    EXPECT_EQ(manager.get(kDeploymentsPath + "network").status, 404);

    wrong = lab_template();
    wrong["parameters"]["machines"]["defaultValue"][1]["name"] = "a-name-that-is-too-long";
    reply = manager.deploy(wrong, kPassword, "main");
    EXPECT_EQ(reply.code(), "InvalidTemplate");
    EXPECT_NE(reply.text.find("maxLength"), std::string::npos) << reply.text;
    EXPECT_EQ(manager.get(kS + "/resources").body["value"].size(), 0U);
}

Json thing_named(const std::string& name, const Json& more = Json::object()) {
    Json out = {{"type", "My.Own/things"}, {"apiVersion", "2021-01-01"}, {"name", name}};
    out.update(more);
    return out;
}

Json module_of(const std::string& name, const std::vector<Json>& resources,
               const Json& more = Json::object()) {
    Json out = {{"type", "Microsoft.Resources/deployments"},
                {"apiVersion", "2022-09-01"},
                {"name", name},
                {"properties",
                 {{"mode", "Incremental"},
                  {"expressionEvaluationOptions", {{"scope", "inner"}}},
                  {"template", {{"resources", Json(resources)}}}}}};
    out.update(more);
    return out;
}

Json only(const std::vector<Json>& resources) {
    return {{"resources", Json(resources)}};
}

Json bad_vault() {
    return {{"type", "Microsoft.KeyVault/vaults"},
            {"apiVersion", "2022-07-01"},
            {"name", "b--d"},
            {"location", "westeurope"},
            {"properties", {{"sku", {{"name", "standard"}}}}}};
}

TEST(NestedDeployments, ThatFailFailTheOuterOne) {
    Manager manager;
    const Json inner = module_of("inner", {thing_named("a"), bad_vault()});
    const Json document =
        only({module_of("middle", {inner}), thing_named("never", {{"dependsOn", {"middle"}}})});
    Reply reply = manager.deploy(document, Json::object(), "main");
    EXPECT_EQ(reply.status, 409);
    // The way down, as Azure tells it.
    const Json* at = &reply.body["error"];
    for (const char* name : {"main", "middle", "inner"}) {
        EXPECT_EQ((*at)["code"], "DeploymentFailed") << name;
        EXPECT_EQ((*at)["target"], kDeploymentsPath + name);
        at = &(*at)["details"][0];
        if (std::string(name) == "inner") break;
        EXPECT_EQ((*at)["code"], "ResourceDeploymentFailure") << name;
        at = &(*at)["details"][0];
    }
    EXPECT_EQ((*at)["code"], "VaultNameNotValid");
    for (const char* name : {"main", "middle", "inner"}) {
        Json kept = manager.get(kDeploymentsPath + name).body["properties"];
        EXPECT_EQ(kept["provisioningState"], "Failed") << name;
        EXPECT_EQ(kept["error"]["code"], "DeploymentFailed") << name;
    }
    Json operation =
        manager.get(kDeploymentsPath + "middle/operations").body["value"][0]["properties"];
    EXPECT_EQ(operation["provisioningState"], "Failed");
    EXPECT_EQ(operation["statusMessage"]["error"]["code"], "ResourceDeploymentFailure");
    // What was made stays, and what came after it was not begun.
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/a").status, 200);
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/never").status, 404);
}

TEST(NestedDeployments, WhoseParametersComeLateAreRefusedThen) {
    Manager manager;
    Json module = module_of("n", {thing_named("b")});
    module["properties"]["template"]["parameters"] = {{"p", {{"type", "int"}, {"maxValue", 6}}}};
    module["properties"]["parameters"] = {{"p", {{"value", "[reference('a').x]"}}}};
    const Json document = only({thing_named("a", {{"properties", {{"x", 7}}}}), module});
    Reply reply = manager.deploy(document, Json::object(), "main");
    EXPECT_EQ(reply.code(), "DeploymentFailed");
    EXPECT_EQ(reply.body["error"]["details"][0]["code"], "InvalidTemplate");
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/a").status, 200);
    EXPECT_EQ(manager.get(kDeploymentsPath + "n").status, 404);  // it never began
}

TEST(NestedDeployments, GoIntoOtherGroupsWhereTheirCallerMay) {
    Manager manager;
    manager.make_group("other");
    const std::string other = kS + "/resourceGroups/other";
    const std::string assignments = "/providers/Microsoft.Authorization/roleAssignments/";
    auto assign = [&](const std::string& scope, const std::string& number) {
        return manager
            .put(scope + assignments + "aaaaaaaa-1111-4111-8111-" + number,
                 {{"properties",
                   {{"roleDefinitionId", "b24988ac-6180-42a0-ab88-20f7382dd24c"},
                    {"principalId", kMachine}}}})
            .status;
    };
    auto deploy = [&](const Json& document) {
        return manager.send("PUT", kDeploymentsPath + "main" + kVersion,
                            {{"properties", {{"template", document}}}}, token(kMachine));
    };
    ASSERT_EQ(assign(kGroup, "aaaaaaaaaaaa"), 201);
    auto to = [](const std::string& group) {
        return only({module_of("n", {thing_named("a")}, {{"resourceGroup", group}})});
    };
    // Nothing is made, and there is no telling which groups there are.
    for (const char* group : {"other", "none"}) {
        Reply reply = deploy(to(group));
        EXPECT_EQ(reply.status, 403) << reply.text;
        EXPECT_EQ(reply.code(), "AuthorizationFailed");
        EXPECT_EQ(manager
                      .send("POST", kDeploymentsPath + "main/validate" + kVersion,
                            {{"properties", {{"template", to(group)}}}}, token(kMachine))
                      .status,
                  403);
    }
    EXPECT_EQ(manager.get(kDeploymentsPath + "main").status, 404);
    EXPECT_EQ(deploy(to("RG")).status, 200);

    ASSERT_EQ(assign(other, "bbbbbbbbbbbb"), 201);
    Reply reply = deploy(to("other"));
    EXPECT_EQ(reply.status, 200) << reply.text;
    EXPECT_EQ(manager.get(other + "/providers/My.Own/things/a").status, 200);
    EXPECT_EQ(manager.get(other + "/providers/Microsoft.Resources/deployments/n").status, 200);
    EXPECT_EQ(manager.deploy(to("none")).code(), "ResourceGroupNotFound");
    Json elsewhere = to("other");
    elsewhere["resources"][0]["subscriptionId"] = "55555555-5555-4555-8555-555555555555";
    EXPECT_EQ(manager.deploy(elsewhere).code(), "InvalidTemplate");
}

TEST(NestedDeployments, AreCalledBySymbolicNames) {
    Manager manager;
    manager.make_group("other");
    ASSERT_EQ(manager
                  .put(kS + "/resourceGroups/other/providers/My.Own/things/e",
                       {{"properties", {{"x", "there"}}}})
                  .status,
              201);
    const Json document = parse_template(R"json({
  "languageVersion": "2.0",
  "resources": {
    "there": {"existing": true, "type": "My.Own/things", "apiVersion": "1", "name": "e", "resourceGroup": "other"},
    "module": {
      "copy": {"name": "c", "count": 2},
      "type": "Microsoft.Resources/deployments", "apiVersion": "2022-09-01", "name": "[format('inner{0}', copyIndex())]",
      "dependsOn": ["there"],
      "properties": {
        "mode": "Incremental", "expressionEvaluationOptions": {"scope": "inner"},
        "parameters": {"q": {"value": "[concat(reference('there').x, string(copyIndex()))]"}},
        "template": {
          "languageVersion": "2.0",
          "definitions": {"short": {"type": "string", "maxLength": 9}},
          "parameters": {"q": {"$ref": "#/definitions/short"}},
          "functions": [{"namespace": "n", "members": {"f": {
            "parameters": [{"name": "x", "type": "string"}], "output": {"type": "string", "value": "[concat(parameters('x'), '1')]"}}}}],
          "resources": {"t": {"type": "My.Own/things", "apiVersion": "1", "name": "[n.f(parameters('q'))]",
            "properties": {"all": "[map(createArray(parameters('q')), lambda('x', lambdaVariables('x')))]"}}},
          "outputs": {"o": {"type": "string", "value": "[reference('t', '1', 'full').name]"}}
        }
      }
    }
  },
  "outputs": {
    "all": {"type": "array", "value": "[map(references('module'), lambda('m', lambdaVariables('m').outputs.o.value))]"},
    "last": {"type": "string", "value": "[reference('module[1]').outputs.o.value]"}
  }
})json");
    Reply reply = manager.deploy(document);
    ASSERT_EQ(reply.status, 200) << reply.text;
    EXPECT_EQ(reply.body["properties"]["outputs"]["all"]["value"], (Json{"there01", "there11"}));
    EXPECT_EQ(reply.body["properties"]["outputs"]["last"]["value"], "there11");
    EXPECT_EQ(manager.get(kGroup + "/providers/My.Own/things/there01").body["properties"]["all"],
              Json::array({"there0"}));
}

// A template reads what its caller could read, and no more.
TEST(Deployments, ReferToWhatTheirCallerMayRead) {
    Manager manager;
    manager.make_group("other");
    const std::string there = kS + "/resourceGroups/other/providers/My.Own/things/secretive";
    ASSERT_EQ(manager.put(there, {{"properties", {{"x", "between us"}}}}).status, 201);
    ASSERT_EQ(manager
                  .put(kGroup + "/providers/Microsoft.Authorization/roleAssignments/"
                                "aaaaaaaa-1111-4111-8111-aaaaaaaaaaaa",
                       {{"properties",
                         {{"roleDefinitionId", "b24988ac-6180-42a0-ab88-20f7382dd24c"},
                          {"principalId", kMachine}}}})
                  .status,
              201);
    const Json document = {
        {"resources", Json::array()},
        {"outputs",
         {{"x", {{"type", "string"}, {"value", "[reference('" + there + "', '1').x]"}}}}}};
    auto deploy = [&](const std::string& who) {
        return manager.send("PUT", kDeploymentsPath + "main" + kVersion,
                            {{"properties", {{"template", document}}}}, token(who));
    };
    Reply reply = deploy(kMachine);
    EXPECT_EQ(reply.status, 409);
    EXPECT_EQ(reply.text.find("between us"), std::string::npos);
    EXPECT_NE(reply.text.find("My.Own/things/read"), std::string::npos) << reply.text;
    EXPECT_EQ(deploy(kOwner).body["properties"]["outputs"]["x"]["value"], "between us");
}

TEST(Deployments, KnowTheirCallerAndHaveNamesThatAzureTakes) {
    Manager manager;
    Json document = only({});
    document["outputs"] = {{"who", {{"type", "object"}, {"value", "[deployer()]"}}}};
    Reply reply = manager.deploy(document, Json::object(), std::string(64, 'd'));
    EXPECT_EQ(reply.body["properties"]["outputs"]["who"]["value"],
              (Json{{"objectId", kOwner}, {"tenantId", kTenant}}));
    EXPECT_EQ(manager.deploy(document, Json::object(), std::string(65, 'd')).code(),
              "DeploymentNameLengthLimitExceeded");
}

// A value deeper than a record may be would be written, and everything that reads all records would
// fail from then on.
TEST(Deployments, MakeNothingThatCannotBeReadAgain) {
    Manager manager;
    const std::string deep =
        "[reduce(range(0, 40), 1, lambda('a', 'b', createArray(lambdaVariables('a'))))]";
    Json nested = deep;
    for (int i = 0; i < 30; ++i) nested = Json::array({nested});
    EXPECT_EQ(manager.deploy(only({thing_named("a", {{"properties", {{"x", nested}}}})})).status,
              409);
    Json document = only({});
    document["outputs"] = {{"x", {{"type", "array"}, {"value", nested}}}};
    EXPECT_EQ(manager.deploy(document).status, 409);
    EXPECT_EQ(manager.get(kGroup + "/resources").status, 200);
    EXPECT_EQ(manager.get(kDeploymentsPath + "d1").status, 200);
}

}  // namespace
}  // namespace vouchsafe::cloud
