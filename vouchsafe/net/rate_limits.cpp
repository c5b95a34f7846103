#include "vouchsafe/net/rate_limits.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cmath>

#include "vouchsafe/net/request_id.h"

namespace vouchsafe::net {

namespace {

constexpr std::string_view kSharedName = "*";  // no address, principal or vault is called so

double full(double rate) {
    return rate * kBurstSeconds;
}

double filled(double left, double rate, RateLimits::Instant since, RateLimits::Instant now) {
    const double seconds = std::chrono::duration<double>(now - since).count();
    return std::min(full(rate), left + std::max(0.0, seconds) * rate);
}

}  // namespace

std::string_view limit_scope_name(LimitScope scope) {
    constexpr std::array<std::string_view, 3> kNames = {"address", "principal", "service"};
    return kNames.at(static_cast<size_t>(scope));
}

Response throttled_response(const Throttled& throttled, const Request& request) {
    const auto seconds = throttled.retry_after.count();
    Response response = error_response(
        429, "Throttled",
        fmt::format("Request was not processed because too many requests were received. "
                    "Retry after {} s.",
                    seconds));
    response.headers.set("Retry-After", std::to_string(seconds));
    echo_client_id(request.headers, response);
    return response;
}

RateLimits::RateLimits(RateSettings settings, std::function<void(LimitScope)> on_throttled,
                       std::function<Instant()> now)
    : on_throttled_(std::move(on_throttled)), now_(std::move(now)) {
    buckets_[static_cast<size_t>(LimitScope::address)].rate = settings.address;
    buckets_[static_cast<size_t>(LimitScope::principal)].rate = settings.principal;
    buckets_[static_cast<size_t>(LimitScope::service)].rate = settings.service;
}

RateLimits::Bucket& RateLimits::find(Buckets& buckets, std::string_view name, Instant now) const {
    auto& known = buckets.by_name;
    if (auto found = known.find(name); found != known.end()) return found->second;
    // A full bucket is as good as none. Looking for them costs time: once a second is enough.
    if (known.size() >= kMaxBuckets && now - buckets.swept > Seconds{1}) {
        buckets.swept = now;
        std::erase_if(known, [&](const auto& one) {
            const auto& [left, at] = one.second;
            return filled(left, buckets.rate, at, now) >= full(buckets.rate);
        });
    }
    const bool room = known.size() < kMaxBuckets;
    const Bucket fresh{full(buckets.rate), now};
    return known.try_emplace(std::string(room ? name : kSharedName), fresh).first->second;
}

std::optional<Throttled> RateLimits::take(LimitScope scope, std::string_view name) {
    Buckets& buckets = buckets_.at(static_cast<size_t>(scope));
    if (buckets.rate == 0) return std::nullopt;
    const std::string key = scope == LimitScope::address ? address_place(name) : std::string(name);
    double left = 0;
    {
        std::lock_guard lock(buckets.mutex);
        const Instant now = now_();
        Bucket& bucket = find(buckets, key, now);
        bucket.left = filled(bucket.left, buckets.rate, bucket.at, now);
        bucket.at = now;
        left = bucket.left;
        if (left >= 1) bucket.left -= 1;
    }
    if (left >= 1) return std::nullopt;
    if (on_throttled_) on_throttled_(scope);
    const auto seconds = static_cast<int64_t>(std::ceil((1 - left) / buckets.rate));
    return Throttled{scope, Seconds{std::max<int64_t>(1, seconds)}};
}

std::string address_place(std::string_view address) {
    // A link-local address has its link behind it (RFC 4007, 11), and whoever is on a link may have
    // as many of them as he likes.
    const size_t zone = std::min(address.find('%'), address.size());
    const std::string text(address.substr(0, zone));
    std::array<uint8_t, 16> bytes{};
    if (::inet_pton(AF_INET6, text.c_str(), bytes.data()) != 1) return std::string(address);
    constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (std::equal(kMapped.begin(), kMapped.end(), bytes.begin())) return text;
    std::fill(bytes.begin() + 8, bytes.end(), uint8_t{0});
    std::array<char, INET6_ADDRSTRLEN> out{};
    ::inet_ntop(AF_INET6, bytes.data(), out.data(), out.size());
    return out.data() + std::string(address.substr(zone));
}

}  // namespace vouchsafe::net
