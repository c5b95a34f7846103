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

}  // namespace

void set_log(LogLevel level, LogFormat format) {
    g_format = format;
    logger().set_level(to_spdlog(level));
}

void log_event(LogLevel level, std::string_view message, std::initializer_list<LogField> fields) {
    if (!logger().should_log(to_spdlog(level))) return;
    std::string time = format_rfc3339(SystemClock().now());
    std::string line;
    if (g_format == LogFormat::json) {
        line = fmt::format(R"({{"time":"{}","level":"{}","message":{})", time, level_name(level),
                           dump_json(Json(message)));
        for (const LogField& field : fields) {
            line += fmt::format(",{}:{}", dump_json(Json(field.name)),
                                field.quoted ? dump_json(Json(field.value)) : field.value);
        }
        line += '}';
    } else {
        line = fmt::format("{} {:5} {}", time, level_name(level), message);
        for (const LogField& field : fields) {
            bool plain = field.value.find_first_of(" \"\\\n\r\t") == std::string::npos &&
                         !field.value.empty();
            line += fmt::format(" {}={}", field.name,
                                plain ? field.value : dump_json(Json(field.value)));
        }
    }
    logger().log(to_spdlog(level), line);
}

}  // namespace vouchsafe
