// Functions of dates. Formats are .NET's, in its invariant culture; durations count a year as 365
// days and a month as 30, as XML's durations become time spans there.
#include <charconv>
#include <chrono>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kDays[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                      "Thursday", "Friday", "Saturday"};
constexpr std::string_view kMonths[] = {"January",   "February", "March",    "April",
                                        "May",       "June",     "July",     "August",
                                        "September", "October",  "November", "December"};
constexpr int64_t kFirstTime = -62135596800, kLastTime = 253402300799;  // the years 1 to 9999

struct StandardFormat {
    char letter;
    std::string_view format;
};
// .NET, "Standard date and time format strings".
constexpr StandardFormat kStandardFormats[] = {
    {'d', "MM/dd/yyyy"},
    {'D', "dddd, dd MMMM yyyy"},
    {'f', "dddd, dd MMMM yyyy HH:mm"},
    {'F', "dddd, dd MMMM yyyy HH:mm:ss"},
    {'g', "MM/dd/yyyy HH:mm"},
    {'G', "MM/dd/yyyy HH:mm:ss"},
    {'m', "MMMM dd"},
    {'M', "MMMM dd"},
    {'o', "yyyy-MM-ddTHH:mm:ss.fffffffK"},
    {'O', "yyyy-MM-ddTHH:mm:ss.fffffffK"},
    {'r', "ddd, dd MMM yyyy HH:mm:ss 'GMT'"},
    {'R', "ddd, dd MMM yyyy HH:mm:ss 'GMT'"},
    {'s', "yyyy-MM-ddTHH:mm:ss"},
    {'t', "HH:mm"},
    {'T', "HH:mm:ss"},
    {'u', "yyyy-MM-dd HH:mm:ss'Z'"},
    {'U', "dddd, dd MMMM yyyy HH:mm:ss"},
    {'y', "yyyy MMMM"},
    {'Y', "yyyy MMMM"},
};

// DateParts is a time in UTC, taken apart.
struct DateParts {
    std::chrono::year_month_day date;
    std::chrono::hh_mm_ss<Seconds> time;
    unsigned weekday;

    explicit DateParts(int64_t at)
        : date(std::chrono::floor<std::chrono::days>(from_unix(at))),
          time(from_unix(at) - std::chrono::floor<std::chrono::days>(from_unix(at))),
          weekday(std::chrono::weekday(std::chrono::sys_days(date)).c_encoding()) {}
};

std::string digits_of(int64_t number, size_t width) {
    return fmt::format("{:0{}}", number, width);
}
// named: one or two letters are a number, three its short name, more the whole.
std::string named(int64_t number, std::string_view name, size_t letters) {
    if (letters < 3) return digits_of(number, letters);
    return std::string(letters == 3 ? name.substr(0, 3) : name);
}

// format_part writes what a letter that stands there so often means; nothing for a letter without
// meaning.
std::optional<std::string> format_part(const DateParts& parts, char letter, size_t count) {
    const int64_t year = int{parts.date.year()};
    const unsigned month{parts.date.month()}, day{parts.date.day()};
    const int64_t hour = parts.time.hours().count();
    const size_t two = std::min<size_t>(count, 2);
    switch (letter) {
        case 'y':
            return count < 3 ? digits_of(year % 100, count) : digits_of(year, count);
        case 'M':
            return named(month, kMonths[month - 1], count);
        case 'd':
            return named(day, kDays[parts.weekday], count);
        case 'H':
            return digits_of(hour, two);
        case 'h':
            return digits_of(hour % 12 == 0 ? 12 : hour % 12, two);
        case 'm':
            return digits_of(parts.time.minutes().count(), two);
        case 's':
            return digits_of(parts.time.seconds().count(), two);
        case 'f':
            return std::string(count, '0');
        case 'F':
            return "";
        case 't':
            return std::string(hour < 12 ? "AM" : "PM").substr(0, two);
        case 'g':
            return "A.D.";
        case 'K':
            return "Z";
        case 'z':
            return count == 1 ? "+0" : count == 2 ? "+00" : "+00:00";
        default:
            return std::nullopt;
    }
}

Result<std::string> format_custom(const DateParts& parts, std::string_view format) {
    constexpr size_t kMaxLetters = 16;  // of one kind in a row
    std::string out;
    for (size_t at = 0; at < format.size();) {
        const char letter = format[at];
        if (letter == '\'' || letter == '"') {
            const size_t end = format.find(letter, at + 1);
            if (end == std::string_view::npos)
                return wrong_type("a format whose quotes are closed");
            out += format.substr(at + 1, end - at - 1);
            at = end + 1;
        } else if (letter == '\\' || letter == '%') {
            if (++at == format.size()) return wrong_type("a format that does not end with '\\'");
            if (letter == '\\') out += format[at++];
        } else {
            size_t count = 1;
            while (at + count < format.size() && format[at + count] == letter) ++count;
            if (count > kMaxLetters) return wrong_type("a format of .NET");
            std::optional<std::string> part = format_part(parts, letter, count);
            out += part ? *part : std::string(count, letter);
            at += count;
        }
    }
    return out;
}

// Base is a time as it was written.
struct BaseTime {
    int64_t time = 0;
    std::string_view format;  // of how it was
};

// parse_base takes the forms of ISO 8601 that utcNow and other functions write. A time without a
// zone is UTC.
Result<BaseTime> parse_base(std::string text) {
    constexpr std::string_view kCompact = "yyyyMMddTHHmmssZ";
    const bool compact = text.size() == kCompact.size() && text[8] == 'T' && text[15] == 'Z';
    if (compact) {
        for (size_t at : {13, 11}) text.insert(at, ":");
        for (size_t at : {6, 4}) text.insert(at, "-");
    }
    constexpr size_t kDate = 10, kNoZone = 19;
    if (text.size() == kNoZone) text += "Z";
    Result<Time> time = parse_rfc3339(text);
    if (!time) return fail(Code::invalid, "'{}' is no time in a form of ISO 8601", text);
    const int64_t at = to_unix(*time);
    if (compact) return BaseTime{at, "yyyyMMddTHHmmssZ"};
    if (text.size() == kDate) return BaseTime{at, "yyyy-MM-dd"};
    // What utcNow('u') gives comes back in this form.
    if (text[kDate] == ' ') return BaseTime{at, "M/d/yyyy h:mm:ss tt"};
    return BaseTime{at, "yyyy-MM-ddTHH:mm:ssZ"};
}

tl::unexpected<Error> no_duration(std::string_view text) {
    return fail(Code::invalid, "'{}' is no duration like P1Y2M3DT4H5M6S", text);
}

// parse_duration returns seconds: "-P3DT4H".
Result<int64_t> parse_duration(std::string_view text) {
    struct Unit {
        char letter;
        int64_t seconds;
        bool of_day;
    };
    constexpr int64_t kDay = 86400;
    constexpr Unit kUnits[] = {{'Y', 365 * kDay, false}, {'M', 30 * kDay, false},
                               {'D', kDay, false},       {'H', 3600, true},
                               {'M', 60, true},          {'S', 1, true}};
    std::string_view rest = text;
    const bool negative = rest.starts_with('-');
    if (negative) rest.remove_prefix(1);
    if (!rest.starts_with('P')) return no_duration(text);
    rest.remove_prefix(1);
    bool of_day = false, any = false;
    int64_t out = 0;
    const Unit* next = std::begin(kUnits);
    while (!rest.empty()) {
        if (rest.front() == 'T' && !of_day) {
            of_day = true;
            any = false;  // something must follow
            rest.remove_prefix(1);
            continue;
        }
        int32_t number = 0;
        auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (error != std::errc() || number < 0 || end == rest.data() + rest.size()) {
            return no_duration(text);
        }
        next = std::find_if(next, std::end(kUnits), [&](const Unit& unit) {
            return unit.letter == *end && unit.of_day == of_day;
        });
        if (next == std::end(kUnits)) return no_duration(text);
        out += number * next++->seconds;
        any = true;
        rest.remove_prefix(static_cast<size_t>(end - rest.data()) + 1);
    }
    if (!any) return no_duration(text);
    return negative ? -out : out;
}

Result<Json> date_time_add(const Arguments& arguments, const Bindings&) {
    const BaseTime base = TRY(parse_base(TRY(text_at(arguments, 0))));
    const int64_t duration = TRY(parse_duration(TRY(text_at(arguments, 1))));
    const std::string format =
        arguments.size() > 2 ? TRY(text_at(arguments, 2)) : std::string(base.format);
    return Json(TRY(format_date(base.time + duration, format)));
}
Result<Json> date_time_from_epoch(const Arguments& arguments, const Bindings&) {
    return Json(TRY(format_date(TRY(number_at(arguments, 0)), "yyyy-MM-ddTHH:mm:ssZ")));
}
Result<Json> date_time_to_epoch(const Arguments& arguments, const Bindings&) {
    return Json(TRY(parse_base(TRY(text_at(arguments, 0)))).time);
}

Result<Json> utc_now(const Arguments& arguments, const Bindings& bindings) {
    if (!bindings.defaults) return fail(Code::invalid, "it works for default values alone");
    if (arguments.empty()) return Json(bindings.place->now);
    const BaseTime now = TRY(parse_base(bindings.place->now));
    return Json(TRY(format_date(now.time, TRY(text_at(arguments, 0)))));
}

// By name in lower case, sorted.
constexpr Function kDateFunctions[] = {
    {"datetimeadd", 2, 3, date_time_add},
    {"datetimefromepoch", 1, 1, date_time_from_epoch},
    {"datetimetoepoch", 1, 1, date_time_to_epoch},
    {"utcnow", 0, 1, utc_now},
};

}  // namespace

Result<std::string> format_date(int64_t time, std::string_view format) {
    if (time < kFirstTime || time > kLastTime) {
        return fail(Code::invalid, "the time is not within the years 1 to 9999");
    }
    if (format.empty()) return wrong_type("a format of .NET");
    if (format.size() > 1) return format_custom(DateParts(time), format);
    for (const StandardFormat& row : kStandardFormats) {
        if (row.letter == format[0]) return format_custom(DateParts(time), row.format);
    }
    return fail(Code::invalid, "there is no standard format '{}'", show_json(Json(format)));
}

std::span<const Function> date_functions() {
    return kDateFunctions;
}

}  // namespace vouchsafe::cloud
