#include "vouchsafe/attest/request/raw_json.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::attest {

namespace {

// Walker goes over text that is known to be JSON: nothing is checked again but the ends.
class Walker {
  public:
    explicit Walker(std::string_view text) : text_(text) {}

    char peek() {
        while (at_ < text_.size() && kBlank.find(text_[at_]) != kBlank.npos) ++at_;
        return at_ < text_.size() ? text_[at_] : '\0';
    }
    void skip() {
        if (at_ < text_.size()) ++at_;
    }
    // name reads a text and the colon behind it; escapes stay as they are.
    std::string_view name() {
        std::string_view quoted = value();
        if (peek() == ':') skip();
        return quoted.size() < 2 ? "" : quoted.substr(1, quoted.size() - 2);
    }
    // value reads one value of any kind.
    std::string_view value() {
        char first = peek();
        size_t begin = at_;
        if (first == '"') {
            skip_text();
        } else if (first == '{' || first == '[') {
            skip_nested();
        } else {
            while (at_ < text_.size() && kEnds.find(text_[at_]) == kEnds.npos) ++at_;
        }
        return text_.substr(begin, at_ - begin);
    }

  private:
    static constexpr std::string_view kBlank = " \t\r\n";
    static constexpr std::string_view kEnds = " \t\r\n,]}";

    void skip_text() {
        for (++at_; at_ < text_.size(); ++at_) {
            if (text_[at_] == '"') break;
            if (text_[at_] == '\\') ++at_;
        }
        at_ = std::min(at_ + 1, text_.size());
    }
    void skip_nested() {
        size_t depth = 0;
        while (at_ < text_.size()) {
            char c = text_[at_];
            if (c == '"') {
                skip_text();
                continue;
            }
            ++at_;
            if (c == '{' || c == '[') ++depth;
            if ((c == '}' || c == ']') && --depth == 0) return;
        }
    }
    std::string_view text_;
    size_t at_ = 0;
};

Result<std::string_view> member(std::string_view object, std::string_view name) {
    Walker walker(object);
    if (walker.peek() == '{') {
        walker.skip();
        while (walker.peek() == '"') {
            bool wanted = equal_ignore_case(walker.name(), name);
            std::string_view value = walker.value();
            if (wanted) return value;
            if (walker.peek() == ',') walker.skip();
        }
    }
    return fail(Code::invalid, "{} does not stand there as such", name);
}

}  // namespace

Result<std::string_view> find_raw(std::string_view json, std::span<const std::string_view> path) {
    std::string_view out = json;
    for (std::string_view name : path) out = TRY(member(out, name));
    return out;
}

}  // namespace vouchsafe::attest
