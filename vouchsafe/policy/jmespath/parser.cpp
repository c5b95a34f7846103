#include <algorithm>

#include "vouchsafe/policy/jmespath/ast.h"
#include "vouchsafe/policy/jmespath/function.h"

namespace vouchsafe::policy::jmespath {

namespace {

class Parser {
  public:
    Parser(std::string_view text, std::vector<Token> tokens, Dialect dialect)
        : text_(text), tokens_(std::move(tokens)), dialect_(dialect) {}

    Result<Node> run() {
        Node out = TRY(expression(0));
        if (kind() != TokenKind::end) return unexpected("an operator or the end");
        TRY(check_references(out, false));
        return out;
    }

  private:
    TokenKind kind(size_t ahead = 0) const {
        return tokens_[std::min(next_ + ahead, tokens_.size() - 1)].kind;
    }
    const Token& token() const { return tokens_[next_]; }
    const Token& take() { return tokens_[kind() == TokenKind::end ? next_ : next_++]; }

    tl::unexpected<Error> unexpected(std::string_view expected) const {
        std::string found = kind() == TokenKind::end
                                ? "the end"
                                : fmt::format("{}", show_json(token().spelling, 40));
        return syntax_error(text_, token().at,
                            fmt::format("found {}, expected {}", found, expected));
    }
    Result<void> match(TokenKind wanted, std::string_view spelling) {
        if (kind() != wanted) return unexpected(spelling);
        take();
        return {};
    }

    // node makes a node of its children; every node comes from here.
    Result<Node> node(NodeKind node_kind, std::vector<Node> children) {
        Node out;
        out.kind = node_kind;
        for (const Node& child : children) out.depth = std::max(out.depth, child.depth + 1);
        out.children = std::move(children);
        if (++nodes_ > kMaxExpressionNodes) {
            return fail(Code::invalid, "JMESPath limit: more than {} nodes", kMaxExpressionNodes);
        }
        if (out.depth > kMaxExpressionDepth) return too_deep();
        return out;
    }
    Result<Node> node(NodeKind node_kind) { return node(node_kind, std::vector<Node>{}); }
    Result<Node> node(NodeKind node_kind, Node a) {
        std::vector<Node> children;
        children.push_back(std::move(a));
        return node(node_kind, std::move(children));
    }
    Result<Node> node(NodeKind node_kind, Node a, Node b) {
        std::vector<Node> children;
        children.push_back(std::move(a));
        children.push_back(std::move(b));
        return node(node_kind, std::move(children));
    }
    // join is node, but puts `right` behind the children of a `left` of the same kind: a chain of
    // any length is one node.
    Result<Node> join(NodeKind node_kind, Node left, Node right) {
        if (left.kind != node_kind) return node(node_kind, std::move(left), std::move(right));
        left.depth = std::max(left.depth, right.depth + 1);
        if (left.depth > kMaxExpressionDepth) return too_deep();
        left.children.push_back(std::move(right));
        return left;
    }
    static tl::unexpected<Error> too_deep() {
        return fail(Code::invalid, "JMESPath limit: nested deeper than {}", kMaxExpressionDepth);
    }

    Result<Node> expression(int power) {
        if (++depth_ > kMaxExpressionDepth) return too_deep();
        Node left = TRY(prefix());
        while (power < binding_power(kind())) {
            left = TRY(infix(std::move(left)));
        }
        --depth_;
        return left;
    }

    Result<Node> prefix() {
        const Token& first = take();
        switch (first.kind) {
            case TokenKind::literal: {
                Node out = TRY(node(NodeKind::literal));
                out.literal = first.value;
                return out;
            }
            case TokenKind::identifier:
                if (kind() == TokenKind::left_paren) return call(first);
                return field(first.name);
            case TokenKind::quoted_identifier:
                if (kind() == TokenKind::left_paren) return unexpected("no call of a quoted name");
                return field(first.name);
            case TokenKind::current:
                return node(NodeKind::current);
            case TokenKind::star: {
                Node left = TRY(node(NodeKind::current));
                Node right = TRY(projected(binding_power(TokenKind::star)));
                return node(NodeKind::value_projection, std::move(left), std::move(right));
            }
            case TokenKind::filter: {
                Node left = TRY(node(NodeKind::current));
                return filter(std::move(left));
            }
            case TokenKind::flatten: {
                Node left = TRY(node(NodeKind::current));
                return flatten(std::move(left));
            }
            case TokenKind::left_brace:
                return hash();
            case TokenKind::left_bracket:
                return leading_bracket();
            case TokenKind::left_paren: {
                Node inner = TRY(expression(0));
                TRY(match(TokenKind::right_paren, "')'"));
                return inner;
            }
            case TokenKind::not_: {
                Node inner = TRY(expression(binding_power(TokenKind::not_)));
                return node(NodeKind::not_, std::move(inner));
            }
            case TokenKind::expression_ref: {
                Node inner = TRY(expression(0));
                return node(NodeKind::expression_ref, std::move(inner));
            }
            default:
                if (first.kind != TokenKind::end) --next_;
                return unexpected("an expression");
        }
    }

    Result<Node> infix(Node left) {
        const Token& op = take();
        switch (op.kind) {
            case TokenKind::dot:
                return dot(std::move(left));
            case TokenKind::pipe:
                return piped(std::move(left));
            case TokenKind::or_: {
                Node right = TRY(expression(binding_power(TokenKind::or_)));
                return join(NodeKind::or_, std::move(left), std::move(right));
            }
            case TokenKind::and_: {
                Node right = TRY(expression(binding_power(TokenKind::and_)));
                return join(NodeKind::and_, std::move(left), std::move(right));
            }
            case TokenKind::filter:
                return filter(std::move(left));
            case TokenKind::flatten:
                return flatten(std::move(left));
            case TokenKind::left_bracket:
                return bracket(std::move(left));
            case TokenKind::equal:
            case TokenKind::not_equal:
            case TokenKind::less:
            case TokenKind::less_or_equal:
            case TokenKind::greater:
            case TokenKind::greater_or_equal: {
                Node right = TRY(expression(binding_power(op.kind)));
                Node out = TRY(node(NodeKind::comparison, std::move(left), std::move(right)));
                out.comparator = op.kind;
                return out;
            }
            default:
                --next_;
                return unexpected("an operator or the end");
        }
    }

    Result<Node> field(const std::string& name) {
        Node out = TRY(node(NodeKind::field));
        out.name = name;
        return out;
    }

    Result<Node> dot(Node left) {
        if (kind() != TokenKind::star) {
            Node right = TRY(after_dot(binding_power(TokenKind::dot)));
            return join(NodeKind::chain, std::move(left), std::move(right));
        }
        take();
        Node right = TRY(projected(binding_power(TokenKind::dot)));
        return node(NodeKind::value_projection, std::move(left), std::move(right));
    }

    // A pipe ends a projection, which here it has done already: what is left is to apply one thing
    // to the result of the other.
    Result<Node> piped(Node left) {
        Node right = TRY(expression(binding_power(TokenKind::pipe)));
        return join(NodeKind::chain, std::move(left), std::move(right));
    }

    Result<Node> filter(Node left) {
        Node condition = TRY(expression(0));
        TRY(match(TokenKind::right_bracket, "']'"));
        std::vector<Node> children;
        children.push_back(std::move(left));
        if (kind() == TokenKind::flatten) {
            children.push_back(TRY(node(NodeKind::current)));
        } else {
            children.push_back(TRY(projected(binding_power(TokenKind::filter))));
        }
        children.push_back(std::move(condition));
        return node(NodeKind::filter, std::move(children));
    }

    Result<Node> flatten(Node left) {
        Node flat = TRY(node(NodeKind::flatten, std::move(left)));
        Node right = TRY(projected(binding_power(TokenKind::flatten)));
        return node(NodeKind::projection, std::move(flat), std::move(right));
    }

    // leading_bracket: `[` at the beginning is an index, a slice, [*] or a list of expressions.
    Result<Node> leading_bracket() {
        bool starred = kind() == TokenKind::star && kind(1) == TokenKind::right_bracket;
        if (!starred && kind() != TokenKind::number && kind() != TokenKind::colon) return list();
        Node left = TRY(node(NodeKind::current));
        return bracket(std::move(left));
    }

    Result<Node> bracket(Node left) {
        if (kind() == TokenKind::number && kind(1) != TokenKind::colon) {
            Node index = TRY(node(NodeKind::index));
            index.number = take().number;
            TRY(match(TokenKind::right_bracket, "']'"));
            return join(NodeKind::chain, std::move(left), std::move(index));
        }
        if (kind() == TokenKind::number || kind() == TokenKind::colon) {
            Node part = TRY(slice());
            left = TRY(join(NodeKind::chain, std::move(left), std::move(part)));
        } else {
            TRY(match(TokenKind::star, "a number, ':', '*' or '?'"));
            TRY(match(TokenKind::right_bracket, "']'"));
        }
        Node right = TRY(projected(binding_power(TokenKind::star)));
        return node(NodeKind::projection, std::move(left), std::move(right));
    }

    Result<Node> slice() {
        Node out = TRY(node(NodeKind::slice));
        for (size_t part = 0; part < 3; ++part) {
            if (kind() == TokenKind::number) out.slice[part] = take().number;
            if (part == 2 || kind() != TokenKind::colon) break;
            take();
        }
        TRY(match(TokenKind::right_bracket, "']'"));
        return out;
    }

    // projected parses what is applied to each element of a projection.
    Result<Node> projected(int power) {
        if (binding_power(kind()) < kProjectionStop) return node(NodeKind::current);
        if (kind() == TokenKind::left_bracket || kind() == TokenKind::filter) {
            return expression(power);
        }
        TRY(match(TokenKind::dot, "'.', '[' or the end of the projection"));
        return after_dot(power);
    }

    Result<Node> after_dot(int power) {
        switch (kind()) {
            case TokenKind::identifier:
            case TokenKind::quoted_identifier:
            case TokenKind::star:
                return expression(power);
            case TokenKind::left_bracket:
                take();
                return list();
            case TokenKind::left_brace:
                take();
                return hash();
            default:
                return unexpected("a name, '*', '[' or '{'");
        }
    }

    Result<Node> list() {
        std::vector<Node> children;
        do {
            children.push_back(TRY(expression(0)));
        } while (take_comma());
        TRY(match(TokenKind::right_bracket, "',' or ']'"));
        return node(NodeKind::list, std::move(children));
    }

    Result<Node> hash() {
        std::vector<std::string> names;
        std::vector<Node> children;
        do {
            if (kind() != TokenKind::identifier && kind() != TokenKind::quoted_identifier) {
                return unexpected("a name");
            }
            names.push_back(take().name);
            TRY(match(TokenKind::colon, "':'"));
            children.push_back(TRY(expression(0)));
        } while (take_comma());
        TRY(match(TokenKind::right_brace, "',' or '}'"));
        Node out = TRY(node(NodeKind::hash, std::move(children)));
        out.names = std::move(names);
        return out;
    }

    bool take_comma() {
        if (kind() != TokenKind::comma) return false;
        take();
        return true;
    }

    Result<Node> call(const Token& name) {
        take();
        std::vector<Node> children;
        if (kind() != TokenKind::right_paren) {
            do {
                children.push_back(TRY(expression(0)));
            } while (take_comma());
        }
        TRY(match(TokenKind::right_paren, "',' or ')'"));
        const FunctionInfo* info = find_function(name.name, dialect_);
        if (info == nullptr) {
            return fail(Code::invalid, "JMESPath unknown-function: there is no function {}()",
                        name.name.substr(0, 40));
        }
        bool enough = children.size() >= info->arguments;
        if (!enough || (!info->more && children.size() > info->arguments)) {
            return fail(Code::invalid, "JMESPath invalid-arity: {}() takes {}{}, not {}", name.name,
                        info->more ? "at least " : "", info->arguments, children.size());
        }
        Node out = TRY(node(NodeKind::call, std::move(children)));
        out.name = name.name;
        out.at = name.at;
        return out;
    }

    // check_references: an expression reference stands where a function takes one, and only there.
    Result<void> check_references(const Node& tree, bool expected) {
        bool found = tree.kind == NodeKind::expression_ref;
        if (found != expected) {
            return fail(Code::invalid, "JMESPath invalid-type: {}",
                        found ? "an expression reference (&) stands where a value is expected"
                              : "an expression reference (&) is expected");
        }
        int wanted = -1;
        if (tree.kind == NodeKind::call) {
            wanted = find_function(tree.name, dialect_)->expression_ref;
        }
        for (size_t i = 0; i < tree.children.size(); ++i) {
            TRY(check_references(tree.children[i], static_cast<int>(i) == wanted));
        }
        return {};
    }

    std::string_view text_;
    std::vector<Token> tokens_;
    Dialect dialect_;
    size_t next_ = 0;
    size_t depth_ = 0;
    size_t nodes_ = 0;
};

}  // namespace

Result<Node> parse(std::string_view expression, Dialect dialect) {
    std::vector<Token> tokens = TRY(tokenize(expression));
    return Parser(expression, std::move(tokens), dialect).run();
}

Result<void> check_syntax(std::string_view expression, Dialect dialect) {
    TRY(parse(expression, dialect));
    return {};
}

}  // namespace vouchsafe::policy::jmespath
