// The expressions of Azure's templates, "[concat(parameters('name'), '-nic')]", taken apart and
// written again. What they mean is in evaluate.h. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxExpression = 24576;    // characters; Azure's limit
inline constexpr size_t kMaxExpressionDepth = 64;  // calls within calls

struct Expression {
    enum class Kind {
        text,    // 'it''s': `word` is what it stands for
        number,  // 42
        call,    // word(parts...); of a template's own functions "namespace.name"
        member,  // parts[0].word
        index,   // parts[0][parts[1]]
    };
    Kind kind = Kind::text;
    std::string word;
    int64_t number = 0;
    std::vector<Expression> parts;

    // to_text writes it without the brackets, in one form for all ways to write it.
    std::string to_text() const;
};

// is_expression: "[...]", but not "[[...", which stands for a text with one bracket less.
bool is_expression(std::string_view text);
// literal_text is what a text that is no expression stands for.
std::string_view literal_text(std::string_view text);

// parse_expression takes the brackets too. Code::invalid says at which character.
Result<Expression> parse_expression(std::string_view text);

}  // namespace vouchsafe::cloud
