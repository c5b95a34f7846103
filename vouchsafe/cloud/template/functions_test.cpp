// The functions of Azure's list, one by one, with the nearest thing that each refuses. Values are
// those of Azure's documentation where it has an example.
#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {
namespace {

Result<Json> compute(const std::string& text, Budget budget = {}) {
    static const Place kHere{{{"id", "/subscriptions/s/resourceGroups/rg"}, {"name", "rg"}},
                             {{"subscriptionId", "s"}},
                             Json::object(),
                             "d",
                             "20260701T120000Z",
                             {"westeurope"}};
    static const Json kVariables = {{"names", {"one", "two", "three"}},
                                    {"numbers", {4, 5, 6, 4}},
                                    {"dogs",
                                     {{{"name", "Evie"}, {"age", 5}},
                                      {{"name", "Casper"}, {"age", 3}},
                                      {{"name", "Indy"}, {"age", 2}},
                                      {{"name", "Kira"}, {"age", 8}}}},
                                    {"object", {{"two", {{"x", 2}}}, {"one", "a"}}}};
    Bindings see;
    see.place = &kHere;
    see.parameter = [](const std::string&) -> Result<Json> { return Json("p"); };
    see.variable = [](const std::string& name) -> Result<Json> { return kVariables.at(name); };
    see.defaults = true;
    see.budget = &budget;
    return evaluate_text("[" + text + "]", see);
}

using Cases = std::vector<std::pair<const char*, Json>>;

void expect_values(const Cases& cases) {
    for (const auto& [text, value] : cases) {
        Result<Json> found = compute(text);
        ASSERT_TRUE(found) << text << ": " << found.error().message;
        EXPECT_EQ(*found, value) << text;
    }
}

void expect_problems(const std::vector<std::pair<const char*, const char*>>& cases) {
    for (auto [text, hint] : cases) {
        Result<Json> found = compute(text);
        ASSERT_FALSE(found) << text << " is " << dump_json(*found);
        EXPECT_EQ(found.error().code, Code::invalid) << text;
        EXPECT_NE(found.error().message.find(hint), std::string::npos)
            << text << ": " << found.error().message;
    }
}

TEST(Functions, AreFoundInEveryTable) {
    for (std::span<const Function> table :
         {list_functions(), text_functions(), date_functions(), cidr_functions()}) {
        for (const Function& row : table) {
            EXPECT_EQ(find_function(row.name), &row) << row.name;
            EXPECT_EQ(find_form(row.name), nullptr) << row.name;
        }
    }
    EXPECT_NE(find_function("ADD"), nullptr);
    EXPECT_EQ(find_function("chunk"), nullptr);
}

TEST(Functions, FindOneThingInAnother) {
    expect_values({{"indexOf('test', 't')", 0},
                   {"lastIndexOf('test', 't')", 3},
                   {"indexOf('abcdef', 'CD')", 2},  // without case in texts
                   {"lastIndexOf('abcdef', 'AB')", 0},
                   {"indexOf('abcdef', 'z')", -1},
                   {"INDEXOF('abc', '')", 0},
                   {"lastIndexOf(variables('names'), 'two')", 1},
                   {"indexOf(variables('names'), 'Two')", -1},  // with it in arrays
                   {"indexOf(variables('numbers'), 4)", 0},
                   {"lastIndexOf(variables('numbers'), 4)", 3},
                   {"lastIndexOf(variables('numbers'), '5')", -1},
                   {"indexOf(createArray(variables('names'), variables('numbers')), "
                    "variables('numbers'))",
                    1}});
    expect_problems({{"indexOf(7, 'a')", "argument 1 must be a text"},
                     {"indexOf('a', 7)", "argument 2 must be a text"},
                     {"lastIndexOf(variables('object'), 'a')", "argument 1"},
                     {"indexOf('a')", "2 to 2 arguments"}});
}

TEST(Functions, CompareListsAndObjects) {
    expect_values(
        {{"intersection(variables('names'), createArray('three', 'two', 'two'))", {"two", "three"}},
         {"intersection(createArray(1, 1), createArray(1))", Json::array({1})},
         {"intersection(variables('names'), createArray())", Json::array()},
         {"intersection(createObject('one', 'a', 'two', 'b', 'three', 'c'), createObject('one', "
          "'a', 'two', 'z', 'three', 'c'))",
          {{"one", "a"}, {"three", "c"}}},
         {"union(variables('names'), createArray('three', 'four'))",
          {"one", "two", "three", "four"}},
         {"union(createObject('p', createObject('a', 1, 'l', createArray(1))), createObject('p', "
          "createObject('b', 2, 'l', createArray(3))))",
          {{"p", {{"a", 1}, {"b", 2}, {"l", {3}}}}}},
         {"shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', "
          "createObject('y', 2))))",
          {{"a", {{"y", 2}}}}},
         {"max(createArray(0, 3, 2, 5, 4))", 5},
         {"max(0, 3, 2, 5, 4)", 5},
         {"min(createArray(0, -3))", -3},
         {"min(7)", 7},
         {"flatten(createArray(createArray('one', 'two'), createArray('three')))",
          {"one", "two", "three"}},
         {"flatten(createArray(createArray(createArray(1))))", {{1}}},
         {"items(variables('object'))",
          {{{"key", "one"}, {"value", "a"}}, {{"key", "two"}, {"value", {{"x", 2}}}}}},
         {"objectKeys(variables('object'))", {"one", "two"}},
         {"indexFromEnd(variables('names'), 1)", "three"},
         {"tryIndexFromEnd(variables('names'), 3)", "one"},
         {"tryIndexFromEnd(variables('names'), 4)", nullptr},
         {"tryIndexFromEnd(variables('names'), 0)", nullptr},
         {"tryGet(variables('object'), 'ONE')", "a"},
         {"tryGet(variables('object'), 'none')", nullptr},
         {"tryGet(variables('object'), 'two', 'x')", 2},
         {"tryGet(tryGet(variables('object'), 'none'), 'x')", nullptr},
         {"tryGet(variables('names'), 2)", "three"},
         {"tryGet(variables('names'), 3)", nullptr},
         {"float('3.0')", 3.0},
         {"float(3)", 3.0}});
    expect_problems({{"intersection(variables('names'))", "2 to 256"},
                     {"intersection(variables('names'), variables('object'))", "alone"},
                     {"union(variables('object'), 'a')", "alone"},
                     {"union('a')", "alone"},
                     {"max(createArray())", "not empty"},
                     {"max(1, 'a')", "argument 2 must be a whole number"},
                     {"min(createArray(1, createArray(2)))", "argument 2"},
                     {"flatten(variables('names'))", "array of arrays"},
                     {"items(variables('names'))", "argument 1 must be an object"},
                     {"objectKeys('a')", "argument 1 must be an object"},
                     {"shallowMerge(variables('object'))", "array of objects"},
                     {"indexFromEnd(variables('names'), 4)", "3 items"},
                     {"tryIndexFromEnd('abc', 1)", "array"},
                     {"tryGet('abc', 0)", "an array or an object"},
                     {"tryGet(variables('names'), 'x')", "whole number"},
                     {"float('3,0')", "no number"},
                     {"float('1e999')", "no number"},
                     {"float(true())", "argument 1"}});
}

TEST(Functions, WriteAndReadAddresses) {
    const char* nested = "http%3A%2F%2Fcontoso.com%2Fresources%2Fnested%2Fazuredeploy.json";
    expect_values(
        {{"uriComponent('http://contoso.com/resources/nested/azuredeploy.json')", nested},
         {"uriComponentToString('http%3A%2F%2Fcontoso.com%2Fa')", "http://contoso.com/a"},
         {"uriComponentToString('100%')", "100%"},
         {"uriComponentToString('%zz%41')", "%zzA"},
         {"uri('http://contoso.org/firstpath', 'myscript.sh')", "http://contoso.org/myscript.sh"},
         {"uri('http://contoso.org/firstpath/', 'myscript.sh')",
          "http://contoso.org/firstpath/myscript.sh"},
         {"uri('http://contoso.org/firstpath/azuredeploy.json', 'myscript.sh')",
          "http://contoso.org/firstpath/myscript.sh"},
         {"uri('http://contoso.org/firstpath/azuredeploy.json/', 'myscript.sh')",
          "http://contoso.org/firstpath/azuredeploy.json/myscript.sh"},
         {"uri('http://contoso.com/a/', '/nested/b.json')", "http://contoso.com/a/nested/b.json"},
         {"uri('http://contoso.com', 'x')", "http://contoso.com/x"},
         {"uri('http://a/b/c/d;p?q', '../g')", "http://a/b/g"},  // RFC 3986, 5.4
         {"uri('http://a/b/c/d;p?q', './g')", "http://a/b/c/g"},
         {"uri('http://a/b/c/d;p?q', '/g')", "http://a/g"},
         {"uri('http://a/b/c/d;p?q', '//g')", "http://g"},
         {"uri('http://a/b/c/d;p?q', '?y')", "http://a/b/c/d;p?y"},
         {"uri('http://a/b/c/d;p?q', 'g?y/./x')", "http://a/b/c/g?y/./x"},
         {"uri('http://a/b/c/d;p?q', '#s')", "http://a/b/c/d;p?q#s"},
         {"uri('http://a/b/c/d;p?q', '')", "http://a/b/c/d;p?q"},
         {"uri('http://a/b/c/d;p?q', '..')", "http://a/b/"},
         {"uri('http://a/b/c/d;p?q', '../../../g')", "http://a/g"},
         {"uri('http://a/b', 'https://c/d')", "https://c/d"},
         {"dataUri('Hello')", "data:text/plain;charset=utf8;base64,SGVsbG8="},
         {"dataUriToString('data:;base64,SGVsbG8sIFdvcmxkIQ==')", "Hello, World!"},
         {"dataUriToString('data:text/plain,a%20b')", "a b"},
         {"base64ToString('b25l')", "one"},
         {"base64ToJson(base64('{\"a\": [1]}')).a", Json::array({1})}});
    expect_problems({{"uri('contoso.org/a', 'b')", "argument 1"},
                     {"uri('a', 7)", "argument 2"},
                     {"uriComponent(7)", "argument 1"},
                     {"uriComponentToString('%ff')", "no text"},
                     {"dataUriToString('SGVsbG8=')", "no data URI"},
                     {"dataUriToString('data:;base64')", "no data URI"},
                     {"dataUriToString('data:;base64,SGVsbG8')", ""},
                     {"base64ToJson('b25l')", ""},
                     {"base64ToString('/w==')", "no text"}});
}

TEST(Functions, ComputeDates) {
    expect_values(
        {{"dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')", "4/7/2023 2:53:14 PM"},
         {"dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')", "3/29/2020 2:53:14 PM"},
         {"dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')", "4/7/2020 3:53:14 PM"},
         {"dateTimeAdd('20200407T145314Z', 'P1M')", "20200507T145314Z"},
         {"dateTimeAdd('2020-04-07T14:53:14Z', 'P1DT1H1M1S')", "2020-04-08T15:54:15Z"},
         {"dateTimeAdd('2020-04-07T14:53:14+02:00', 'PT0S')", "2020-04-07T12:53:14Z"},
         {"dateTimeAdd('2020-04-07', 'P1D')", "2020-04-08"},
         {"dateTimeAdd(utcNow(), 'PT1H')", "20260701T130000Z"},
         {"dateTimeAdd(utcNow('u'), 'PT1H', 'yyyy-MM-dd')", "2026-07-01"},
         {"utcNow()", "20260701T120000Z"},
         {"utcNow('d')", "07/01/2026"},
         {"utcNow('M d')", "7 1"},
         {"utcNow('u')", "2026-07-01 12:00:00Z"},
         {"utcNow('o')", "2026-07-01T12:00:00.0000000Z"},
         {"utcNow('R')", "Wed, 01 Jul 2026 12:00:00 GMT"},
         {"utcNow('D')", "Wednesday, 01 July 2026"},
         {"utcNow('yyyy\\M%d''T''\"q\" h:mm tt zzz')", "2026M1Tq 12:00 PM +00:00"},
         {"dateTimeFromEpoch(1683040573)", "2023-05-02T15:16:13Z"},
         {"dateTimeToEpoch('2023-05-02T15:16:13Z')", 1683040573},
         {"dateTimeToEpoch(dateTimeAdd('2023-05-02T15:16:13Z', 'P1Y'))", 1683040573 + 31536000}});
    expect_problems({{"dateTimeAdd('tomorrow', 'P1D')", "no time"},
                     {"dateTimeAdd('2020-13-07', 'P1D')", "no time"},
                     {"dateTimeAdd('2020-04-07', '1D')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'PT')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P1H')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P1D1Y')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P-1D')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P99999999999D')", "no duration"},
                     {"dateTimeAdd('2020-04-07', 'P9999Y')", "years 1 to 9999"},
                     {"dateTimeAdd('2020-04-07', 'P1D', 'q')", "no standard format"},
                     {"dateTimeAdd('2020-04-07', 'P1D', 'yyyy\"')", "quotes"},
                     {"dateTimeAdd('2020-04-07', 'P1D', '')", "format"},
                     {"dateTimeFromEpoch(253402300800)", "years 1 to 9999"},
                     {"dateTimeFromEpoch('1')", "argument 1"},
                     {"dateTimeToEpoch(1)", "argument 1"},
                     {"utcNow(1)", "argument 1"}});
}

TEST(Functions, DivideRangesOfAddresses) {
    expect_values({{"parseCidr('10.144.0.0/20')",
                    {{"network", "10.144.0.0"},
                     {"netmask", "255.255.240.0"},
                     {"broadcast", "10.144.15.255"},
                     {"firstUsable", "10.144.0.1"},
                     {"lastUsable", "10.144.15.254"},
                     {"cidr", 20}}},
                   {"parseCidr('fdad:3236:5555::/48')",
                    {{"network", "fdad:3236:5555::"},
                     {"netmask", "ffff:ffff:ffff::"},
                     {"firstUsable", "fdad:3236:5555::"},
                     {"lastUsable", "fdad:3236:5555:ffff:ffff:ffff:ffff:ffff"},
                     {"cidr", 48}}},
                   {"cidrSubnet('10.144.0.0/20', 24, 4)", "10.144.4.0/24"},
                   {"cidrSubnet('fdad:3236:5555::/48', 52, 3)", "fdad:3236:5555:3000::/52"},
                   {"cidrSubnet('0.0.0.0/0', 0, 0)", "0.0.0.0/0"},
                   {"cidrSubnet('::/0', 128, 9223372036854775807)", "::7fff:ffff:ffff:ffff/128"},
                   {"cidrHost('10.144.3.0/24', 4)", "10.144.3.5"},
                   {"cidrHost('fdad:3236:5555:3000::/52', 0)", "fdad:3236:5555:3000::1"},
                   {"cidrHost('10.0.0.1/32', 0)", "10.0.0.1"}});
    expect_problems(
        {{"parseCidr('10.144.0.0')", "no address range"},
         {"parseCidr('10.144.0/20')", "no address range"},
         {"parseCidr('10.144.0.0/33')", "no address range"},
         {"parseCidr('10.144.0.0/-1')", "no address range"},
         {"parseCidr('10.144.0.0/20x')", "no address range"},
         {"parseCidr('10.144.0.0/-0')", "no address range"},
         {"parseCidr(concat('10.144.0.0', base64ToString('AA=='), '/20'))", "no address range"},
         {"parseCidr(7)", "argument 1"},
         {"cidrSubnet('10.144.0.0/20', 19, 0)", "20 to 32"},
         {"cidrSubnet('10.144.0.0/20', 33, 0)", "20 to 32"},
         {"cidrSubnet('10.144.0.0/20', 24, 16)", "no subnet number 16"},
         {"cidrSubnet('10.144.0.0/20', 24, -1)", "no subnet number -1"},
         {"cidrHost('10.144.3.0/24', 254)", "no host number"},
         {"cidrHost('10.144.3.0/24', -1)", "no host number"},
         {"cidrHost('10.0.0.1/32', 1)", "no host number"}});
}

TEST(Functions, PickZonesWhereThereAreSome) {
    expect_values(
        {{"pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope')", Json::array({"1"})},
         {"pickZones('microsoft.compute', 'VIRTUALMACHINES', 'West Europe', 3)", {"1", "2", "3"}},
         {"pickZones('Microsoft.Network', 'publicIPAddresses', 'westeurope', 2, 1)", {"2", "3"}},
         {"pickZones('Microsoft.Compute', 'virtualMachines', 'northcentralus')", Json::array()},
         {"pickZones('Microsoft.KeyVault', 'vaults', 'westeurope')", Json::array()}});
    expect_problems(
        {{"pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 4)", "1 to 3"},
         {"pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 0)", "1 to 3"},
         {"pickZones('Microsoft.Compute', 'virtualMachines', 'westeurope', 2, 2)", "3 zones"},
         {"pickZones('Microsoft.Compute', 'virtualMachines')", "3 to 5"}});
}

TEST(Lambdas, AreCalledForEachItem) {
    expect_values(
        {{"map(filter(variables('dogs'), lambda('dog', "
          "greaterOrEquals(lambdaVariables('dog').age, 5))), lambda('d', "
          "lambdaVariables('D').name))",
          {"Evie", "Kira"}},
         {"filter(range(0, 10), lambda('i', equals(0, mod(lambdaVariables('i'), 2))))",
          {0, 2, 4, 6, 8}},
         {"filter(variables('names'), lambda('n', 'i', less(lambdaVariables('i'), 1)))",
          Json::array({"one"})},
         {"map(variables('names'), lambda('n', 'i', format('{0}{1}', lambdaVariables('n'), "
          "lambdaVariables('i'))))",
          {"one0", "two1", "three2"}},
         {"map(range(0, 2), lambda('i', map(range(0, 2), lambda('j', add(mul(lambdaVariables('i'), "
          "10), lambdaVariables('j'))))))",
          {{0, 1}, {10, 11}}},
         {"map(range(1, 1), lambda('i', map(range(5, 1), lambda('i', lambdaVariables('i')))))",
          {{5}}},
         {"reduce(map(variables('dogs'), lambda('d', lambdaVariables('d').age)), 1, lambda('cur', "
          "'next', add(lambdaVariables('cur'), lambdaVariables('next'))))",
          19},
         {"reduce(createArray(createObject('foo', 123), createObject('bar', 456)), "
          "createObject(), lambda('cur', 'next', union(lambdaVariables('cur'), "
          "lambdaVariables('next'))))",
          {{"foo", 123}, {"bar", 456}}},
         {"reduce(createArray(), 'x', lambda('a', 'b', lambdaVariables('b')))", "x"},
         {"reduce(range(5, 3), 0, lambda('a', 'b', 'i', lambdaVariables('i')))", 2},
         {"map(sort(variables('dogs'), lambda('a', 'b', less(lambdaVariables('a').age, "
          "lambdaVariables('b').age))), lambda('d', lambdaVariables('d').name))",
          {"Indy", "Casper", "Evie", "Kira"}},
         {"sort(createArray(3, 1, 2, 1), lambda('a', 'b', true()))", {1, 2, 1, 3}},  // no order
         {"sort(createArray(), lambda('a', 'b', true()))", Json::array()},
         {"toObject(variables('dogs'), lambda('e', lambdaVariables('e').name), lambda('e', "
          "lambdaVariables('e').age))",
          {{"Evie", 5}, {"Casper", 3}, {"Indy", 2}, {"Kira", 8}}},
         {"toObject(variables('names'), lambda('e', lambdaVariables('e')))",
          {{"one", "one"}, {"two", "two"}, {"three", "three"}}},
         {"groupBy(variables('names'), lambda('n', substring(lambdaVariables('n'), 0, 1)))",
          {{"o", {"one"}}, {"t", {"two", "three"}}}},
         {"mapValues(createObject('a', 1, 'b', 2), lambda('v', add(lambdaVariables('v'), 1)))",
          {{"a", 2}, {"b", 3}}}});
}

TEST(Lambdas, StandWhereTheyAreUsed) {
    expect_problems(
        {{"lambda('a', 1)", "alone"},
         {"concat(lambda('a', 'b'))", "alone"},
         {"lambdaVariables('a')", "no lambda around it has a variable 'a'"},
         {"map(variables('names'), lambda('a', lambdaVariables('b')))", "variable 'b'"},
         {"concat(map(variables('names'), lambda('a', 1)), createArray(lambdaVariables('a')))",
          "variable 'a'"},
         {"map(variables('names'), 'a')", "argument 2 must be a lambda"},
         {"map(variables('names'), lambda())", "takes 1 to 2 variables"},
         {"map(variables('names'), lambda('a'))", "1 to 2 variables"},
         {"map(variables('names'), lambda('a', 'b', 'c', 1))", "1 to 2 variables"},
         {"map(variables('names'), lambda(concat('a'), 1))", "plain texts"},
         {"map(variables('object'), lambda('a', 1))", "argument 1 must be an array"},
         {"map(variables('names'))", "2 to 2 arguments"},
         {"filter(variables('names'), lambda('a', 1))", "must give a boolean"},
         {"sort(variables('names'), lambda('a', 'b', 1))", "must give a boolean"},
         {"sort(variables('names'), lambda('a', true()))", "2 to 2 variables"},
         {"reduce(variables('names'), 0, lambda('a', 1))", "2 to 3 variables"},
         {"toObject(variables('names'), lambda('a', 1))", "must give a text"},
         {"groupBy(variables('numbers'), lambda('a', lambdaVariables('a')))", "must give a text"},
         {"mapValues(variables('names'), lambda('a', 1))", "argument 1 must be an object"}});
    Result<Expression> parsed = parse_expression("[lambda()]");
    ASSERT_TRUE(parsed);
    EXPECT_FALSE(check_functions(*parsed));
}

TEST(Lambdas, EndWithinTheirBudget) {
    expect_problems(
        {{"map(range(0, 10000), lambda('a', map(range(0, 10000), lambda('b', 1))))", "too many"},
         {"sort(range(0, 10000), lambda('a', 'b', greater(lambdaVariables('a'), "
          "lambdaVariables('b'))))",
          "too many"},
         {"reduce(range(0, 100), 'xxxxxxxx', lambda('a', 'b', concat(lambdaVariables('a'), "
          "lambdaVariables('a'))))",
          "too large"},
         // A value that is deeper than a record can be would be written, and never read again.
         {"reduce(range(0, 100), 1, lambda('a', 'b', createArray(lambdaVariables('a'))))",
          "more than 48 levels"}});
    // Lambdas within lambdas copy nothing that is large.
    const std::string nested =
        "reduce(range(0, 3000), padLeft('', 4000), lambda('a', 'b', if(empty(map(range(0, 1), "
        "lambda('c', 1))), '', 'x')))";
    EXPECT_EQ(MUST(compute(nested)), "x");
}

TEST(Functions, ComputeWithLongListsQuickly) {
    expect_values({{"length(union(range(0, 10000), range(5000, 10000)))", 15000},
                   {"length(intersection(range(0, 10000), range(5000, 10000)))", 5000}});
    expect_problems({{"split('a', range(0, 101))", "100 delimiters"}});
}

}  // namespace
}  // namespace vouchsafe::cloud
