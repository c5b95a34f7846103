#include "vouchsafe/cloud/template/expression.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/evaluate.h"
#include "vouchsafe/cloud/template/relaxed_json.h"

namespace vouchsafe::cloud {
namespace {

Bindings make_bindings(Budget& budget) {
    static const Place kPlace{
        {{"id", "/subscriptions/s/resourceGroups/rg"}, {"name", "rg"}, {"location", "westeurope"}},
        {{"id", "/subscriptions/s"}, {"subscriptionId", "s"}},
        Json::object(),
        "d",
        "20260701T120000Z",
        {"westeurope"}};
    Bindings out;
    out.place = &kPlace;
    out.parameter = [](const std::string& name) -> Result<Json> { return Json("p:" + name); };
    out.variable = [](const std::string& name) -> Result<Json> {
        if (name == "list") return Json::array({1, 2, 3});
        return Json{{"inner", {{"name", "deep"}}}};
    };
    out.loops = {{"outer", 3}, {"inner", 7}};
    out.innermost = "inner";
    out.budget = &budget;
    return out;
}

Result<Json> value_of(const std::string& text) {
    Budget budget;
    return evaluate_text(text, make_bindings(budget));
}

std::string problem_of(const std::string& text) {
    Result<Json> value = value_of(text);
    EXPECT_FALSE(value) << text << " is " << (value ? dump_json(*value) : "");
    if (value) return "";
    EXPECT_EQ(value.error().code, Code::invalid) << text;
    return value.error().message;
}

TEST(Expression, MeansWhatAzureSays) {
    for (auto [text, value] : std::vector<std::pair<const char*, Json>>{
             {"plain", "plain"},
             {"[[not one]", "[not one]"},
             {"[1", "[1"},
             {"['it''s']", "it's"},
             {"[ -5 ]", -5},
             {"[parameters('a')]", "p:a"},
             {"[Parameters('a')]", "p:a"},
             {"[variables('v').inner.name]", "deep"},
             {"[variables('v')['inner']['NAME']]", "deep"},
             {"[variables('list')[1]]", 2},
             {"[concat('a', 1, '-', true())]", "a1-True"},
             {"[concat(createArray(1), createArray('x'))]", {1, "x"}},
             {"[format('{0}-{1}{{}}', 'a', 2)]", "a-2{}"},
             {"[toLower('ABC')]", "abc"},
             {"[toUpper('abc')]", "ABC"},
             {"[equals('a', 'A')]", false},
             {"[if(equals(1, 1), 'yes', div(1, 0))]", "yes"},
             {"[if(false(), div(1, 0), 'no')]", "no"},
             {"[and(true(), not(false()))]", true},
             {"[or(false(), false())]", false},
             {"[string(createObject('a', 1))]", R"({"a":1})"},
             {"[int('42')]", 42},
             {"[json('{\"a\": [1]}').a[0]]", 1},
             {"[length('four')]", 4},
             {"[length(variables('list'))]", 3},
             {"[contains('abc', 'b')]", true},
             {"[contains(createObject('Key', 1), 'key')]", true},
             {"[contains(variables('list'), 9)]", false},
             {"[empty('')]", true},
             {"[first('abc')]", "a"},
             {"[last(variables('list'))]", 3},
             {"[substring('abcdef', 1, 3)]", "bcd"},
             {"[replace('a-b-c', '-', '')]", "abc"},
             {"[split('a,b;c', createArray(',', ';'))]", {"a", "b", "c"}},
             {"[take('abc', 9)]", "abc"},
             {"[skip(variables('list'), 2)]", Json::array({3})},
             {"[union(createObject('a', 1), createObject('b', 2))]", {{"a", 1}, {"b", 2}}},
             {"[union(createArray(1, 2), createArray(2, 3))]", {1, 2, 3}},
             {"[copyIndex()]", 7},
             {"[copyIndex(1)]", 8},
             {"[copyIndex('outer', 10)]", 13},
             {"[resourceGroup().location]", "westeurope"},
             {"[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
              "/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/"
              "subnets/s"},
             {"[resourceId('other', 'A.B/c', 'n')]",
              "/subscriptions/s/resourceGroups/other/providers/A.B/c/n"},
             {"[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'x')]",
              "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/x"},
             {"[padLeft(7, 3, '0')]", "007"},
             {"[less(1, 2)]", true},
             {"[coalesce(null(), 'x')]", "x"},
             {"[range(2, 3)]", {2, 3, 4}},
             {"[base64('one')]", "b25l"}}) {
        Result<Json> found = value_of(text);
        ASSERT_TRUE(found) << text << ": " << found.error().message;
        EXPECT_EQ(*found, value) << text;
    }
}

// The value is that of Python's uuid.uuid5 in the same namespace.
TEST(Expression, MakesTheGuidsThatAzureMakes) {
    EXPECT_EQ(MUST(value_of("[guid('a', 'b')]")), "2d796349-8c7e-55ec-9624-54ece82ed031");
    EXPECT_EQ(MUST(value_of("[uniqueString('a')]")), MUST(value_of("[uniqueString('a')]")));
    EXPECT_NE(MUST(value_of("[uniqueString('a')]")), MUST(value_of("[uniqueString('b')]")));
    EXPECT_EQ(MUST(value_of("[length(uniqueString('a'))]")), 13);
}

TEST(Expression, NamesTheMistake) {
    for (auto [text, hint] : std::vector<std::pair<const char*, const char*>>{
             {"[]", "character 2"},
             {"[concat('a']", "',' or ')'"},
             {"[concat('a)]", "end of a text"},
             {"[concat('a') x]", "the end"},
             {"[nothing('a')]", "no function 'nothing'"},
             {"[listKeys('a', 'b')]", "no function 'listKeys'"},
             {"[ns.own('a')]", "no function 'ns.own'"},
             {"[equals(1)]", "2 to 2 arguments"},
             {"[div(1, 0)]", "divided by 0"},
             {"[div(sub(-9223372036854775807, 1), -1)]", "divided by -1"},
             {"[add(9223372036854775807, 1)]", "too large"},
             {"[int('x')]", "whole number"},
             {"[if('yes', 1, 2)]", "boolean"},
             {"[variables('list')[3]]", "no number 3"},
             {"[variables('list')[-1]]", "no number -1"},
             {"[variables('v').none]", "no property 'none'"},
             {"[format('{1}', 'a')]", "no argument"},
             {"[substring('abc', 2, 2)]", "beyond"},
             {"[resourceId('a', 'b')]", "a type and its names"},
             {"[resourceId('A/b', 'x', 'y')]", "does not go with 2 names"},
             {"[reference('a')]", "cannot be used here"},
             {"[newGuid()]", "default values"},
             {"[copyIndex('none')]", "no such loop"},
             {"[99999999999999999999]", "whole number"}}) {
        const std::string message = problem_of(text);
        EXPECT_NE(message.find(hint), std::string::npos) << text << ": " << message;
    }
}

TEST(Expression, EndsForWhatIsDeepOrGrows) {
    std::string deep;
    for (int i = 0; i < 5000; ++i) deep += "not(";
    EXPECT_NE(problem_of("[" + deep + "]").find("levels"), std::string::npos);
    std::string members = "[variables('v')";
    for (int i = 0; i < 5000; ++i) members += ".a";
    EXPECT_NE(problem_of(members + "]").find("in a row"), std::string::npos);
    EXPECT_NE(problem_of("[" + std::string(30000, ' ') + "]").find("characters"),
              std::string::npos);

    Budget budget{1000, 1 << 20};
    Bindings bindings = make_bindings(budget);
    const std::string big(1 << 19, 'x');
    bindings.variable = [&](const std::string&) -> Result<Json> { return Json(big); };
    Result<Json> grown =
        evaluate_text("[concat(variables('a'), variables('a'), variables('a'))]", bindings);
    ASSERT_FALSE(grown);
    EXPECT_NE(grown.error().message.find("too large"), std::string::npos);
}

TEST(Expression, IsWrittenInOneForm) {
    Expression parsed = MUST(parse_expression("[ concat( 'it''s' ,variables('v') [ 0 ] . a ) ]"));
    EXPECT_EQ(parsed.to_text(), "concat('it''s', variables('v')[0].a)");
}

TEST(EvaluateTree, RunsLoopsOfProperties) {
    Budget budget;
    const Json tree = {{"[concat('k', '1')]", "[parameters('x')]"},
                       {"copy",
                        {{{"name", "disks"},
                          {"count", 2},
                          {"input", {{"lun", "[copyIndex('disks')]"}, {"n", "[copyIndex(1)]"}}}}}}};
    EXPECT_EQ(MUST(evaluate_tree(tree, make_bindings(budget), "p")),
              (Json{{"k1", "p:x"}, {"disks", {{{"lun", 0}, {"n", 1}}, {{"lun", 1}, {"n", 2}}}}}));

    const Json many = {{"copy", {{{"name", "a"}, {"count", 801}, {"input", 1}}}}};
    Result<Json> refused = evaluate_tree(many, make_bindings(budget), "p");
    ASSERT_FALSE(refused);
    EXPECT_NE(refused.error().message.find("p.copy[0].count"), std::string::npos);
    Result<Json> bad = evaluate_tree({{"a", {"[x]"}}}, make_bindings(budget), "p");
    ASSERT_FALSE(bad);
    EXPECT_TRUE(bad.error().message.starts_with("p.a[0]: ")) << bad.error().message;
}

TEST(RelaxedJson, TakesWhatAzSends) {
    const std::string body =
        "{\"properties\": {\"mode\": \"Incremental\", template:{ // the file\n"
        " \"a\": \"x // no comment, /* nor this */ template: 1\", /* but\nthis */ b_1 : [1, 2,],\n"
        " \"text\": \"two\nlines\", \"t\": true,\n}}}";
    EXPECT_EQ(MUST(parse_relaxed_json_object(body)),
              (Json{{"properties",
                     {{"mode", "Incremental"},
                      {"template",
                       {{"a", "x // no comment, /* nor this */ template: 1"},
                        {"b_1", {1, 2}},
                        {"text", "two\nlines"},
                        {"t", true}}}}}}));
}

TEST(RelaxedJson, LeavesStrictJsonAsItIs) {
    for (const char* text : {R"({"a":"\"/*\\","b":[1e5,-0.5,true,false,null],"c":{}})",
                             R"({"u":"\u00e9","tab":"\t"})"}) {
        EXPECT_EQ(MUST(to_strict_json(text)), text);
    }
}

TEST(RelaxedJson, RefusesTheRest) {
    for (const char* text :
         {"", "[1]", "{a b: 1}", "{'a': 1}", "{\"a\": x}", "{\"a\": 1 /* open", "{\"a\": \"open",
          "{a: 1, a: 2}", "{,}", "{\"a\": 1,,}", "{\"a\": 01x: 2}", "{} {}"}) {
        EXPECT_FALSE(parse_relaxed_json_object(text)) << text;
    }
    EXPECT_FALSE(parse_relaxed_json_object(std::string(5 << 20, ' ')));
    std::string deep;
    for (int i = 0; i < 100; ++i) deep += "{a:";
    EXPECT_FALSE(parse_relaxed_json_object(deep));
}

}  // namespace
}  // namespace vouchsafe::cloud
