#include "vouchsafe/vault/keys/rotation_policy.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::vault {

namespace {

constexpr int64_t kMaxDays = 100 * 365;
constexpr int64_t kMinExpiryDays = 28;
constexpr int64_t kMinRotationDays = 7;  // after creation, and before expiry
constexpr size_t kMaxActions = 2;        // one Rotate, one Notify

tl::unexpected<Error> no_period(std::string_view text) {
    return fail(Code::invalid, "{} is no duration like P90D, P6M or P1Y, of 1 day to 100 years",
                show_json(std::string(text)));
}

// policy_member takes null for absent, as Azure's clients send it.
const Json* policy_member(const Json& object, std::string_view name) {
    const Json* found = find_member_ignore_case(object, name);
    return found == nullptr || found->is_null() ? nullptr : found;
}

Result<std::optional<Period>> period_member(const Json& object, std::string_view name) {
    const Json* found = policy_member(object, name);
    if (found == nullptr) return std::optional<Period>();
    if (!found->is_string()) return fail(Code::invalid, "{} must be a string", name);
    return std::optional(TRY(with_context(Period::parse(found->get<std::string>()), name)));
}

Result<LifetimeTrigger> parse_trigger(const Json& action) {
    const Json* trigger = policy_member(action, "trigger");
    if (trigger == nullptr || !trigger->is_object()) {
        return fail(Code::invalid, "a lifetime action needs a trigger");
    }
    const auto created = TRY(period_member(*trigger, "timeAfterCreate"));
    const auto expiry = TRY(period_member(*trigger, "timeBeforeExpiry"));
    if (created.has_value() == expiry.has_value()) {
        return fail(Code::invalid,
                    "a trigger has either timeAfterCreate or timeBeforeExpiry, and one of them");
    }
    if (created) return LifetimeTrigger{LifetimeTrigger::From::creation, *created};
    return LifetimeTrigger{LifetimeTrigger::From::expiry, *expiry};
}

Result<void> parse_action(const Json& json, RotationPolicy& policy) {
    if (!json.is_object()) return fail(Code::invalid, "a lifetime action must be an object");
    const Json* action = policy_member(json, "action");
    const Json* type = action == nullptr ? nullptr : policy_member(*action, "type");
    const std::string name = type != nullptr && type->is_string() ? type->get<std::string>() : "";
    const bool rotate = equal_ignore_case(name, "Rotate");
    if (!rotate && !equal_ignore_case(name, "Notify")) {
        return fail(Code::invalid, "the type of an action is Rotate or Notify");
    }
    auto& place = rotate ? policy.rotate : policy.notify;
    if (place) return fail(Code::invalid, "a policy has one {} action at most", name);
    place = TRY(parse_trigger(json));
    return {};
}

Result<void> check_rotation(const RotationPolicy& policy) {
    if (policy.expiry && policy.expiry->days() < kMinExpiryDays) {
        return fail(Code::invalid, "expiryTime is {} days at least", kMinExpiryDays);
    }
    if (!policy.rotate) return {};
    const int64_t days = policy.rotate->period.days();
    const bool before_expiry = policy.rotate->from == LifetimeTrigger::From::expiry;
    if (before_expiry && !policy.expiry) {
        return fail(Code::invalid, "to rotate before expiry a policy needs an expiryTime");
    }
    if (days < kMinRotationDays) {
        return fail(Code::invalid,
                    "a key is rotated {} days or more after its creation or before its expiry",
                    kMinRotationDays);
    }
    if (policy.expiry && policy.expiry->days() - days < kMinRotationDays) {
        return fail(Code::invalid,
                    "expiryTime leaves less than {} days between rotation and {} of a version",
                    kMinRotationDays, before_expiry ? "creation" : "expiry");
    }
    return {};
}

Result<int64_t> time_member(const Json& attributes, std::string_view name) {
    const Json* found = policy_member(attributes, name);
    if (found == nullptr) return 0;
    return json_integer({{std::string(name), *found}}, name);
}

Json encode_action(const LifetimeTrigger& trigger, const char* type) {
    const char* name =
        trigger.from == LifetimeTrigger::From::creation ? "timeAfterCreate" : "timeBeforeExpiry";
    return {{"trigger", {{name, trigger.period.text()}}}, {"action", {{"type", type}}}};
}

}  // namespace

Result<Period> Period::parse(std::string_view text) {
    const std::string_view whole = text;
    if (!text.starts_with('P') || text.size() < 3) return no_period(whole);
    text.remove_prefix(1);
    Period out;
    std::string_view units = "YMWD";  // in this order, each once
    while (!text.empty()) {
        int number = 0;
        const char* end = text.data() + std::min<size_t>(text.size(), 5);
        auto [stop, error] = std::from_chars(text.data(), end, number);
        if (error != std::errc() || number < 0 || text[0] == '-' || stop == end) {
            return no_period(whole);
        }
        const size_t unit = units.find(*stop);
        if (unit == std::string_view::npos) return no_period(whole);
        (*stop == 'Y'   ? out.years_
         : *stop == 'M' ? out.months_
         : *stop == 'W' ? out.weeks_
                        : out.days_) = number;
        units.remove_prefix(unit + 1);
        text.remove_prefix(static_cast<size_t>(stop - text.data()) + 1);
    }
    if (out.days() < 1 || out.days() > kMaxDays) return no_period(whole);
    return out;
}

std::string Period::text() const {
    std::string out = "P";
    for (const auto& [count, unit] :
         {std::pair(years_, 'Y'), {months_, 'M'}, {weeks_, 'W'}, {days_, 'D'}}) {
        if (count != 0) out += fmt::format("{}{}", count, unit);
    }
    return out;
}

int64_t Period::days() const {
    return int64_t{years_} * 365 + int64_t{months_} * 30 + int64_t{weeks_} * 7 + days_;
}

Time Period::moved(Time time, int sign) const {
    using namespace std::chrono;
    const sys_days day = floor<std::chrono::days>(time);
    year_month_day date(day);
    date += years(sign * years_);
    date += months(sign * months_);
    if (!date.ok()) date = date.year() / date.month() / last;
    return sys_days(date) + std::chrono::days(sign * (weeks_ * 7 + days_)) + (time - day);
}

Time Period::after(Time time) const {
    return moved(time, 1);
}

Time Period::before(Time time) const {
    return moved(time, -1);
}

Result<RotationPolicy> parse_rotation_policy(const Json& json) {
    if (!json.is_object()) return fail(Code::invalid, "a rotation policy must be an object");
    RotationPolicy out;
    if (const Json* actions = policy_member(json, "lifetimeActions")) {
        if (!actions->is_array() || actions->size() > kMaxActions) {
            return fail(Code::invalid, "lifetimeActions must be a list of at most {} actions",
                        kMaxActions);
        }
        for (const Json& action : *actions) TRY(parse_action(action, out));
    }
    if (const Json* attributes = policy_member(json, "attributes")) {
        if (!attributes->is_object()) return fail(Code::invalid, "attributes must be an object");
        out.expiry = TRY(period_member(*attributes, "expiryTime"));
        out.created = TRY(time_member(*attributes, "created"));
        out.updated = TRY(time_member(*attributes, "updated"));
    }
    TRY(check_rotation(out));
    return out;
}

Json encode_rotation_policy(const RotationPolicy& policy) {
    Json actions = Json::array();
    if (policy.rotate) actions.push_back(encode_action(*policy.rotate, "Rotate"));
    if (policy.notify) actions.push_back(encode_action(*policy.notify, "Notify"));
    Json attributes = Json::object();
    if (policy.expiry) attributes["expiryTime"] = policy.expiry->text();
    if (policy.created != 0) attributes["created"] = policy.created;
    if (policy.updated != 0) attributes["updated"] = policy.updated;
    return {{"lifetimeActions", std::move(actions)}, {"attributes", std::move(attributes)}};
}

RotationPolicy default_rotation_policy() {
    RotationPolicy out;
    out.notify = LifetimeTrigger{LifetimeTrigger::From::expiry, MUST(Period::parse("P30D"))};
    return out;
}

std::optional<Time> rotation_due(const RotationPolicy& policy, Time created,
                                 std::optional<Time> expires) {
    if (!policy.rotate) return std::nullopt;
    if (policy.rotate->from == LifetimeTrigger::From::creation) {
        return policy.rotate->period.after(created);
    }
    if (!expires) return std::nullopt;
    // Months are not all of 30 days: never so early that each new version would be due at once.
    return std::max(policy.rotate->period.before(*expires),
                    created + Seconds(kMinRotationDays * 24 * 3600));
}

}  // namespace vouchsafe::vault
