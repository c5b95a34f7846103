// Rotation policies (azure-api A.6): when a key gets a new version by itself, and how long versions
// last. Pure: what a policy says, and when it falls due.
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::vault {

// Period is an ISO 8601 duration of years, months, weeks and days: "P1Y6M", "P90D". Azure's
// policies have no times of day.
class Period {
  public:
    // parse fails with Code::invalid for anything else, nothing at all, and over 100 years.
    static Result<Period> parse(std::string_view text);

    std::string text() const;  // without what is zero
    // days counts years as 365 and months as 30: to compare periods with the limits of policies.
    int64_t days() const;
    // after and before move by the calendar: P1M after January 31 is the last day of February.
    Time after(Time time) const;
    Time before(Time time) const;
    bool operator==(const Period&) const = default;

  private:
    Time moved(Time time, int sign) const;
    int years_ = 0, months_ = 0, weeks_ = 0, days_ = 0;
};

struct LifetimeTrigger {
    enum class From { creation, expiry } from = From::creation;
    Period period;
    bool operator==(const LifetimeTrigger&) const = default;
};

struct RotationPolicy {
    std::optional<LifetimeTrigger> rotate;
    std::optional<LifetimeTrigger> notify;  // kept and shown; who would be told is not there
    std::optional<Period> expiry;           // of new versions
    int64_t created = 0;                    // seconds since 1970
    int64_t updated = 0;
    bool operator==(const RotationPolicy&) const = default;
};

// parse_rotation_policy reads a request's body or what encode_rotation_policy wrote; created and
// updated are read where they are. Code::invalid for what the rules forbid: one trigger per action,
// one Rotate and one Notify; expiryTime of 28 days at least; rotation 7 days or more after creation
// and before expiry; before expiry only where there is an expiryTime.
Result<RotationPolicy> parse_rotation_policy(const Json& json);
// encode_rotation_policy gives lifetimeActions and attributes; the caller adds `id`.
Json encode_rotation_policy(const RotationPolicy& policy);
// default_rotation_policy is what a key without one shows: a notice 30 days before expiry.
RotationPolicy default_rotation_policy();

// rotation_due is when a version made and expiring at these times is to be replaced, 7 days after
// it was made at the earliest; nullopt if never.
std::optional<Time> rotation_due(const RotationPolicy& policy, Time created,
                                 std::optional<Time> expires);

}  // namespace vouchsafe::vault
