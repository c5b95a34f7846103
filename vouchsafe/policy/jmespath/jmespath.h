// JMESPath: a query language for JSON (specification of jmespath.org, with its 26 functions). Pure,
// and bounded: a hostile expression or document ends in an error soon.
//
// Where the specification leaves a choice: members of objects come in the order of their names;
// comparing by < <= > >= is for numbers only and null otherwise; a literal in backticks is JSON
// (the old form without quotes is refused); unknown functions and wrong numbers of arguments are
// errors even where the call would not be reached; an expression reference (&...) is an argument of
// a function and nothing else. What differs from Debian's python3-jmespath is named case by case in
// tests/vectors/jmespath/cases.json.
#pragma once

#include <cstdint>
#include <string_view>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::policy::jmespath {

inline constexpr size_t kMaxExpressionBytes = 64 << 10;  // of one expression
inline constexpr size_t kMaxExpressionNodes = 8192;      // in the parsed expression
inline constexpr size_t kMaxExpressionDepth = 200;       // nodes within nodes
inline constexpr uint64_t kMaxSearchSteps = 1 << 20;     // nodes evaluated and values copied

// Dialect::azure is the standard's functions and equals_ignore_case(string, string), which
// Microsoft's published attestation policies call: ASCII letters compare without regard to
// capitals.
enum class Dialect { standard, azure };

// StepBudget is what searches may still spend; several may share one. A step is a node evaluated on
// a value, an element looked at, a value copied, or 16 bytes of text copied or compared.
struct StepBudget {
    uint64_t left = kMaxSearchSteps;
};

// search returns what the expression finds in the document; JSON null if nothing. Fails with
// Code::invalid and a message that begins "JMESPath syntax", "JMESPath invalid-arity", "JMESPath
// invalid-type", "JMESPath invalid-value", "JMESPath unknown-function" (the specification's kinds
// of errors) or "JMESPath limit" (one of the above bounds). Syntax errors name the character.
Result<Json> search(const Json& document, std::string_view expression);
Result<Json> search(const Json& document, std::string_view expression, Dialect dialect,
                    StepBudget& budget);

// check_syntax is the part of search that needs no document.
Result<void> check_syntax(std::string_view expression, Dialect dialect);

}  // namespace vouchsafe::policy::jmespath
