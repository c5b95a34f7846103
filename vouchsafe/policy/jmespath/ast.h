// The parsed form of a JMESPath expression; for the files of this folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/jmespath/jmespath.h"

namespace vouchsafe::policy::jmespath {

enum class TokenKind {
    end,
    identifier,
    quoted_identifier,
    literal,  // `...` or '...'
    number,
    dot,
    star,
    left_bracket,
    right_bracket,
    left_brace,
    right_brace,
    left_paren,
    right_paren,
    flatten,  // []
    filter,   // [?
    comma,
    colon,
    current,         // @
    and_,            // &&
    or_,             // ||
    pipe,            // |
    not_,            // !
    expression_ref,  // &
    equal,
    not_equal,
    less,
    less_or_equal,
    greater,
    greater_or_equal,
};

struct Token {
    TokenKind kind = TokenKind::end;
    std::string_view spelling;  // borrows the expression
    std::string name;           // of identifiers, unescaped
    Json value;                 // of literals
    int64_t number = 0;
    size_t at = 0;  // byte in the expression
};

// tokenize always ends with TokenKind::end.
Result<std::vector<Token>> tokenize(std::string_view expression);

// binding_power is how strongly an operator binds what stands before it; 0 for what is none. What
// binds less than kProjectionStop ends the right side of a projection. The order is the one in
// which the published implementations resolve the grammar's ambiguities.
int binding_power(TokenKind kind);
inline constexpr int kProjectionStop = 10;

// syntax_error names the character (from 1) at byte `at`.
tl::unexpected<Error> syntax_error(std::string_view expression, size_t at,
                                   std::string_view problem);

enum class NodeKind {
    current,           // @, and what stands on the left of a leading [*]
    field,             // name
    index,             // number
    slice,             // slice
    literal,           // literal
    chain,             // each child applied to the result of the one before: a.b, a | b, a[0]
    projection,        // left, right: right for each element of left
    value_projection,  // left, right: right for each member's value of left
    filter,            // left, right, condition
    flatten,           // left
    comparison,        // left, right; comparator
    or_,               // two children or more
    and_,              // two children or more
    not_,
    list,            // [a, b]
    hash,            // {names[0]: a, names[1]: b}
    call,            // name(children...)
    expression_ref,  // &child
};

struct Node {
    NodeKind kind = NodeKind::current;
    std::string name;
    int64_t number = 0;
    std::optional<int64_t> slice[3];  // start, stop, step
    Json literal;
    TokenKind comparator = TokenKind::equal;
    std::vector<std::string> names;
    std::vector<Node> children;
    size_t depth = 1;
    size_t at = 0;  // of a call: byte in the expression
};

// parse makes the tree, with every bound and every function's name and number of arguments checked.
Result<Node> parse(std::string_view expression, Dialect dialect);

}  // namespace vouchsafe::policy::jmespath
