#include "vouchsafe/base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe {

namespace {

std::atomic<LogFormat> g_format{LogFormat::text};

spdlog::logger& logger() {
    static auto* instance = [] {
        auto* made =
            new spdlog::logger("vouchsafe", std::make_shared<spdlog::sinks::stderr_sink_mt>());
        made->set_pattern("%v");
        made->set_level(spdlog::level::warn);
        made->flush_on(spdlog::level::debug);
        return made;
    }();
    return *instance;
}

spdlog::level::level_enum to_spdlog(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return spdlog::level::debug;
        case LogLevel::info:
            return spdlog::level::info;
        case LogLevel::warn:
            return spdlog::level::warn;
        case LogLevel::error:
            return spdlog::level::err;
    }
    return spdlog::level::err;
}

std::string_view level_name(LogLevel level) {
    switch (level) {
        case LogLevel::debug:
            return "debug";
        case LogLevel::info:
            return "info";
        case LogLevel::warn:
            return "warn";
        case LogLevel::error:
            return "error";
    }
    return "error";
}

// Lines are appended to, not formatted: each request writes one.
constexpr size_t kUsualLine = 320;  // characters
using Fields = std::initializer_list<LogField>;

std::string json_line(std::string_view time, LogLevel level, std::string_view message,
                      Fields fields) {
    std::string line;
    line.reserve(kUsualLine);
    line.append("{\"time\":\"").append(time).append("\",\"level\":\"");
    line.append(level_name(level)).append("\",\"message\":");
    append_json_text(line, message);
    for (const LogField& field : fields) {
        line += ',';
        append_json_text(line, field.name);
        line += ':';
        if (field.quoted) {
            append_json_text(line, field.value);
        } else {
            line += field.value;
        }
    }
    line += '}';
    return line;
}

std::string text_line(std::string_view time, LogLevel level, std::string_view message,
                      Fields fields) {
    constexpr size_t kLevelWidth = 5;
    const std::string_view name = level_name(level);
    std::string line;
    line.reserve(kUsualLine);
    line.append(time).append(" ").append(name).append(kLevelWidth - name.size() + 1, ' ');
    line.append(message);
    for (const LogField& field : fields) {
        line.append(" ").append(field.name).append("=");
        const bool plain =
            field.value.find_first_of(" \"\\\n\r\t") == std::string::npos && !field.value.empty();
        if (plain) {
            line += field.value;
        } else {
            append_json_text(line, field.value);
        }
    }
    return line;
}

}  // namespace

void set_log(LogLevel level, LogFormat format) {
    g_format = format;
    logger().set_level(to_spdlog(level));
}

void log_event(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (!logger().should_log(to_spdlog(level))) return;
    const std::string time = format_rfc3339(SystemClock().now());
    const std::string line = g_format == LogFormat::json ? json_line(time, level, message, fields)
                                                         : text_line(time, level, message, fields);
    logger().log(to_spdlog(level), line);
}

}  // namespace vouchsafe
