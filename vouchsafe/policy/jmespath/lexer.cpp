#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/jmespath/ast.h"

namespace vouchsafe::policy::jmespath {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool starts_identifier(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

class Lexer {
  public:
    explicit Lexer(std::string_view text) : text_(text) {}

    Result<std::vector<Token>> run() {
        std::vector<Token> out;
        while (true) {
            at_ = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
            Token token = TRY(next());
            bool last = token.kind == TokenKind::end;
            out.push_back(std::move(token));
            if (last) return out;
        }
    }

  private:
    Result<Token> next() {
        if (at_ == text_.size()) return simple(TokenKind::end, 0);
        char c = text_[at_];
        if (starts_identifier(c)) return identifier();
        if (is_digit(c) || c == '-') return number();
        if (c == '"') return quoted();
        if (c == '`') return json_literal();
        if (c == '\'') return raw_string();
        return symbol();
    }

    Token simple(TokenKind kind, size_t size) {
        Token out;
        out.kind = kind;
        out.spelling = text_.substr(at_, size);
        out.at = at_;
        at_ += size;
        return out;
    }

    Result<Token> symbol() {
        struct Symbol {
            std::string_view spelling;
            TokenKind kind;
        };
        // Longer ones before those they begin with.
        static constexpr Symbol kSymbols[] = {
            {"[]", TokenKind::flatten},
            {"[?", TokenKind::filter},
            {"[", TokenKind::left_bracket},
            {"]", TokenKind::right_bracket},
            {"{", TokenKind::left_brace},
            {"}", TokenKind::right_brace},
            {"(", TokenKind::left_paren},
            {")", TokenKind::right_paren},
            {"&&", TokenKind::and_},
            {"&", TokenKind::expression_ref},
            {"||", TokenKind::or_},
            {"|", TokenKind::pipe},
            {"!=", TokenKind::not_equal},
            {"!", TokenKind::not_},
            {"<=", TokenKind::less_or_equal},
            {"<", TokenKind::less},
            {">=", TokenKind::greater_or_equal},
            {">", TokenKind::greater},
            {"==", TokenKind::equal},
            {".", TokenKind::dot},
            {"*", TokenKind::star},
            {",", TokenKind::comma},
            {":", TokenKind::colon},
            {"@", TokenKind::current},
        };
        for (const Symbol& symbol : kSymbols) {
            if (text_.substr(at_).starts_with(symbol.spelling)) {
                return simple(symbol.kind, symbol.spelling.size());
            }
        }
        if (text_[at_] == '=') return syntax_error(text_, at_, "'=' found; write '=='");
        return syntax_error(text_, at_, "no part of the language begins like this");
    }

    Result<Token> identifier() {
        size_t end = at_;
        while (end < text_.size() && (starts_identifier(text_[end]) || is_digit(text_[end]))) ++end;
        Token out = simple(TokenKind::identifier, end - at_);
        out.name = out.spelling;
        return out;
    }

    Result<Token> number() {
        size_t end = at_ + 1;
        while (end < text_.size() && is_digit(text_[end])) ++end;
        std::string_view digits = text_.substr(at_, end - at_);
        int64_t value = 0;
        auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc() || stop != digits.data() + digits.size()) {
            return syntax_error(text_, at_, "this is no integer of 64 bits");
        }
        Token out = simple(TokenKind::number, digits.size());
        out.number = value;
        return out;
    }

    // delimited returns the text between two delimiters, the first of which stands here. What
    // follows a backslash is no delimiter; backslashes stay.
    Result<std::string_view> delimited(char delimiter) {
        for (size_t end = at_ + 1; end < text_.size(); ++end) {
            if (text_[end] == delimiter) return text_.substr(at_ + 1, end - at_ - 1);
            if (text_[end] == '\\') ++end;
        }
        return syntax_error(text_, at_, fmt::format("there is no closing {}", delimiter));
    }

    Result<Token> quoted() {
        std::string_view inner = TRY(delimited('"'));
        Result<Json> name = parse_json(text_.substr(at_, inner.size() + 2));
        if (!name) return syntax_error(text_, at_, "this is no JSON string");
        Token out = simple(TokenKind::quoted_identifier, inner.size() + 2);
        out.name = name->get<std::string>();
        return out;
    }

    Result<Token> json_literal() {
        std::string_view inner = TRY(delimited('`'));
        std::string json = unescape(inner, '`');
        Result<Json> value = parse_json(json);
        if (!value) {
            return syntax_error(text_, at_,
                                fmt::format("this literal is no JSON ({}); text is written 'text' "
                                            "or `\"text\"`",
                                            value.error().message));
        }
        Token out = simple(TokenKind::literal, inner.size() + 2);
        out.value = std::move(*value);
        return out;
    }

    Result<Token> raw_string() {
        std::string_view inner = TRY(delimited('\''));
        Token out = simple(TokenKind::literal, inner.size() + 2);
        out.value = unescape(inner, '\'');
        return out;
    }

    // unescape takes the backslash from before each delimiter; any other backslash stays.
    static std::string unescape(std::string_view text, char delimiter) {
        std::string out;
        for (size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '\\' && i + 1 < text.size()) {
                if (text[i + 1] != delimiter) out += '\\';
                ++i;
            }
            out += text[i];
        }
        return out;
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

tl::unexpected<Error> syntax_error(std::string_view expression, size_t at,
                                   std::string_view problem) {
    size_t character = 1;
    for (char c : expression.substr(0, at)) {
        if ((static_cast<unsigned char>(c) & 0xc0) != 0x80) ++character;
    }
    return fail(Code::invalid, "JMESPath syntax, character {}: {}", character, problem);
}

Result<std::vector<Token>> tokenize(std::string_view expression) {
    if (expression.size() > kMaxExpressionBytes) {
        return fail(Code::invalid, "JMESPath limit: an expression of {} bytes, more than {}",
                    expression.size(), kMaxExpressionBytes);
    }
    if (!is_utf8(expression)) return fail(Code::invalid, "JMESPath syntax: this is not UTF-8");
    return Lexer(expression).run();
}

}  // namespace vouchsafe::policy::jmespath
