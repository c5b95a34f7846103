#include "app/show.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "vouchsafe/base/bytes.h"

namespace vouchsafe::app {

namespace {

std::string_view escape(Style style) {
    switch (style) {
        case Style::plain:
            return "";
        case Style::bold:
            return "\x1b[1m";
        case Style::dim:
            return "\x1b[2m";
        case Style::good:
            return "\x1b[32m";
        case Style::bad:
            return "\x1b[1;31m";
    }
    return "";
}

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        ssize_t count = ::write(fd, text.data(), text.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return;
        text.remove_prefix(static_cast<size_t>(count));
    }
}

}  // namespace

namespace {

// hidden returns the size of the character at the front of `text` if it is one that is not to reach
// a terminal: C0, DEL, C1 (U+0080 to U+009F), line separators and marks of direction (U+2028 to
// U+202E, U+2066 to U+2069); else 0.
size_t hidden(std::string_view text) {
    auto at = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
    if (at(0) < 0x20 || at(0) == 0x7f) return 1;
    if (at(0) == 0xc2 && at(1) >= 0x80 && at(1) <= 0x9f) return 2;
    if (at(0) != 0xe2) return 0;
    bool separator = at(1) == 0x80 && at(2) >= 0xa8 && at(2) <= 0xae;
    bool isolate = at(1) == 0x81 && at(2) >= 0xa6 && at(2) <= 0xa9;
    return separator || isolate ? 3 : 0;
}

}  // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        size_t size = hidden(text);
        for (size_t i = 0; i < size; ++i) {
            out += fmt::format("\\x{:02x}", static_cast<uint8_t>(text[i]));
        }
        if (size == 0) out += text[0];
        text = text.substr(std::max<size_t>(size, 1));
    }
    return out;
}

std::string styled(std::string_view text, Style style, bool color) {
    if (!color || style == Style::plain) return std::string(text);
    return fmt::format("{}{}\x1b[0m", escape(style), text);
}

void write_out(std::string_view text) {
    write_all(STDOUT_FILENO, text);
}
void write_err(std::string_view text) {
    write_all(STDERR_FILENO, text);
}

Json check_to_json(const Check& check) {
    Json json{{"code", check.code},
              {"field", check.field},
              {"expected", check.expected},
              {"found", check.found},
              {"passed", check.passed}};
    if (const CheckInfo* info = find_check_info(check.code); info != nullptr && !check.passed) {
        json["what"] = info->what;
        json["source"] = info->source;
        json["remedy"] = info->remedy;
    }
    return json;
}

Json error_to_json(const Error& error) {
    Json json{{"code", code_info(error.code).name}, {"message", error.message}};
    if (const Check* reason = error.reason()) json["check"] = check_to_json(*reason);
    if (!error.request_id.empty()) json["request_id"] = error.request_id;
    return json;
}

std::string describe_refusal(const Check& check, std::string_view indent, bool color) {
    std::string out;
    auto line = [&](std::string_view name, std::string_view value) {
        if (value.empty()) return;
        out += fmt::format("{}{}  {}\n", indent,
                           styled(fmt::format("{:<8}", name), Style::dim, color), value);
    };
    line("code", styled(check.code, Style::bad, color));
    line("field", printable(check.field));
    line("expected", printable(check.expected));
    line("found", printable(check.found));
    if (const CheckInfo* info = find_check_info(check.code)) {
        line("rule", fmt::format("{} ({})", info->what, info->source));
        line("remedy", info->remedy);
    }
    return out;
}

std::string describe_checks(const std::vector<Check>& checks, std::string_view indent, bool color) {
    std::string out;
    for (const Check& check : checks) {
        out += fmt::format(
            "{}{} {:<24} {}: {}\n", indent,
            check.passed ? styled("ok", Style::good, color) : styled("NO", Style::bad, color),
            check.code, printable(check.field), printable(check.found));
    }
    return out;
}

void show_error(const Context& context, const Error& error) {
    if (context.json) {
        write_err(dump_json(Json{{"error", error_to_json(error)}}) + "\n");
        return;
    }
    std::string out = fmt::format("{}: {}\n", context.program, printable(error.message));
    if (const Check* reason = error.reason()) {
        if (context.verbose && error.checks.size() > 1) {
            out += describe_checks(error.checks, "  ", context.color_err);
        }
        out += describe_refusal(*reason, "  ", context.color_err);
    }
    if (!error.request_id.empty()) {
        out += fmt::format("  request   {} (whoever runs the service finds every check under it)\n",
                           error.request_id);
    }
    write_err(out);
}

std::string wrapped(std::string_view text, std::string_view indent) {
    constexpr size_t kColumns = 80;
    std::string out;
    size_t column = 0;
    while (!text.empty()) {
        const std::string_view word = text.substr(0, text.find(' '));
        text.remove_prefix(std::min(word.size() + 1, text.size()));
        if (column > 0 && column + 1 + word.size() > kColumns) {
            out += '\n';
            column = 0;
        }
        out += column == 0 ? indent : " ";
        out += word;
        column += (column == 0 ? indent.size() : 1) + word.size();
    }
    return out + "\n";
}

std::string human_size(uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} bytes", bytes);
    double value = static_cast<double>(bytes);
    for (std::string_view unit : {"KiB", "MiB", "GiB"}) {
        value /= 1024;
        if (value < 1024) return fmt::format("{:.1f} {}", value, unit);
    }
    return fmt::format("{:.1f} TiB", value / 1024);
}

std::string human_time(double seconds) {
    if (seconds < 0.0095) return fmt::format("{:.1f} ms", seconds * 1e3);
    if (seconds < 0.995) return fmt::format("{:.0f} ms", seconds * 1e3);
    return fmt::format("{:.1f} s", seconds);
}

}  // namespace vouchsafe::app
