// The symbols of a policy's text; for parser.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "vouchsafe/policy/maa/syntax.h"

namespace vouchsafe::policy {

enum class SymbolKind {
    end,
    name,     // version, type, c, JmesPath, true
    version,  // 1.0: digits, a point, digits
    integer,  // decimal, or hexadecimal with 0x
    text,     // "..."
    mark,     // everything else: spelling says which
};

struct PolicySymbol {
    SymbolKind kind = SymbolKind::end;
    std::string_view spelling;  // borrows the policy's text; "" at the end
    std::string text;           // SymbolKind::text, unescaped
    int64_t integer = 0;        // SymbolKind::integer
    TextPosition at;
};

// policy_error is the one form of errors of parsing: "attestation policy, line 1, column 2: ...".
tl::unexpected<Error> policy_error(TextPosition at, std::string_view problem);

// PolicyLexer gives one symbol after the other. Borrows the text.
class PolicyLexer {
  public:
    explicit PolicyLexer(std::string_view text) : text_(text) {}
    // next fails where no symbol can begin, or one is broken off.
    Result<PolicySymbol> next();

  private:
    Result<void> skip_space();
    void advance(size_t bytes);
    Result<PolicySymbol> number();
    Result<PolicySymbol> quoted();
    PolicySymbol symbol(SymbolKind kind, size_t bytes);

    std::string_view text_;
    size_t offset_ = 0;
    TextPosition at_;
};

// SymbolStream is the symbol that the parser looks at, and what it asks about it.
class SymbolStream {
  public:
    explicit SymbolStream(std::string_view text) : lexer_(text) {}

    PolicySymbol now;  // valid after the first advance()

    Result<void> advance();
    bool at_mark(std::string_view mark) const;
    bool at_name(std::string_view name) const;
    // match advances over the mark, and fails if another symbol stands here.
    Result<void> match(std::string_view mark, std::string_view hint = {});
    // take_mark advances over the mark and tells whether it stood here.
    Result<bool> take_mark(std::string_view mark);
    // unexpected says what was found, what was expected, and if there is one a hint.
    tl::unexpected<Error> unexpected(std::string_view expected, std::string_view hint = {}) const;

  private:
    PolicyLexer lexer_;
};

}  // namespace vouchsafe::policy
