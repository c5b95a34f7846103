#include "vouchsafe/cloud/template/expression.h"

#include <charconv>

#include "vouchsafe/base/json.h"

namespace vouchsafe::cloud {

namespace {

bool begins_word(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

std::string quote_text(std::string_view text) {
    std::string out = "'";
    for (char c : text) {
        out += c;
        if (c == '\'') out += c;
    }
    return out + "'";
}

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Result<Expression> whole() {
        Expression out = TRY(expression(0));
        skip_spaces();
        if (at_ != text_.size()) return unexpected("the end");
        return out;
    }

  private:
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    void skip_spaces() {
        while (peek() == ' ' || peek() == '\t' || peek() == '\r' || peek() == '\n') ++at_;
    }
    bool accept(char c) {
        skip_spaces();
        if (peek() != c || at_ == text_.size()) return false;
        ++at_;
        return true;
    }
    tl::unexpected<Error> unexpected(std::string_view wanted) const {
        // Counted with the opening bracket, which is not in text_.
        return fail(Code::invalid, "the expression {} has at character {} something else than {}",
                    show_json(Json("[" + std::string(text_) + "]")), at_ + 2, wanted);
    }

    Result<Expression> expression(size_t depth) {
        if (depth > kMaxExpressionDepth) {
            return fail(Code::invalid, "an expression has more than {} levels",
                        kMaxExpressionDepth);
        }
        Expression out = TRY(primary(depth));
        for (size_t steps = 0;; ++steps) {
            if (steps > kMaxExpressionDepth) {
                return fail(Code::invalid, "an expression has more than {} members in a row",
                            kMaxExpressionDepth);
            }
            if (accept('.')) {
                skip_spaces();
                std::string name = TRY(word());
                std::vector<Expression> parts;
                parts.push_back(std::move(out));
                out = {Expression::Kind::member, std::move(name), 0, std::move(parts)};
            } else if (accept('[')) {
                std::vector<Expression> parts;
                parts.push_back(std::move(out));
                parts.push_back(TRY(expression(depth + 1)));
                if (!accept(']')) return unexpected("']'");
                out = {Expression::Kind::index, "", 0, std::move(parts)};
            } else {
                return out;
            }
        }
    }

    Result<Expression> primary(size_t depth) {
        skip_spaces();
        if (peek() == '\'') return text();
        if (is_digit(peek()) || peek() == '-') return number();
        if (!begins_word(peek())) return unexpected("a function, a text or a number");
        return call(depth);
    }

    Result<std::string> word() {
        if (!begins_word(peek())) return unexpected("a name");
        const size_t start = at_;
        while (begins_word(peek()) || is_digit(peek())) ++at_;
        return std::string(text_.substr(start, at_ - start));
    }

    Result<Expression> text() {
        Expression out;
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] != '\'') {
                out.word += text_[at_];
            } else if (at_ + 1 < text_.size() && text_[at_ + 1] == '\'') {
                out.word += text_[at_++];
            } else {
                ++at_;
                return out;
            }
        }
        return unexpected("the end of a text");
    }

    Result<Expression> number() {
        Expression out;
        out.kind = Expression::Kind::number;
        const char* first = text_.data() + at_;
        const char* last = text_.data() + text_.size();
        auto [end, error] = std::from_chars(first, last, out.number);
        if (error != std::errc()) return unexpected("a whole number");
        at_ += static_cast<size_t>(end - first);
        return out;
    }

    Result<Expression> call(size_t depth) {
        Expression out;
        out.kind = Expression::Kind::call;
        out.word = TRY(word());
        skip_spaces();
        // A function of the template's own has its namespace before its name.
        if (accept('.')) {
            skip_spaces();
            out.word += "." + TRY(word());
        }
        if (!accept('(')) return unexpected("'('");
        if (accept(')')) return out;
        do {
            out.parts.push_back(TRY(expression(depth + 1)));
        } while (accept(','));
        if (!accept(')')) return unexpected("',' or ')'");
        return out;
    }

    std::string_view text_;
    size_t at_ = 0;
};

}  // namespace

std::string Expression::to_text() const {
    switch (kind) {
        case Kind::text:
            return quote_text(word);
        case Kind::number:
            return std::to_string(number);
        case Kind::member:
            return parts[0].to_text() + "." + word;
        case Kind::index:
            return parts[0].to_text() + "[" + parts[1].to_text() + "]";
        case Kind::call:
            break;
    }
    std::string out = word + "(";
    for (size_t i = 0; i < parts.size(); ++i) {
        if (i != 0) out += ", ";
        out += parts[i].to_text();
    }
    return out + ")";
}

bool is_expression(std::string_view text) {
    return text.size() >= 2 && text.front() == '[' && text.back() == ']' && text[1] != '[';
}

std::string_view literal_text(std::string_view text) {
    return text.starts_with("[[") ? text.substr(1) : text;
}

Result<Expression> parse_expression(std::string_view text) {
    if (text.size() > kMaxExpression) {
        return fail(Code::invalid, "an expression has more than {} characters", kMaxExpression);
    }
    if (!is_expression(text)) return fail(Code::invalid, "an expression stands between brackets");
    return Parser(text.substr(1, text.size() - 2)).whole();
}

}  // namespace vouchsafe::cloud
