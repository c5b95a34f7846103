// Templates and their expressions: JSON stays what it is before the tolerant pass; an expression is
// read back from its own text as the same; evaluation ends within its budget and gives the same
// again; nested templates are planned like their outer one, and errors are of one kind with a
// sentence.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/template/plan.h"
#include "vouchsafe/cloud/template/relaxed_json.h"

using namespace vouchsafe;
using namespace vouchsafe::cloud;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

template <typename T>
void expect_reason(const Result<T>& result) {
    expect(result || (result.error().code == Code::invalid && !result.error().message.empty()));
}

const Place& place() {
    static const Place kPlace{
        {{"id", "/subscriptions/s/resourceGroups/rg"}, {"location", "westeurope"}},
        {{"subscriptionId", "s"}},
        Json::object(),
        "d",
        "20260701T120000Z",
        {"westeurope"}};
    return kPlace;
}

Bindings make_bindings(Budget& budget) {
    Bindings out;
    out.place = &place();
    out.parameter = [](const std::string& name) -> Result<Json> { return Json(name); };
    out.variable = [](const std::string&) -> Result<Json> {
        return Json{{"a", {1, "two", nullptr}}, {"b", true}};
    };
    out.loops = {{"loop", 2}};
    out.innermost = "loop";
    out.budget = &budget;
    return out;
}

void try_expression(std::string_view text) {
    Result<Expression> parsed = parse_expression(text);
    expect_reason(parsed);
    if (!parsed) return;
    Expression again = MUST(parse_expression("[" + parsed->to_text() + "]"));
    expect(again.to_text() == parsed->to_text());
    Budget budget{5000, 1 << 18}, other = budget;
    Result<Json> value = evaluate(*parsed, make_bindings(budget));
    expect_reason(value);
    Result<Json> twice = evaluate(again, make_bindings(other));
    expect(value.has_value() == twice.has_value());
    if (value) expect(dump_json(*value) == dump_json(*twice));
}

void try_plan(const Plan& plan) {
    const Plan::Reference reference = [](const std::string& id, bool) -> Result<Json> {
        return Json{{"id", id}};
    };
    for (size_t i = 0; i < plan.resources().size(); ++i) {
        expect(plan.resources()[i].id.find("/providers/") != std::string::npos);
        expect_reason(plan.check(i));
        expect_reason(plan.body(i, reference));
        if (!plan.resources()[i].deployment) continue;
        Result<const Plan*> nested = plan.nested(i, reference);
        expect_reason(nested);
        if (nested) try_plan(**nested);
    }
    Result<Json> outputs = plan.outputs(reference);
    expect_reason(outputs);
    expect(!outputs || check_depth(*outputs));
    expect(plan.shown_parameters().is_object());
}

void try_template(const Json& document) {
    Result<std::unique_ptr<Plan>> plan = Plan::make(document, Json::object(), place());
    expect_reason(plan);
    if (plan) try_plan(**plan);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    constexpr size_t kEnough = 1 << 14;
    const std::string_view text = as_text({data, std::min(size, kEnough)});
    if (text.starts_with('[')) {
        if (is_utf8(text)) try_expression(text);
        return 0;
    }
    Result<Json> strict = parse_json_object(text, {kMaxTemplateText, 64, 1 << 18});
    Result<Json> relaxed = parse_relaxed_json_object(text);
    expect_reason(relaxed);
    expect(!strict || (relaxed && *relaxed == *strict));
    if (relaxed) try_template(*relaxed);
    return 0;
}
