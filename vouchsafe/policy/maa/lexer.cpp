#include "vouchsafe/policy/maa/lexer.h"

#include <charconv>

#include "vouchsafe/base/json.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kNameStart = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
constexpr std::string_view kNameRest =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
constexpr std::string_view kDigits = "0123456789";

// Longer marks before those they begin with.
constexpr std::string_view kMarks[] = {"=>", "==", "!=", "<=", ">=", "&&", "=", "<", ">", "!",
                                       ":",  ";",  ",",  ".",  "(",  ")",  "[", "]", "{", "}"};

size_t count_of(std::string_view text, std::string_view characters) {
    return std::min(text.find_first_not_of(characters), text.size());
}

bool contains(std::string_view characters, char c) {
    return characters.find(c) != std::string_view::npos;
}

// first_character is the whole first character of UTF-8 text.
std::string_view first_character(std::string_view text) {
    size_t size = 1;
    while (size < text.size() && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) ++size;
    return text.substr(0, size);
}

}  // namespace

tl::unexpected<Error> policy_error(TextPosition at, std::string_view problem) {
    return fail(Code::invalid, "attestation policy, line {}, column {}: {}", at.line, at.column,
                problem);
}

void PolicyLexer::advance(size_t bytes) {
    for (char c : text_.substr(offset_, bytes)) {
        if (c == '\n') {
            ++at_.line;
            at_.column = 1;
        } else if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) {
            ++at_.column;
        }
    }
    offset_ += bytes;
}

Result<void> PolicyLexer::skip_space() {
    while (true) {
        advance(count_of(text_.substr(offset_), " \t\r\n"));
        std::string_view rest = text_.substr(offset_);
        if (rest.starts_with("/*")) {
            return policy_error(at_, "found '/*'; comments are written // up to the end of a line");
        }
        if (!rest.starts_with("//")) return {};
        advance(std::min(rest.find('\n'), rest.size()));
    }
}

PolicySymbol PolicyLexer::symbol(SymbolKind kind, size_t bytes) {
    PolicySymbol out;
    out.kind = kind;
    out.spelling = text_.substr(offset_, bytes);
    out.at = at_;
    advance(bytes);
    return out;
}

Result<PolicySymbol> PolicyLexer::next() {
    TRY(skip_space());
    std::string_view rest = text_.substr(offset_);
    if (rest.empty()) return symbol(SymbolKind::end, 0);
    if (contains(kNameStart, rest[0])) return symbol(SymbolKind::name, count_of(rest, kNameRest));
    if (contains(kDigits, rest[0])) return number();
    if (rest[0] == '"') return quoted();
    for (std::string_view mark : kMarks) {
        if (rest.starts_with(mark)) return symbol(SymbolKind::mark, mark.size());
    }
    std::string_view hint;
    if (rest[0] == '&') hint = "; conditions are joined by &&";
    if (rest[0] == '|') hint = "; there is no 'or': write one rule for each case";
    if (rest[0] == '\'') hint = "; text stands in double quotes";
    if (rest[0] == '-') hint = "; integers of a policy have no sign";
    if (rest.starts_with("\xEF\xBB\xBF")) hint = "; save the policy without a byte order mark";
    return policy_error(at_, fmt::format("found {}, which begins no symbol{}",
                                         show_json(first_character(rest)), hint));
}

Result<PolicySymbol> PolicyLexer::number() {
    std::string_view rest = text_.substr(offset_);
    size_t whole = count_of(rest, kDigits);
    if (whole + 1 < rest.size() && rest[whole] == '.' && contains(kDigits, rest[whole + 1])) {
        return symbol(SymbolKind::version, whole + 1 + count_of(rest.substr(whole + 1), kDigits));
    }
    size_t size = count_of(rest, kNameRest);  // letters too: what is glued to it is part of it
    std::string_view digits = rest.substr(0, size);
    bool hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
    if (hexadecimal) digits.remove_prefix(2);
    int64_t value = 0;
    auto [stop, error] =
        std::from_chars(digits.data(), digits.data() + digits.size(), value, hexadecimal ? 16 : 10);
    if (digits.empty() || error != std::errc() || stop != digits.data() + digits.size()) {
        return policy_error(
            at_, fmt::format("found {}, which is no integer: they are decimal, or hexadecimal "
                             "like 0xFF, and at most 9223372036854775807",
                             show_json(rest.substr(0, size), 40)));
    }
    PolicySymbol out = symbol(SymbolKind::integer, size);
    out.integer = value;
    return out;
}

Result<PolicySymbol> PolicyLexer::quoted() {
    std::string_view rest = text_.substr(offset_);
    std::string value;
    for (size_t i = 1; i < rest.size(); ++i) {
        char c = rest[i];
        if (c == '"') {
            PolicySymbol out = symbol(SymbolKind::text, i + 1);
            out.text = std::move(value);
            return out;
        }
        if (c == '\n' || c == '\r') break;
        bool escape = c == '\\' && i + 1 < rest.size();
        bool control = (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f;
        if (control || (escape && rest[i + 1] != '"' && rest[i + 1] != '\\')) {
            advance(i);
            std::string_view found = control ? rest.substr(i, 1) : rest.substr(i, 2);
            return policy_error(
                at_, control ? fmt::format("found the control character {} within text",
                                           show_json(found))
                             : "found a backslash within text before neither '\"' nor '\\'; a "
                               "backslash itself is written \\\\");
        }
        if (escape) c = rest[++i];
        value += c;
    }
    return policy_error(at_, "the text that begins here has no closing '\"' on its line");
}

Result<void> SymbolStream::advance() {
    now = TRY(lexer_.next());
    return {};
}

bool SymbolStream::at_mark(std::string_view mark) const {
    return now.kind == SymbolKind::mark && now.spelling == mark;
}

bool SymbolStream::at_name(std::string_view name) const {
    return now.kind == SymbolKind::name && now.spelling == name;
}

Result<void> SymbolStream::match(std::string_view mark, std::string_view hint) {
    if (!at_mark(mark)) return unexpected(fmt::format("'{}'", mark), hint);
    return advance();
}

Result<bool> SymbolStream::take_mark(std::string_view mark) {
    if (!at_mark(mark)) return false;
    TRY(advance());
    return true;
}

tl::unexpected<Error> SymbolStream::unexpected(std::string_view expected,
                                               std::string_view hint) const {
    std::string found = "the end";
    if (now.kind == SymbolKind::text) {
        found = show_json(now.text, 40);
    } else if (now.kind != SymbolKind::end) {
        found = fmt::format("'{}'", now.spelling.substr(0, 40));
    }
    return policy_error(now.at, fmt::format("found {}, expected {}{}{}", found, expected,
                                            hint.empty() ? "" : "; ", hint));
}

}  // namespace vouchsafe::policy
