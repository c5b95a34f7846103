#include "vouchsafe/policy/jmespath/function.h"
#include "vouchsafe/policy/jmespath/jmespath.h"

namespace vouchsafe::policy::jmespath {

namespace {

// clamp_slice turns a start or stop, which may count from the end, into an index for stepping.
int64_t clamp_slice(int64_t at, int64_t size, bool backwards) {
    if (at < 0) at = at < -size ? -1 : at + size;
    if (at < 0) return backwards ? -1 : 0;
    if (at >= size) return backwards ? size - 1 : size;
    return at;
}

class Interpreter {
  public:
    Interpreter(Dialect dialect, StepBudget& budget) : dialect_(dialect), spender_(budget) {}

    Result<Value> run(const Node& node, const Value& value) {
        TRY(spender_.spend(1));
        switch (node.kind) {
            case NodeKind::current:
                return value;
            case NodeKind::field:
                return field(node, value);
            case NodeKind::index:
                return index(node, value);
            case NodeKind::slice:
                return slice(node, value);
            case NodeKind::literal:
                return literal(node);
            case NodeKind::chain:
                return chain(node, value);
            case NodeKind::projection:
            case NodeKind::filter:
                return projection(node, value);
            case NodeKind::value_projection:
                return value_projection(node, value);
            case NodeKind::flatten:
                return flatten(node, value);
            case NodeKind::comparison:
                return comparison(node, value);
            case NodeKind::or_:
            case NodeKind::and_:
                return logical(node, value);
            case NodeKind::not_: {
                Value inner = TRY(run(node.children[0], value));
                return make_value(!is_true(*inner));
            }
            case NodeKind::list:
                return list(node, value);
            case NodeKind::hash:
                return hash(node, value);
            case NodeKind::call:
                return call(node, value);
            case NodeKind::expression_ref:
                break;  // the parser lets it stand only where call() looks for it
        }
        return fail(Code::internal, "JMESPath: an expression reference was evaluated");
    }

  private:
    Value null() const { return null_; }

    // A literal belongs to the tree, which outlives the search.
    static Value literal(const Node& node) { return Value(Value(), &node.literal); }

    Result<Value> field(const Node& node, const Value& value) {
        const Json* member = find_member(*value, node.name);
        return member == nullptr ? null() : part_of(value, *member);
    }

    Result<Value> index(const Node& node, const Value& value) {
        if (!value->is_array()) return null();
        auto size = static_cast<int64_t>(value->size());
        if (node.number >= size || node.number < -size) return null();
        int64_t at = node.number < 0 ? node.number + size : node.number;
        return part_of(value, (*value)[static_cast<size_t>(at)]);
    }

    Result<Value> slice(const Node& node, const Value& value) {
        int64_t step = node.slice[2].value_or(1);
        if (step == 0) return fail(Code::invalid, "JMESPath invalid-value: a slice's step is 0");
        if (!value->is_array()) return null();
        auto size = static_cast<int64_t>(value->size());
        bool backwards = step < 0;
        int64_t from = backwards ? size - 1 : 0;
        int64_t to = backwards ? -1 : size;
        if (node.slice[0]) from = clamp_slice(*node.slice[0], size, backwards);
        if (node.slice[1]) to = clamp_slice(*node.slice[1], size, backwards);
        Json out = Json::array();
        for (int64_t at = from; backwards ? at > to : at < to;) {
            const Json& element = (*value)[static_cast<size_t>(at)];
            TRY(spender_.spend_copy(element));
            out.push_back(element);
            if (__builtin_add_overflow(at, step, &at)) break;
        }
        return make_value(std::move(out));
    }

    Result<Value> chain(const Node& node, const Value& value) {
        Value out = value;
        for (const Node& child : node.children) out = TRY(run(child, out));
        return out;
    }

    // collect puts a copy of what the right side finds in an element into the array, unless null.
    Result<void> collect(const Node& right, const Value& element, Json& out) {
        Value found = TRY(run(right, element));
        if (found->is_null()) return {};
        TRY(spender_.spend_copy(*found));
        out.push_back(*found);
        return {};
    }

    Result<Value> projection(const Node& node, const Value& value) {
        Value left = TRY(run(node.children[0], value));
        if (!left->is_array()) return null();
        Json out = Json::array();
        for (const Json& part : *left) {
            Value element = part_of(left, part);
            if (node.kind == NodeKind::filter) {
                Value keep = TRY(run(node.children[2], element));
                if (!is_true(*keep)) continue;
            }
            TRY(collect(node.children[1], element, out));
        }
        return make_value(std::move(out));
    }

    Result<Value> value_projection(const Node& node, const Value& value) {
        Value left = TRY(run(node.children[0], value));
        if (!left->is_object()) return null();
        Json out = Json::array();
        for (const Json& part : *left) {
            TRY(collect(node.children[1], part_of(left, part), out));
        }
        return make_value(std::move(out));
    }

    Result<Value> flatten(const Node& node, const Value& value) {
        Value left = TRY(run(node.children[0], value));
        if (!left->is_array()) return null();
        TRY(spender_.spend_copy(*left));
        Json out = Json::array();
        for (const Json& element : *left) {
            if (element.is_array()) {
                out.insert(out.end(), element.begin(), element.end());
            } else {
                out.push_back(element);
            }
        }
        return make_value(std::move(out));
    }

    Result<Value> comparison(const Node& node, const Value& value) {
        Value left = TRY(run(node.children[0], value));
        Value right = TRY(run(node.children[1], value));
        if (node.comparator == TokenKind::equal || node.comparator == TokenKind::not_equal) {
            if (left->type() == right->type()) TRY(spender_.spend_copy(*left));
            bool equal = equal_values(*left, *right);
            return make_value(equal == (node.comparator == TokenKind::equal));
        }
        if (!left->is_number() || !right->is_number()) return null();
        int order = order_numbers(*left, *right);
        switch (node.comparator) {
            case TokenKind::less:
                return make_value(order < 0);
            case TokenKind::less_or_equal:
                return make_value(order <= 0);
            case TokenKind::greater:
                return make_value(order > 0);
            default:
                return make_value(order >= 0);
        }
    }

    // logical returns the first child that decides, or the last.
    Result<Value> logical(const Node& node, const Value& value) {
        Value out = null();
        for (const Node& child : node.children) {
            out = TRY(run(child, value));
            if (is_true(*out) == (node.kind == NodeKind::or_)) break;
        }
        return out;
    }

    Result<Value> list(const Node& node, const Value& value) {
        if (value->is_null()) return null();
        Json out = Json::array();
        for (const Node& child : node.children) {
            Value element = TRY(run(child, value));
            TRY(spender_.spend_copy(*element));
            out.push_back(*element);
        }
        return make_value(std::move(out));
    }

    Result<Value> hash(const Node& node, const Value& value) {
        if (value->is_null()) return null();
        Json out = Json::object();
        for (size_t i = 0; i < node.children.size(); ++i) {
            Value member = TRY(run(node.children[i], value));
            TRY(spender_.spend_copy(*member));
            out[node.names[i]] = *member;
        }
        return make_value(std::move(out));
    }

    Result<Value> call(const Node& node, const Value& value) {
        std::vector<Argument> arguments;
        for (const Node& child : node.children) {
            Argument argument;
            if (child.kind == NodeKind::expression_ref) {
                argument.apply = [this, &child](const Value& element) {
                    return run(child.children[0], element);
                };
            } else {
                argument.value = TRY(run(child, value));
            }
            arguments.push_back(std::move(argument));
        }
        return find_function(node.name, dialect_)->run(arguments, spender_);
    }

    Dialect dialect_;
    Spender spender_;
    Value null_ = make_value(nullptr);
};

}  // namespace

Result<Json> search(const Json& document, std::string_view expression, Dialect dialect,
                    StepBudget& budget) {
    Node tree = TRY(parse(expression, dialect));
    Value whole(Value(), &document);  // borrowed for the time of the search
    Interpreter interpreter(dialect, budget);
    Value found = TRY(interpreter.run(tree, whole));
    TRY(Spender(budget).spend_copy(*found));
    return Json(*found);
}

Result<Json> search(const Json& document, std::string_view expression) {
    StepBudget budget;
    return search(document, expression, Dialect::standard, budget);
}

}  // namespace vouchsafe::policy::jmespath
