// The functions of JMESPath; for the files of this folder.
#pragma once

#include <functional>
#include <memory>

#include "vouchsafe/policy/jmespath/ast.h"

namespace vouchsafe::policy::jmespath {

// Value is a JSON value that is never changed and never null as a pointer. Parts of a document
// point into it, so nothing is copied until it is put into a new value.
using Value = std::shared_ptr<const Json>;

Value make_value(Json json);
// part_of returns a part of a value that keeps the whole alive.
Value part_of(const Value& whole, const Json& part);

bool is_true(const Json& value);

// equal_values compares as the specification does: numbers by value, true and 1 are different.
bool equal_values(const Json& a, const Json& b);
// order_numbers is -1, 0 or 1; exact between integers and for doubles.
int order_numbers(const Json& a, const Json& b);

// Spender counts steps.
class Spender {
  public:
    explicit Spender(StepBudget& budget) : budget_(budget) {}
    Result<void> spend(uint64_t steps);
    // spend_copy pays for the size of a value: its parts, and 1 for each 16 bytes of text.
    Result<void> spend_copy(const Json& value);

  private:
    StepBudget& budget_;
};

// Argument is a value, or for an expression reference what applies it.
struct Argument {
    Value value;
    std::function<Result<Value>(const Value&)> apply;
};

struct FunctionInfo {
    std::string_view name;
    size_t arguments;
    bool more;           // any further arguments are allowed
    int expression_ref;  // which argument is an expression reference; -1: none
    Result<Value> (*run)(const std::vector<Argument>&, Spender&);
};

// What several files of functions share.
tl::unexpected<Error> wrong_type(std::string_view function, std::string_view wanted,
                                 const Json& found);
Result<const Json*> array_argument(const std::vector<Argument>& arguments, size_t i,
                                   std::string_view function);
bool all_numbers(const Json& array);
bool all_strings(const Json& array);

// The functions that put values in an order (order.cpp).
Result<Value> run_max(const std::vector<Argument>& arguments, Spender& spender);
Result<Value> run_max_by(const std::vector<Argument>& arguments, Spender& spender);
Result<Value> run_min(const std::vector<Argument>& arguments, Spender& spender);
Result<Value> run_min_by(const std::vector<Argument>& arguments, Spender& spender);
Result<Value> run_sort(const std::vector<Argument>& arguments, Spender& spender);
Result<Value> run_sort_by(const std::vector<Argument>& arguments, Spender& spender);

// find_function returns nullptr if there is none of this name in the dialect.
const FunctionInfo* find_function(std::string_view name, Dialect dialect);

}  // namespace vouchsafe::policy::jmespath
