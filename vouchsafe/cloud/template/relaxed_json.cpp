#include "vouchsafe/cloud/template/relaxed_json.h"

#include "vouchsafe/base/json.h"

namespace vouchsafe::cloud {

namespace {

constexpr JsonLimits kLimits{kMaxTemplateText, 64, 1 << 18};

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}
bool begins_name(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
}
bool continues_name(char c) {
    return begins_name(c) || (c >= '0' && c <= '9');
}

// Relaxer walks over a text once and writes what strict JSON has in its place.
class Relaxer {
  public:
    explicit Relaxer(std::string_view text) : text_(text) { out_.reserve(text.size() + 16); }

    Result<std::string> run() {
        while (at_ < text_.size()) TRY(step());
        return std::move(out_);
    }

  private:
    Result<void> step() {
        const char c = text_[at_];
        if (c == '"') return copy_text();
        if (comment_ahead(at_)) return skip_comment(at_);
        if (c == ',') return copy_comma();
        if (begins_name(c)) return copy_word();
        out_ += c;
        ++at_;
        return {};
    }

    bool comment_ahead(size_t at) const {
        return at + 1 < text_.size() && text_[at] == '/' &&
               (text_[at + 1] == '/' || text_[at + 1] == '*');
    }

    Result<void> skip_comment(size_t& at) const {
        const bool line = text_[at + 1] == '/';
        const size_t end = text_.find(line ? "\n" : "*/", at + 2);
        if (end == std::string_view::npos && !line) {
            return fail(Code::invalid, "the comment at byte {} does not end", at);
        }
        at = end == std::string_view::npos ? text_.size() : end + (line ? 1 : 2);
        return {};
    }

    // ahead is where the next thing is that is neither space nor comment.
    Result<size_t> ahead(size_t at) const {
        while (at < text_.size()) {
            if (comment_ahead(at)) {
                TRY(skip_comment(at));
            } else if (is_space(text_[at])) {
                ++at;
            } else {
                break;
            }
        }
        return at;
    }

    Result<void> copy_text() {
        const size_t start = at_;
        out_ += text_[at_++];
        for (; at_ < text_.size(); ++at_) {
            const char c = text_[at_];
            if (c == '\n') {
                out_ += "\\n";
            } else if (c == '\r') {
                out_ += "\\r";
            } else if (c == '\t') {
                out_ += "\\t";
            } else {
                out_ += c;
            }
            if (c == '\\' && at_ + 1 < text_.size()) {
                out_ += text_[++at_];
            } else if (c == '"') {
                ++at_;
                return {};
            }
        }
        return fail(Code::invalid, "the text at byte {} does not end", start);
    }

    // A comma behind a value, with nothing behind it but a closing bracket, goes away.
    Result<void> copy_comma() {
        const size_t next = TRY(ahead(at_ + 1));
        const size_t before = out_.find_last_not_of(" \t\r\n");
        const bool first = before == std::string::npos ||
                           std::string_view("{[,:").find(out_[before]) != std::string_view::npos;
        const bool last = next < text_.size() && (text_[next] == '}' || text_[next] == ']');
        if (first || !last) out_ += ',';
        ++at_;
        return {};
    }

    // A word with a colon behind it is a member's name; other words are true, false, null, or
    // nothing that JSON knows.
    Result<void> copy_word() {
        const size_t start = at_;
        while (at_ < text_.size() && continues_name(text_[at_])) ++at_;
        const std::string_view word = text_.substr(start, at_ - start);
        const size_t next = TRY(ahead(at_));
        const bool name = next < text_.size() && text_[next] == ':';
        const bool after_number = start > 0 && text_[start - 1] >= '0' && text_[start - 1] <= '9';
        if (name && !after_number) {
            out_ += '"';
            out_ += word;
            out_ += '"';
        } else {
            out_ += word;
        }
        return {};
    }

    std::string_view text_;
    size_t at_ = 0;
    std::string out_;
};

}  // namespace

Result<std::string> to_strict_json(std::string_view text) {
    if (text.size() > kMaxTemplateText) {
        return fail(Code::invalid, "more than {} bytes", kMaxTemplateText);
    }
    return Relaxer(text).run();
}

Result<Json> parse_relaxed_json_object(std::string_view text) {
    return parse_json_object(TRY(to_strict_json(text)), kLimits);
}

}  // namespace vouchsafe::cloud
