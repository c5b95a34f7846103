// The log: one line per event, text on a terminal's stderr or JSON lines. Field values are plain
// text, numbers or booleans; a secret type does not convert to a field, so it cannot be logged.
#pragma once

#include <concepts>
#include <initializer_list>
#include <string>
#include <string_view>

namespace vouchsafe {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

struct LogField {
    LogField(std::string_view field, std::string_view text)
        : name(field), value(text), quoted(true) {}
    LogField(std::string_view field, const char* text) : LogField(field, std::string_view(text)) {}
    LogField(std::string_view field, const std::string& text)
        : LogField(field, std::string_view(text)) {}
    LogField(std::string_view field, bool flag)
        : name(field), value(flag ? "true" : "false"), quoted(false) {}
    template <std::integral T>
    LogField(std::string_view field, T number)
        : name(field), value(std::to_string(number)), quoted(false) {}

    std::string name;
    std::string value;
    bool quoted;
};

// set_log chooses level and format for the process; the default is warn, text. Call before threads.
void set_log(LogLevel level, LogFormat format);

// log_event writes one line to stderr. Thread-safe. Control characters in values are escaped.
void log_event(LogLevel level, std::string_view message,
               std::initializer_list<LogField> fields = {});

}  // namespace vouchsafe
