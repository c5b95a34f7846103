// jmespath::search: ends within its steps, gives what can be written as JSON, and the same again;
// errors are of the kinds the header names; check_syntax agrees about what parses.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/jmespath/jmespath.h"

using namespace vouchsafe;
namespace jmespath = vouchsafe::policy::jmespath;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

const Json& document() {
    static const Json json = MUST(parse_json(
        R"({"a":{"b":{"c":[0,1,2.5,-3]}},"l":[{"k":"b","n":2},{"k":"a","n":1,"t":["x","y"]},null,5],
            "n":[[1,[2,3]],[4],[]],"s":"caf\u00e9","e":[],"o":{},"t":true,"z":null,"i":7})"));
    return json;
}

bool is_known_kind(std::string_view message) {
    for (std::string_view kind : {"syntax", "invalid-arity", "invalid-type", "invalid-value",
                                  "unknown-function", "limit"}) {
        if (message.starts_with("JMESPath " + std::string(kind))) return true;
    }
    return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view expression = as_text({data, size});
    jmespath::StepBudget budget;
    auto found = jmespath::search(document(), expression, jmespath::Dialect::azure, budget);
    auto syntax = jmespath::check_syntax(expression, jmespath::Dialect::azure);
    if (!found) {
        expect(found.error().code == Code::invalid && is_known_kind(found.error().message));
        return 0;
    }
    expect(syntax.has_value());
    jmespath::StepBudget other;
    auto again = jmespath::search(document(), expression, jmespath::Dialect::azure, other);
    expect(again && dump_json(*again) == dump_json(*found) && other.left == budget.left);
    return 0;
}
