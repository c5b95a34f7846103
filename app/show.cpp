#include "app/show.h"

#include <unistd.h>

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
    line("field", check.field);
    line("expected", check.expected);
    line("found", check.found);
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
            check.code, check.field, check.found);
    }
    return out;
}

void show_error(const Context& context, const Error& error) {
    if (context.json) {
        write_err(dump_json(Json{{"error", error_to_json(error)}}) + "\n");
        return;
    }
    std::string out = fmt::format("vouchsafe: {}\n", error.message);
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
