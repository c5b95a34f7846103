// How many requests a service answers in a while: token buckets per address, per principal and per
// vault. What is over them is answered with 429 and Retry-After, before any work that costs.
//
// Who is not known yet is counted by address, who is known by principal, and a vault only has to
// bear what authorized callers ask of it. So a flood of strangers, or of one caller, empties its
// own buckets and nobody else's.
#pragma once

#include <array>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/net/message.h"

namespace vouchsafe::net {

// LimitScope is what requests are counted by. `service` is one vault or one attestation provider.
enum class LimitScope { address, principal, service };
std::string_view limit_scope_name(LimitScope scope);  // for metrics

// RateSettings are requests per second; 0: no limit. Ten times as many may come at once after a
// while without any: clients come in bursts, and a fleet that starts does.
struct RateSettings {
    // Requests of strangers: those without a token, or with one that does not hold, and evidence.
    // A fleet of 2,000 machines behind one address can start within a second.
    unsigned address = 200;
    // More than a worker of the largest machine does; Azure allows 400 a second in all of a vault.
    unsigned principal = 5000;
    // As a guard against a caller with many identities.
    unsigned service = 20000;
};
inline constexpr unsigned kBurstSeconds = 10;

// Throttled is a request that is over a limit.
struct Throttled {
    LimitScope scope = LimitScope::address;
    Seconds retry_after{1};  // at least 1
};

// throttled_response is 429 in Azure's form, code "Throttled", with Retry-After and the client's id
// of `request`, which no router may have seen.
Response throttled_response(const Throttled& throttled, const Request& request);

// RateLimits is thread-safe. It counts in one process: each replica has its own.
class RateLimits {
  public:
    using Instant = std::chrono::steady_clock::time_point;

    // `on_throttled` is told each request that is over a limit; by any thread. `now` is for tests.
    explicit RateLimits(
        RateSettings settings, std::function<void(LimitScope)> on_throttled = nullptr,
        std::function<Instant()> now = [] { return std::chrono::steady_clock::now(); });

    // take counts a request under `name`, unless it is over the limit; those do not count. Names
    // are the caller's; of addresses, IPv6 counts by its /64.
    std::optional<Throttled> take(LimitScope scope, std::string_view name);

  private:
    struct Bucket {
        double left = 0;
        Instant at{};  // when `left` was right
    };
    // Buckets holds those that are not full, and at most so many. Where there are more at once, the
    // others share one.
    struct Buckets {
        std::mutex mutex;
        double rate = 0;
        std::map<std::string, Bucket, std::less<>> by_name;
        Instant swept{};
    };
    static constexpr size_t kMaxBuckets = 20'000;

    Bucket& find(Buckets& buckets, std::string_view name, Instant now) const;

    const std::function<void(LimitScope)> on_throttled_;
    const std::function<Instant()> now_;
    std::array<Buckets, 3> buckets_;
};

// address_place is what an address is counted as: an IPv6 address as its /64, for whoever has one
// has them all; others as they are.
std::string address_place(std::string_view address);

}  // namespace vouchsafe::net
