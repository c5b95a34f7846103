#include "vouchsafe/base/clock.h"

#include <charconv>
#include <optional>

namespace vouchsafe {

namespace {
std::optional<int> digits(std::string_view text, size_t at, size_t count) {
    if (at + count > text.size()) return std::nullopt;
    int value = 0;
    const char* begin = text.data() + at;
    auto [end, error] = std::from_chars(begin, begin + count, value);
    if (error != std::errc{} || end != begin + count || *begin == '-') return std::nullopt;
    return value;
}
}  // namespace

Time SystemClock::now() const {
    return std::chrono::floor<Seconds>(std::chrono::system_clock::now());
}

std::string format_rfc3339(Time time) {
    auto day = std::chrono::floor<std::chrono::days>(time);
    std::chrono::year_month_day date{day};
    std::chrono::hh_mm_ss clock{time - day};
    const int year = static_cast<int>(date.year());
    // Verified certificates and audit entries say many times, and digits are quicker than a format.
    std::string out = "0000-00-00T00:00:00Z";
    const auto write = [&](size_t at, int64_t number) {
        out[at] = static_cast<char>('0' + number / 10);
        out[at + 1] = static_cast<char>('0' + number % 10);
    };
    write(5, static_cast<unsigned>(date.month()));
    write(8, static_cast<unsigned>(date.day()));
    write(11, clock.hours().count());
    write(14, clock.minutes().count());
    write(17, clock.seconds().count());
    if (year < 0 || year > 9999) return out.replace(0, 4, fmt::format("{:04}", year));
    write(0, year / 100);
    write(2, year % 100);
    return out;
}

Result<Time> parse_rfc3339(std::string_view text) {
    auto bad = [&] {
        return fail(Code::invalid, "'{}' is no time: write it like 2026-07-01T00:00:00Z", text);
    };
    auto year = digits(text, 0, 4);
    auto month = digits(text, 5, 2);
    auto day = digits(text, 8, 2);
    if (!year || !month || !day || text[4] != '-' || text[7] != '-') return bad();
    std::chrono::year_month_day date{std::chrono::year{*year},
                                     std::chrono::month{static_cast<unsigned>(*month)},
                                     std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return bad();
    Time time = std::chrono::sys_days{date};
    if (text.size() == 10) return time;

    auto hour = digits(text, 11, 2);
    auto minute = digits(text, 14, 2);
    auto second = digits(text, 17, 2);
    if (!hour || !minute || !second || text[13] != ':' || text[16] != ':') return bad();
    if (text[10] != 'T' && text[10] != 't' && text[10] != ' ') return bad();
    if (*hour > 23 || *minute > 59 || *second > 60) return bad();
    time += std::chrono::hours{*hour} + std::chrono::minutes{*minute} + Seconds{*second};

    std::string_view zone = text.substr(19);
    if (zone.starts_with('.')) {
        size_t end = zone.find_first_not_of("0123456789", 1);
        if (end == 1 || end == std::string_view::npos) return bad();
        zone = zone.substr(end);
    }
    if (zone == "Z" || zone == "z") return time;
    auto zone_hour = digits(zone, 1, 2);
    auto zone_minute = digits(zone, 4, 2);
    if (zone.size() != 6 || !zone_hour || !zone_minute || zone[3] != ':') return bad();
    if ((zone[0] != '+' && zone[0] != '-') || *zone_hour > 23 || *zone_minute > 59) return bad();
    auto offset = std::chrono::hours{*zone_hour} + std::chrono::minutes{*zone_minute};
    return zone[0] == '+' ? time - offset : time + offset;
}

}  // namespace vouchsafe
