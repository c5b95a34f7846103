#include "vouchsafe/policy/jmespath/ast.h"

namespace vouchsafe::policy::jmespath {

int binding_power(TokenKind kind) {
    switch (kind) {
        case TokenKind::pipe:
            return 1;
        case TokenKind::or_:
            return 2;
        case TokenKind::and_:
            return 3;
        case TokenKind::equal:
        case TokenKind::not_equal:
        case TokenKind::less:
        case TokenKind::less_or_equal:
        case TokenKind::greater:
        case TokenKind::greater_or_equal:
            return 5;
        case TokenKind::flatten:
            return 9;
        case TokenKind::star:
            return 20;
        case TokenKind::filter:
            return 21;
        case TokenKind::dot:
            return 40;
        case TokenKind::not_:
            return 45;
        case TokenKind::left_brace:
            return 50;
        case TokenKind::left_bracket:
            return 55;
        case TokenKind::left_paren:
            return 60;
        default:
            return 0;
    }
}

}  // namespace vouchsafe::policy::jmespath
