// Templates within templates, symbolic names, and functions of a template's own.
#include <gtest/gtest.h>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/plan.h"

namespace vouchsafe::cloud {
namespace {

const std::string kHome = "/subscriptions/s/resourceGroups/rg";
const std::string kDeployments = "/providers/Microsoft.Resources/deployments/";

Json item(const std::string& name, const Json& more = Json::object()) {
    Json out = {{"type", "A.B/things"}, {"apiVersion", "1"}, {"name", name}};
    out.update(more);
    return out;
}

// nest is a nested deployment of a template; `properties` and `more` go beside it.
Json nest(const std::string& name, const Json& inside, const Json& properties = Json::object(),
          const Json& more = Json::object()) {
    Json out = {{"type", "Microsoft.Resources/deployments"},
                {"apiVersion", "2022-09-01"},
                {"name", name},
                {"properties",
                 {{"mode", "Incremental"},
                  {"expressionEvaluationOptions", {{"scope", "inner"}}},
                  {"template", inside}}}};
    out["properties"].update(properties);
    out.update(more);
    return out;
}
const Json kOuter = {{"expressionEvaluationOptions", {{"scope", "outer"}}}};

Json holding(const std::vector<Json>& resources, const Json& more = Json::object()) {
    Json out = {{"resources", Json(resources)}};
    out.update(more);
    return out;
}

Result<std::unique_ptr<Plan>> plan_of(const Json& document,
                                      const Json& parameters = Json::object()) {
    Place place{{{"id", kHome}, {"name", "rg"}, {"location", "westeurope"}},
                {{"subscriptionId", "s"}},
                Json::object(),
                "main",
                "20260701T120000Z"};
    return Plan::make(document, parameters, place, [](const std::string& name) -> Result<Json> {
        if (name == "closed") return fail(Code::forbidden, "not yours");
        if (name != "other") return fail(Code::not_found, "no group '{}'", name);
        return Json{{"id", "/subscriptions/s/resourceGroups/other"},
                    {"name", "other"},
                    {"location", "eastus"}};
    });
}

std::string refusal(const Json& document, Code code = Code::invalid) {
    Result<std::unique_ptr<Plan>> plan = plan_of(document);
    EXPECT_FALSE(plan) << dump_json(document);
    if (plan) return "";
    EXPECT_EQ(plan.error().code, code) << plan.error().message;
    return plan.error().message;
}

bool tells(const std::string& text, const std::string& part) {
    const bool found = text.find(part) != std::string::npos;
    EXPECT_TRUE(found) << text;
    return found;
}

// run deploys a plan into a map of properties by id, and returns its outputs.
using Made = std::map<std::string, Json>;

Result<Json> run(const Plan& plan, Made& made) {
    const Plan::Reference reference = [&](const std::string& id, bool) -> Result<Json> {
        auto found = made.find(id);
        if (found == made.end()) return fail(Code::invalid, "there is no '{}'", id);
        return found->second;
    };
    for (size_t i = 0; i < plan.resources().size(); ++i) {
        const PlannedResource& one = plan.resources()[i];
        if (one.deployment) {
            const Plan* inner = TRY(plan.nested(i, reference));
            made[one.id]["outputs"] = TRY(run(*inner, made));
        } else {
            Json body = TRY(plan.body(i, reference));
            made[one.id] = body.value("properties", Json::object());
        }
    }
    return plan.outputs(reference);
}

Json run_all(const Json& document, Made& made, const Json& parameters = Json::object()) {
    return MUST(run(*MUST(plan_of(document, parameters)), made));
}

Json output(const std::string& value, const std::string& type = "string") {
    return {{"type", type}, {"value", value}};
}

// Azure's own example ("Expression evaluation scope in nested templates").
TEST(NestedTemplates, SeeTheirOwnValuesOrTheOuterOnes) {
    const Json inside = holding({}, {{"variables", {{"v", "from nested template"}}},
                                     {"outputs", {{"x", output("[variables('v')]")}}}});
    const Json outer = {{"variables", {{"v", "from parent template"}}},
                        {"outputs", {{"x", output("[reference('n').outputs.x.value]")}}}};
    auto value = [&](const Json& options) {
        Made made;
        return run_all(holding({nest("n", inside, options)}, outer), made)["x"]["value"];
    };
    EXPECT_EQ(value(Json::object()), "from nested template");
    EXPECT_EQ(value({{"expressionEvaluationOptions", {{"scope", "Inner"}}}}),
              "from nested template");
    EXPECT_EQ(value(kOuter), "from parent template");
    EXPECT_EQ(value({{"expressionEvaluationOptions", Json::object()}}), "from parent template");
    EXPECT_TRUE(tells(refusal(holding({nest(
                          "n", inside, {{"expressionEvaluationOptions", {{"scope", "both"}}}})})),
                      "resources[0].properties.expressionEvaluationOptions.scope"));
}

TEST(NestedTemplates, TakeTheirParametersFromTheOuterOne) {
    const Json inside = holding(
        {item("[parameters('name')]",
              {{"properties", {{"of", "[parameters('of')]"}, {"g", "[resourceGroup().name]"}}}})},
        {{"parameters",
          {{"name", {{"type", "string"}, {"maxLength", 5}}}, {"of", {{"type", "int"}}}}},
         {"outputs",
          {{"id", output("[resourceId('A.B/things', parameters('name'))]")},
           {"secret", output("[parameters('name')]", "secureString")}}}});
    const Json given = {{"parameters",
                         {{"name", {{"value", "[concat(parameters('p'), '-b')]"}}},
                          {"of", {{"value", "[reference('a').number]"}}}}}};
    const Json document =
        holding({nest("n", inside, given), item("a", {{"properties", {{"number", 7}}}})},
                {{"parameters", {{"p", {{"type", "string"}}}}},
                 {"outputs",
                  {{"id", output("[reference(resourceId('Microsoft.Resources/deployments', "
                                 "'n')).outputs.id.value]")}}}});
    Made made;
    const Json outputs = run_all(document, made, {{"p", {{"value", "x"}}}});
    EXPECT_EQ(made.at(kHome + "/providers/A.B/things/x-b"), (Json{{"of", 7}, {"g", "rg"}}));
    EXPECT_EQ(outputs["id"]["value"], kHome + "/providers/A.B/things/x-b");
    // As on Azure, a secure output is not kept.
    EXPECT_EQ(made.at(kHome + kDeployments + "n")["outputs"]["secret"],
              (Json{{"type", "secureString"}}));

    // What is known is judged before anything is made, and the rest when its turn comes.
    EXPECT_TRUE(tells(plan_of(document, {{"p", {{"value", "long-"}}}}).error().message,
                      "resources[0].properties.template: parameters.name: the value does not keep "
                      "maxLength 5"));
    Json narrow = document;
    narrow["resources"][0]["properties"]["template"]["parameters"]["of"]["maxValue"] = 6;
    auto waiting = MUST(plan_of(narrow, {{"p", {{"value", "x"}}}}));
    Made none;
    Result<Json> late = run(*waiting, none);
    ASSERT_FALSE(late);
    EXPECT_TRUE(tells(late.error().message, "template: parameters.of: the value does not keep"));
    EXPECT_TRUE(none.contains(kHome + "/providers/A.B/things/a"));
    EXPECT_TRUE(tells(refusal(holding({nest("n", inside, {{"parameters", {{"none", {}}}}})})),
                      "parameters.none: the template has no such parameter"));
    EXPECT_TRUE(tells(refusal(holding({nest("n", inside)})), "neither a value nor a default"));
    EXPECT_TRUE(tells(
        refusal(holding(
            {nest("n", inside, {{"parameters", {{"name", {{"value", "[variables('v')]"}}}}}})})),
        "no variable 'v'"));
}

TEST(NestedTemplates, WithInnerScopeDoNotSeeTheOuterOne) {
    const Json inside = holding({item("[parameters('p')]")});
    EXPECT_TRUE(tells(refusal(holding({nest("n", inside)}, {{"parameters", {{"p", output("x")}}}})),
                      "parameters.p: it has neither"));
    EXPECT_TRUE(tells(
        refusal(holding({nest("n", inside)},
                        {{"parameters", {{"p", {{"type", "string"}, {"defaultValue", "x"}}}}}})),
        "no parameter 'p'"));
}

// What an outer template's expressions came to is taken as it is: a value that looks like an
// expression is none.
TEST(NestedTemplates, WithOuterScopeAreTakenAsTheyCame) {
    const Json inside =
        holding({item("[parameters('name')]",
                      {{"properties", {{"text", "[parameters('text')]"}, {"two", "[[x]"}}}}),
                 item("b", {{"dependsOn", {"[parameters('name')]"}}})},
                {{"outputs", {{"o", output("[parameters('text')]")}}}});
    const Json document =
        holding({nest("n", inside, kOuter)},
                {{"parameters", {{"name", {{"type", "string"}}}, {"text", {{"type", "string"}}}}},
                 {"outputs", {{"o", output("[reference('n').outputs.o.value]")}}}});
    Made made;
    const Json outputs =
        run_all(document, made, {{"name", {{"value", "a"}}}, {"text", {{"value", "[div(1, 0)]"}}}});
    EXPECT_EQ(made.at(kHome + "/providers/A.B/things/a"),
              (Json{{"text", "[div(1, 0)]"}, {"two", "[x]"}}));
    EXPECT_EQ(outputs["o"]["value"], "[div(1, 0)]");

    // A secret of the outer template is not in what is kept of the nested one.
    auto plan =
        MUST(plan_of(document, {{"name", {{"value", "a"}}}, {"text", {{"value", "hush"}}}}));
    EXPECT_EQ(plan->known_nested(0)->document(), inside);

    const Json loop = item("x", {{"copy", {{"name", "l"}, {"count", 2}}}});
    EXPECT_TRUE(tells(refusal(holding({nest("n", holding({loop}), kOuter)})), "inner scope"));
    EXPECT_TRUE(tells(refusal(holding({nest("n", holding({item("[copyIndex()]")}), kOuter)})),
                      "no such loop"));
    // What the nested template itself makes cannot be referred to, as on Azure.
    EXPECT_TRUE(tells(
        refusal(holding(
            {nest("n", holding({item("a")}, {{"outputs", {{"o", output("[reference('a').x]")}}}}),
                  kOuter)})),
        "defines no resource 'a'"));
}

TEST(NestedTemplates, MayHaveBothScopesWithinEachOther) {
    const Json innermost =
        holding({item("[parameters('p')]")}, {{"parameters", {{"p", {{"type", "string"}}}}}});
    const Json middle =
        holding({nest("i", innermost, {{"parameters", {{"p", {{"value", "[variables('v')]"}}}}}})});
    const Json document = holding({nest("o", middle, kOuter)}, {{"variables", {{"v", "outer's"}}}});
    Made made;
    run_all(document, made);
    EXPECT_TRUE(made.contains(kHome + "/providers/A.B/things/outer's"));
}

TEST(NestedTemplates, AreInTheOrderOfOtherResources) {
    auto order = [](const std::vector<Json>& resources) {
        std::string out;
        auto plan = MUST(plan_of(holding(resources)));
        for (const PlannedResource& one : plan->resources()) out += one.name + " ";
        return out;
    };
    const Json empty = holding({});
    EXPECT_EQ(order({item("a", {{"dependsOn", {"n"}}}), nest("n", empty)}), "n a ");
    EXPECT_EQ(
        order({item("a", {{"dependsOn", {"[resourceId('Microsoft.Resources/deployments', 'n')]"}}}),
               nest("n", empty)}),
        "n a ");
    EXPECT_EQ(order({item("a", {{"properties", {{"x", "[reference('n').outputs.x.value]"}}}}),
                     nest("n", empty)}),
              "n a ");
    EXPECT_EQ(order({nest("n", empty, Json::object(), {{"dependsOn", {"a"}}}), item("a")}), "a n ");
    // What a template with outer scope refers to comes before it; inner scope is its own world.
    const Json refers = holding({item("x", {{"properties", {{"y", "[reference('a').z]"}}}})});
    EXPECT_EQ(order({nest("n", refers, kOuter), item("a")}), "a n ");
    EXPECT_EQ(
        order({nest("n", holding({item("n"), refers["resources"][0],
                                  item("a", {{"properties", {{"y", "[reference('n').z]"}}}})})),
               item("a")}),
        "n a ");
    // Copies, and those that are not wanted.
    const Json copies = nest("[format('n{0}', copyIndex())]", empty, Json::object(),
                             {{"copy", {{"name", "loop"}, {"count", 2}}}});
    EXPECT_EQ(order({item("a", {{"dependsOn", {"loop"}}}), copies}), "n0 n1 a ");
    EXPECT_EQ(order({item("a", {{"dependsOn", {"n"}}}),
                     nest("n", {{"broken", true}}, Json::object(), {{"condition", false}})}),
              "a ");
    EXPECT_TRUE(tells(refusal(holding({nest("n", empty, Json::object(), {{"dependsOn", {"z"}}})})),
                      "not in the template"));
}

TEST(NestedTemplates, MayGoIntoAnotherResourceGroup) {
    const Json inside = holding({item("[resourceGroup().location]")},
                                {{"outputs", {{"id", output("[resourceGroup().id]")}}}});
    auto to = [&](const Json& where) { return nest("n", inside, Json::object(), where); };
    Made made;
    const Json outputs = run_all(
        holding({to({{"resourceGroup", "[toLower('OTHER')]"}})},
                {{"outputs",
                  {{"by_id", output("[reference(resourceId('other', "
                                    "'Microsoft.Resources/deployments', 'n')).outputs.id.value]")},
                   {"by_name", output("[reference('n').outputs.id.value]")}}}}),
        made);
    const std::string other = "/subscriptions/s/resourceGroups/other";
    EXPECT_EQ(outputs["by_id"]["value"], other);
    EXPECT_EQ(outputs["by_name"]["value"], other);
    EXPECT_TRUE(made.contains(other + "/providers/A.B/things/eastus"));
    EXPECT_TRUE(made.contains(other + kDeployments + "n"));

    Made here;
    run_all(holding({to({{"subscriptionId", "S"}, {"resourceGroup", "RG"}})}), here);
    EXPECT_TRUE(here.contains(kHome + "/providers/A.B/things/westeurope"));
    EXPECT_TRUE(tells(refusal(holding({to({{"resourceGroup", "none"}})}), Code::not_found),
                      "no group 'none'"));
    EXPECT_TRUE(
        tells(refusal(holding({to({{"resourceGroup", "closed"}})}), Code::forbidden), "not yours"));
    EXPECT_TRUE(tells(refusal(holding({to({{"subscriptionId", "t"}, {"resourceGroup", "rg"}})})),
                      "there is one subscription"));
    EXPECT_TRUE(
        tells(refusal(holding({to({{"subscriptionId", "s"}})})), "outside of resource groups"));
    EXPECT_TRUE(tells(refusal(holding({to({{"scope", "/"}})})), "outside of resource groups"));
    EXPECT_TRUE(tells(refusal(holding({to({{"resourceGroup", 7}})})), "a text is wanted"));
    // A group that is not wanted need not be there.
    EXPECT_TRUE(plan_of(holding({to({{"resourceGroup", "none"}, {"condition", false}})})));
}

TEST(NestedTemplates, AreRefusedWhereTheyLackATemplate) {
    auto with = [](const Json& properties) {
        Json out = nest("n", holding({}));
        out["properties"] = properties;
        return refusal(holding({out}));
    };
    EXPECT_TRUE(tells(with({{"templateLink", {{"uri", "https://x"}}}}), "linked templates"));
    EXPECT_TRUE(tells(with({{"template", holding({})}, {"parametersLink", {{"uri", "https://x"}}}}),
                      "linked templates"));
    EXPECT_TRUE(tells(with(Json::object()), "properties.template: a template is wanted"));
    EXPECT_TRUE(tells(with({{"template", "x"}}), "a template is wanted"));
    EXPECT_TRUE(tells(with(7), "a template is wanted"));
    EXPECT_TRUE(tells(with({{"template", holding({})}, {"mode", "Complete"}}), "only Incremental"));
    EXPECT_TRUE(tells(with({{"template", holding({})}, {"parameters", 7}}), "parameters"));
    EXPECT_TRUE(tells(with({{"template", {{"resources", 7}}}}), "no 'resources'"));
}

// Mistakes are told with their place, however deep, before anything is made.
TEST(NestedTemplates, AreLookedIntoBefore) {
    Json inside = holding({item("a", {{"properties", {{"x", "[nope()]"}}}})});
    const std::string at = "resources[0].properties.template: ";
    EXPECT_TRUE(tells(refusal(holding({nest("n", inside)})),
                      at + "resources[0].properties.x: there is no function 'nope'"));
    EXPECT_TRUE(tells(refusal(holding({nest("n", holding({nest("m", inside)}))})), at + at));
    EXPECT_TRUE(tells(refusal(holding({nest("n", holding({item("a", {{"dependsOn", {"a"}}})}))})),
                      "depends on itself"));
    const Json late = holding({item("a", {{"properties", {{"x", "[div(1, 0)]"}}}})});
    auto plan = MUST(plan_of(holding({nest("n", holding({nest("m", late)}))})));
    Result<void> checked = plan->check(0);
    ASSERT_FALSE(checked);
    EXPECT_TRUE(tells(checked.error().message, "divided by 0"));
}

TEST(NestedTemplates, HaveFiveLevels) {
    auto levels = [](int count) {
        Json out = holding({item("leaf")});
        for (int i = 0; i < count; ++i) out = holding({nest("n" + std::to_string(i), out)});
        return out;
    };
    Made made;
    run_all(levels(5), made);
    EXPECT_TRUE(made.contains(kHome + "/providers/A.B/things/leaf"));
    EXPECT_TRUE(tells(refusal(levels(6)), "more than 5 levels"));
    // Those that must wait for a value count as well.
    Json waiting = holding({item("leaf")});
    for (int i = 0; i < 6; ++i) {
        waiting = holding({item("a", {{"properties", {{"x", 1}}}}),
                           nest("n" + std::to_string(i), waiting,
                                {{"parameters", {{"p", {{"value", "[reference('a').x]"}}}}}})},
                          {{"parameters", {{"p", {{"type", "int"}, {"defaultValue", 0}}}}}});
    }
    EXPECT_TRUE(tells(refusal(waiting), "more than 5 levels"));
}

TEST(NestedTemplates, HaveNamesThatAzureTakes) {
    EXPECT_TRUE(plan_of(holding({nest(std::string(64, 'n'), holding({}))})));
    EXPECT_TRUE(tells(refusal(holding({nest(std::string(65, 'n'), holding({}))})),
                      "resources[0].name: a deployment's name has at most 64"));
}

TEST(NestedTemplates, AreNotWithinThemselves) {
    EXPECT_TRUE(tells(refusal(holding({nest("MAIN", holding({}))})), "cannot be within itself"));
    EXPECT_TRUE(tells(refusal(holding({nest("n", holding({nest("n", holding({}))}))})),
                      "cannot be within itself"));
    EXPECT_TRUE(
        tells(refusal(holding({nest("n", holding({})), nest("n", holding({}))})), "defined twice"));
    // The same name in another group is another deployment.
    EXPECT_TRUE(plan_of(
        holding({nest("main", holding({}), Json::object(), {{"resourceGroup", "other"}})})));
    // Two that need each other's outputs, and one that needs its own.
    auto needs = [](const std::string& name, const std::string& other) {
        return nest(
            name, holding({}, {{"parameters", {{"p", {{"type", "int"}}}}}}),
            {{"parameters", {{"p", {{"value", "[reference('" + other + "').outputs.x.value]"}}}}}});
    };
    EXPECT_TRUE(tells(refusal(holding({needs("a", "b"), needs("b", "a")})), "depends on itself"));
    EXPECT_TRUE(tells(refusal(holding({needs("a", "a")})), "depends on itself"));
}

// All levels together may have 800 resources, take so many steps and hold so much.
TEST(NestedTemplates, ShareTheLimitsOfTheirDeployment) {
    auto many = [](const std::string& name, int count) {
        return item(name + "[copyIndex()]", {{"name", "[format('" + name + "{0}', copyIndex())]"},
                                             {"copy", {{"name", "l" + name}, {"count", count}}}});
    };
    const Json half = holding({many("h", 399)});
    EXPECT_TRUE(plan_of(holding({nest("a", half), nest("b", half)})));
    EXPECT_TRUE(tells(refusal(holding({nest("a", half), nest("b", half), item("c")})),
                      "at most 800 resources"));
    // One that is planned again when its parameter is known is counted once.
    Json late = holding({many("h", 500)}, {{"parameters", {{"p", {{"type", "int"}}}}}});
    auto waits = MUST(plan_of(
        holding({item("a", {{"properties", {{"x", 1}}}}),
                 nest("n", late, {{"parameters", {{"p", {{"value", "[reference('a').x]"}}}}}})})));
    Made made;
    EXPECT_TRUE(run(*waits, made));
    const Json loop = {{"copy", {{"name", "n"}, {"count", 800}}},
                       {"name", "[format('n{0}', copyIndex())]"}};
    EXPECT_TRUE(tells(refusal(holding({nest("", holding({item("x")}), Json::object(), loop)})),
                      "at most 800 resources"));
    EXPECT_TRUE(tells(
        refusal(holding({nest("", holding({}, {{"variables", {{"v", std::string(1 << 16, 'x')}}}}),
                              Json::object(), loop)})),
        "too large"));
    // Eight nested templates that each take a sixth of the steps.
    Json busy = holding({item("[string(length(map(range(0, 8000), lambda('i', 1))))]")});
    std::vector<Json> eight;
    for (int i = 0; i < 40; ++i) eight.push_back(nest("n" + std::to_string(i), busy));
    EXPECT_TRUE(tells(refusal(holding(eight)), "too many steps"));
}

// What a loop copies is paid for, text or not.
TEST(NestedTemplates, EndForLargeCopies) {
    const Json large = {{"properties", {{"x", std::string(1 << 16, 'x')}}}};
    Json copies = item("", large);
    copies.update(
        {{"name", "[format('n{0}', copyIndex())]"}, {"copy", {{"name", "l"}, {"count", 800}}}});
    auto plan = MUST(plan_of(holding({copies})));
    Made made;
    Result<Json> done = run(*plan, made);
    ASSERT_FALSE(done);
    EXPECT_TRUE(tells(done.error().message, "too large"));

    const Json loop = {
        {"copy", {{{"name", "many"}, {"count", 800}, {"input", std::string(1 << 16, 'x')}}}}};
    auto one = MUST(plan_of(holding({item("a", {{"properties", loop}})})));
    EXPECT_TRUE(tells(one->check(0).error().message, "too large"));
    EXPECT_TRUE(
        tells(refusal(holding({nest("n", holding({item("a", {{"properties", loop}})}), kOuter)})),
              "too large"));

    // A source with many expressions is read once for its loop, not once for each round.
    Json busy = Json::array();
    for (int i = 0; i < 20000; ++i) busy.push_back("[if(true(), 'a', reference('n0').b)]");
    copies["properties"] = {{"x", busy}};
    copies["copy"]["count"] = 200;
    EXPECT_TRUE(tells(refusal(holding({copies})), "depends on itself"));
    for (size_t i = 0; i < busy.size(); ++i) busy[i] = fmt::format("[reference('n{}').b]", i);
    copies["properties"] = {{"x", busy}};
    EXPECT_TRUE(tells(refusal(holding({copies})), "too many steps"));
}

// Expressions that name variables that name variables: each level costs stack.
TEST(NestedTemplates, EndForLongChains) {
    auto chain = [](const std::string& of, int count) {
        Json out = {{"v0", "x"}};
        for (int i = 1; i <= count; ++i) {
            out["v" + std::to_string(i)] = fmt::format("[{}('v{}')]", of, i - 1);
        }
        return out;
    };
    auto with = [&](int count, int last) {
        return holding({item(fmt::format("[variables('v{}')]", last))},
                       {{"variables", chain("variables", count)}});
    };
    EXPECT_TRUE(plan_of(with(255, 100)));
    EXPECT_TRUE(tells(refusal(with(255, 255)), "within each other"));
    EXPECT_TRUE(tells(refusal(with(256, 0)), "at most 256 variables"));
    Json loops = with(254, 0);
    loops["variables"]["copy"] = Json::array({Json::object()});
    EXPECT_TRUE(plan_of(loops));
    loops["variables"]["copy"].push_back(Json::object());
    EXPECT_TRUE(tells(refusal(loops), "at most 256 variables"));

    const Json values = chain("parameters", 255);
    Json defaults = Json::object();
    for (const auto& [name, value] : values.items()) {
        defaults[name] = {{"type", "string"}, {"defaultValue", value}};
    }
    Json document = holding({item("a")}, {{"parameters", defaults}});
    // Parameters are read in the order of their names: the first leads through all of the chain.
    document["parameters"]["a"] = document["parameters"]["v255"];
    document["parameters"].erase("v255");
    EXPECT_TRUE(tells(refusal(document), "within each other"));
    document["parameters"]["z"] = {{"type", "int"}, {"defaultValue", 1}};
    EXPECT_TRUE(tells(refusal(document), "at most 256 parameters"));
    Json outputs = Json::object();
    for (int i = 0; i < 64; ++i) outputs["o" + std::to_string(i)] = output("x");
    EXPECT_TRUE(plan_of(holding({}, {{"outputs", outputs}})));
    outputs["more"] = output("x");
    EXPECT_TRUE(tells(refusal(holding({}, {{"outputs", outputs}})), "at most 64 outputs"));
}

TEST(Parameters, HaveDefaultsThatNameOthers) {
    auto with = [](const Json& parameters) {
        return holding({item("[parameters('a')]")}, {{"parameters", parameters}});
    };
    auto plan = MUST(plan_of(
        with({{"a", {{"type", "string"}, {"defaultValue", "[concat(parameters('b'), '!')]"}}},
              {"b", {{"type", "string"}, {"defaultValue", "later"}}}})));
    EXPECT_EQ(plan->resources()[0].name, "later!");
    EXPECT_TRUE(
        tells(refusal(with({{"a", {{"type", "string"}, {"defaultValue", "[parameters('b')]"}}},
                            {"b", {{"type", "string"}, {"defaultValue", "[parameters('A')]"}}}})),
              "depends on itself"));
}

TEST(Parameters, HaveDefinedTypesAndMayBeNull) {
    const Json definitions = {{"definitions",
                               {{"short", {{"type", "string"}, {"maxLength", 3}}},
                                {"alias", {{"$ref", "#/definitions/short"}}},
                                {"loop", {{"$ref", "#/definitions/loop"}}},
                                {"hidden", {{"type", "securestring"}}}}},
                              {"parameters",
                               {{"a", {{"$ref", "#/definitions/alias"}, {"minLength", 2}}},
                                {"n", {{"type", "int"}, {"nullable", true}}},
                                {"h", {{"$ref", "#/definitions/hidden"}, {"nullable", true}}}}}};
    const Json document =
        holding({item("[coalesce(parameters('n'), parameters('a'))]")}, definitions);
    auto plan = MUST(plan_of(document, {{"a", {{"value", "abc"}}}, {"h", {{"value", "x"}}}}));
    EXPECT_EQ(plan->resources()[0].name, "abc");
    EXPECT_EQ(plan->shown_parameters()["h"], (Json{{"type", "securestring"}}));
    auto problem = [&](const Json& given) { return plan_of(document, given).error().message; };
    EXPECT_TRUE(tells(problem({{"a", {{"value", "abcd"}}}}), "maxLength"));
    EXPECT_TRUE(tells(problem({{"a", {{"value", "a"}}}}), "minLength"));
    EXPECT_TRUE(tells(problem({{"a", {{"value", nullptr}}}}), "is no string"));
    EXPECT_TRUE(tells(problem({{"a", {{"value", "ab"}}}, {"n", {{"value", "x"}}}}), "is no int"));
    for (auto [ref, hint] :
         std::vector<std::pair<const char*, const char*>>{{"#/definitions/loop", "more than 32"},
                                                          {"#/definitions/none", "no definition"},
                                                          {"https://x", "no definition"}}) {
        Json wrong = document;
        wrong["parameters"]["a"]["$ref"] = ref;
        EXPECT_TRUE(tells(refusal(wrong), hint));
    }
}

TEST(SymbolicNames, MeanResourcesModulesAndWhatIsThere) {
    const Json inside = holding({}, {{"parameters", {{"p", {{"type", "string"}}}}},
                                     {"outputs", {{"x", output("[parameters('p')]")}}}});
    const Json document = {
        {"languageVersion", "2.0"},
        {"resources",
         {{"vnet", item("a", {{"existing", true}, {"resourceGroup", "other"}})},
          {"a_user", item("u", {{"dependsOn", {"vnet", "mods"}},
                                {"properties",
                                 {{"x", "[reference('mods[1]').outputs.x.value]"},
                                  {"all",
                                   "[map(references('mods'), lambda('m', "
                                   "lambdaVariables('m').outputs.x.value))]"}}}})},
          {"mods",
           nest("[format('m{0}', copyIndex())]", inside,
                {{"parameters",
                  {{"p", {{"value", "[concat(reference('vnet').there, string(copyIndex()))]"}}}}}},
                {{"copy", {{"name", "loop"}, {"count", 2}}}, {"dependsOn", {"vnet"}}})},
          {"one", nest("single", holding({}, {{"outputs", {{"x", output("s")}}}}))}}},
        {"outputs",
         {{"x", output("[reference('one').outputs.x.value]")},
          {"id", output("[reference('vnet').there]")}}}};
    Made made;
    made["/subscriptions/s/resourceGroups/other/providers/A.B/things/a"] = {{"there", "t"}};
    const Json outputs = run_all(document, made);
    EXPECT_EQ(made.at(kHome + "/providers/A.B/things/u"),
              (Json{{"x", "t1"}, {"all", {"t0", "t1"}}}));
    EXPECT_EQ(outputs["x"]["value"], "s");
    EXPECT_EQ(outputs["id"]["value"], "t");

    // A symbol counts before a resource's name.
    const Json crossed = {
        {"resources",
         {{"a", item("b")}, {"b", item("a")}, {"c", item("c", {{"dependsOn", {"a"}}})}}}};
    EXPECT_EQ(MUST(plan_of(crossed))->resources().size(), 3U);
    Json circle = crossed;
    circle["resources"]["a"]["dependsOn"] = {"c"};
    EXPECT_TRUE(tells(refusal(circle), "depends on itself"));
    Json unknown = crossed;
    unknown["resources"]["a"]["dependsOn"] = {"mods[7]"};
    EXPECT_TRUE(tells(refusal(unknown), "not in the template"));
    Json no_loop = {{"resources", {{"a", item("a")}}},
                    {"outputs", {{"x", output("[references('a')]", "array")}}}};
    Made none;
    EXPECT_FALSE(run(*MUST(plan_of(no_loop)), none));
}

TEST(OwnFunctions, SeeTheirParametersAlone) {
    auto with = [](const std::string& value, const std::string& call, bool symbolic = false) {
        Json out = holding({item(call)},
                           {{"variables", {{"v", "x"}}},
                            {"functions",
                             {{{"namespace", "contoso"},
                               {"members",
                                {{"unique",
                                  {{"parameters", {{{"name", "prefix"}, {"type", "string"}}}},
                                   {"output", {{"type", "string"}, {"value", value}}}}},
                                 {"other",
                                  {{"parameters", Json::array()},
                                   {"output", {{"type", "string"}, {"value", "o"}}}}}}}}}}});
        if (symbolic) out["languageVersion"] = "2.0";
        return out;
    };
    auto plan = MUST(plan_of(with("[concat(toLower(parameters('PREFIX')), resourceGroup().name)]",
                                  "[Contoso.UNIQUE(concat('A', 'B'))]")));
    EXPECT_EQ(plan->resources()[0].name, "abrg");
    for (auto [value, call, hint] : std::vector<std::array<const char*, 3>>{
             {"x", "[contoso.none('a')]", "no function 'contoso.none'"},
             {"x", "[unique('a')]", "no function 'unique'"},
             {"x", "[contoso.unique()]", "takes 1 arguments, not 0"},
             {"x", "[contoso.unique(7)]", "argument 1: the value is no string"},
             {"[add(1, 2)]", "[contoso.unique('a')]", "output: the value is no string"},
             {"[variables('v')]", "[contoso.unique('a')]", "see no variables"},
             {"[parameters('v')]", "[contoso.unique('a')]", "no parameter 'v'"},
             {"[reference('a').b]", "[contoso.unique('a')]", "cannot be used here"},
             {"[contoso.other()]", "[contoso.unique('a')]", "no function 'contoso.other'"}}) {
        EXPECT_TRUE(tells(refusal(with(value, call)), hint)) << value << call;
    }
    // Bicep's functions call each other, and not themselves.
    EXPECT_TRUE(plan_of(with("[contoso.other()]", "[contoso.unique('a')]", true)));
    EXPECT_TRUE(tells(refusal(with("[contoso.unique('a')]", "[contoso.unique('a')]", true)),
                      "calls itself"));
}

}  // namespace
}  // namespace vouchsafe::cloud
