#include "vouchsafe/cloud/template/plan.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"

namespace vouchsafe::cloud {
namespace {

const std::string kGroup = "/subscriptions/s/resourceGroups/rg";

Place place() {
    return {{{"id", kGroup}, {"name", "rg"}, {"location", "westeurope"}},
            {{"subscriptionId", "s"}},
            Json::object(),
            "d1",
            "20260701T120000Z"};
}

Json resource(const std::string& name, const Json& more = Json::object()) {
    Json out = {{"type", "A.B/things"}, {"apiVersion", "2021-01-01"}, {"name", name}};
    out.update(more);
    return out;
}

using Resources = std::vector<Json>;

Result<std::unique_ptr<Plan>> make(const Resources& resources, const Json& more = Json::object(),
                                   const Json& parameters = Json::object()) {
    Json document = {{"resources", Json(resources)}};
    document.update(more);
    return Plan::make(document, parameters, place());
}

std::string order(const Resources& resources) {
    Result<std::unique_ptr<Plan>> plan = make(resources);
    if (!plan) return plan.error().message;
    std::string out;
    for (const PlannedResource& one : (*plan)->resources()) out += one.name + " ";
    return out;
}

std::string problem(const Resources& resources, const Json& more = Json::object(),
                    const Json& parameters = Json::object()) {
    Result<std::unique_ptr<Plan>> plan = make(resources, more, parameters);
    EXPECT_FALSE(plan);
    if (plan) return "";
    EXPECT_EQ(plan.error().code, Code::invalid);
    return plan.error().message;
}

bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

Result<Json> no_reference(const std::string&, bool) {
    return fail(Code::not_found, "none");
}

TEST(Plan, PutsEachAfterWhatItDependsOn) {
    // Every way to write it: a name, type and name, an id; and in any case.
    EXPECT_EQ(order({resource("c", {{"dependsOn", {"a.b/THINGS/b"}}}),
                     resource("b", {{"dependsOn", {"[resourceId('A.B/things', 'a')]"}}}),
                     resource("a"), resource("d", {{"dependsOn", {"C"}}})}),
              "a b c d ");
}

TEST(Plan, KnowsWhatAReferenceNeeds) {
    EXPECT_EQ(order({resource("b", {{"properties",
                                     {{"x", "[reference(resourceId('A.B/things', 'a')).y]"}}}}),
                     resource("a")}),
              "a b ");
}

TEST(Plan, RefusesCircles) {
    EXPECT_TRUE(
        has(order({resource("a", {{"dependsOn", {"b"}}}), resource("b", {{"dependsOn", {"a"}}})}),
            "depends on itself"));
    EXPECT_TRUE(has(order({resource("a", {{"dependsOn", {"a"}}})}), "depends on itself"));
    EXPECT_TRUE(has(order({resource("a", {{"dependsOn", {"z"}}})}), "not in the template"));
    EXPECT_TRUE(
        has(problem({resource("[variables('v')]")},
                    {{"variables", {{"v", "[variables('w')]"}, {"w", "[variables('v')]"}}}}),
            "'v' depends on itself"));
}

TEST(Plan, RunsLoopsOfResources) {
    auto plan = MUST(make({resource("[concat('n', copyIndex())]",
                                    {{"copy", {{"name", "loop"}, {"count", 3}}},
                                     {"properties", {{"i", "[copyIndex('loop', 1)]"}}}}),
                           resource("after", {{"dependsOn", {"loop"}}})}));
    ASSERT_EQ(plan->resources().size(), 4U);
    EXPECT_EQ(plan->resources()[2].id, kGroup + "/providers/A.B/things/n2");
    EXPECT_EQ(MUST(plan->body(2, no_reference)), (Json{{"properties", {{"i", 3}}}}));
    EXPECT_EQ(plan->resources()[3].name, "after");
    EXPECT_TRUE(has(problem({resource("same", {{"copy", {{"name", "l"}, {"count", 2}}}})}),
                    "defined twice"));
    EXPECT_TRUE(has(problem({resource("a", {{"copy", {{"name", "l"}, {"count", 801}}}})}),
                    "resources[0].copy.count"));
    EXPECT_TRUE(has(problem({resource("a[0]", {{"copy", {{"name", "l"}, {"count", -1}}}})}),
                    "resources[0].copy.count"));
}

TEST(Plan, LeavesOutWhoseConditionIsFalse) {
    EXPECT_EQ(order({resource("a", {{"condition", "[equals(1, 2)]"}}),
                     resource("b", {{"dependsOn", {"a"}}, {"condition", true}})}),
              "b ");
    EXPECT_TRUE(has(problem({resource("a", {{"condition", "yes"}})}), "a boolean is wanted"));
}

TEST(Plan, MakesChildrenOfTheirParents) {
    const Json child = {{"type", "parts"}, {"apiVersion", "1"}, {"name", "p"}};
    auto plan = MUST(make({resource("a", {{"resources", Json::array({child})}})}));
    ASSERT_EQ(plan->resources().size(), 2U);
    EXPECT_EQ(plan->resources()[1].id, kGroup + "/providers/A.B/things/a/parts/p");
    EXPECT_EQ(plan->resources()[1].type, "A.B/things/parts");
}

TEST(Plan, PlacesWhatStandsOnOthers) {
    Json role = {{"type", "Microsoft.Authorization/roleAssignments"},
                 {"apiVersion", "1"},
                 {"name", "r"},
                 {"scope", "A.B/things/a"}};
    Json old = role;
    old.erase("scope");
    old["type"] = "A.B/things/providers/roleAssignments";
    old["name"] = "a/Microsoft.Authorization/q";
    auto plan = MUST(make({role, old}));
    const std::string below = kGroup + "/providers/A.B/things/a/providers/";
    EXPECT_EQ(plan->resources()[0].id, below + "Microsoft.Authorization/roleAssignments/r");
    EXPECT_EQ(plan->resources()[1].id, below + "Microsoft.Authorization/roleAssignments/q");
}

TEST(Plan, ReadsParametersAndKeepsSecrets) {
    const Json declared = {
        {"parameters",
         {{"name", {{"type", "string"}, {"maxLength", 3}}},
          {"size", {{"type", "int"}, {"defaultValue", 2}, {"maxValue", 4}}},
          {"where", {{"type", "string"}, {"defaultValue", "[resourceGroup().location]"}}},
          {"kind", {{"type", "string"}, {"defaultValue", "a"}, {"allowedValues", {"a", "b"}}}},
          {"password", {{"type", "securestring"}, {"defaultValue", "hush"}}}}}};
    auto with = [](const Json& given) {
        Json out = {{"name", {{"value", "abc"}}}};
        out.update(given);
        return out;
    };
    const Resources one = {
        resource("[parameters('NAME')]", {{"properties", {{"w", "[parameters('where')]"}}}})};
    auto plan = MUST(make(one, declared, with(Json::object())));
    EXPECT_EQ(plan->resources()[0].name, "abc");
    EXPECT_EQ(MUST(plan->body(0, no_reference))["properties"]["w"], "westeurope");
    EXPECT_EQ(plan->shown_parameters()["size"], (Json{{"type", "int"}, {"value", 2}}));
    EXPECT_EQ(plan->shown_parameters()["password"], (Json{{"type", "securestring"}}));

    EXPECT_TRUE(has(problem(one, declared), "parameters.name: it has neither"));
    EXPECT_TRUE(has(problem(one, declared, with({{"more", {{"value", 1}}}})), "parameters.more"));
    EXPECT_TRUE(has(problem(one, declared, with({{"size", {{"value", "2"}}}})), "is no int"));
    EXPECT_TRUE(has(problem(one, declared, with({{"size", {{"value", 5}}}})), "maxValue"));
    EXPECT_TRUE(has(problem(one, declared, with({{"kind", {{"value", "c"}}}})), "allowedValues"));
    EXPECT_TRUE(has(problem(one, declared, {{"name", {{"value", "abcd"}}}}), "maxLength"));
    EXPECT_TRUE(has(problem(one, declared, {{"name", {{"reference", {}}}}}), "from a vault"));
}

TEST(Plan, TellsWhereAMistakeIs) {
    EXPECT_TRUE(has(problem({resource("a", {{"properties", {{"x", {"[nope()]"}}}}})}),
                    "resources[0].properties.x[0]: there is no function 'nope'"));
    EXPECT_TRUE(has(problem({resource("a", {{"properties", {{"x", "[concat('a']"}}}})}),
                    "resources[0].properties.x: "));
    EXPECT_TRUE(has(problem({Json{{"type", "A.B/c"}, {"name", "n"}}}), "no 'apiVersion'"));
    EXPECT_TRUE(has(problem({resource("a/b")}), "does not go with 2 names"));
    EXPECT_TRUE(has(problem({resource("a", {{"type", "Microsoft.Resources/deployments"}})}),
                    "resources[0]: it has no 'properties'"));
    EXPECT_TRUE(has(problem({1}), "a resource is an object"));
    EXPECT_TRUE(has(problem({}, {{"resources", 1}}), "no 'resources'"));
    EXPECT_TRUE(has(problem({}, {{"functions", Json::array({1})}}), "functions[0]"));
    EXPECT_TRUE(has(problem({}, {{"functions", 1}}), "no array"));
}

TEST(Plan, TakesSymbolicNames) {
    const Json named = {{"first", resource("a", {{"dependsOn", {"second"}}})},
                        {"second", resource("b")},
                        {"there", resource("c", {{"existing", true}})}};
    auto plan = MUST(make({}, {{"resources", named}}));
    ASSERT_EQ(plan->resources().size(), 2U);
    EXPECT_EQ(plan->resources()[0].name, "b");
}

TEST(Plan, GivesOutputs) {
    auto plan = MUST(
        make({resource("a")}, {{"outputs",
                                {{"x", {{"type", "string"}, {"value", "[reference('a').uri]"}}},
                                 {"no", {{"type", "int"}, {"value", 1}, {"condition", false}}}}}}));
    const Plan::Reference reference = [](const std::string& id, bool) -> Result<Json> {
        return Json{{"uri", id}};
    };
    EXPECT_EQ(MUST(plan->outputs(reference)),
              (Json{{"x", {{"type", "string"}, {"value", kGroup + "/providers/A.B/things/a"}}}}));
    EXPECT_EQ(plan->outputs(no_reference).error().code, Code::not_found);
}

TEST(Plan, EndsForVariablesThatDouble) {
    Json variables = {{"v0", "0123456789abcdef"}};
    for (int i = 1; i <= 40; ++i) {
        variables["v" + std::to_string(i)] =
            fmt::format("[concat(variables('v{}'), variables('v{}'))]", i - 1, i - 1);
    }
    EXPECT_TRUE(
        has(problem({resource("[variables('v40')]")}, {{"variables", variables}}), "too large"));
}

}  // namespace
}  // namespace vouchsafe::cloud
