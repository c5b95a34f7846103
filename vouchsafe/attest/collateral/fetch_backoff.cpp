#include "vouchsafe/attest/collateral/fetch_backoff.h"

#include <algorithm>

namespace vouchsafe::attest {

namespace {

// Platforms that a vendor does not know, remembered at once: more than there are genuine ones.
constexpr size_t kMaxFailing = 256;

}  // namespace

std::string FetchBackoff::service_of(const CollateralName& name) const {
    auto url = net::Url::parse(url_of(name, config_));
    return url ? url->origin() : "";
}

const std::string* FetchBackoff::blocked(const CollateralName& name, Time now) const {
    auto service = services_.find(service_of(name));
    if (service != services_.end() && service->second.blocks(now)) return &service->second.problem;
    auto piece = pieces_.find(name);
    return piece != pieces_.end() && piece->second.blocks(now) ? &piece->second.problem : nullptr;
}

bool FetchBackoff::has_room(const CollateralName& name, Time now) {
    if (pieces_.size() < kMaxFailing || pieces_.contains(name)) return true;
    std::erase_if(pieces_, [&](const auto& entry) { return !entry.second.blocks(now); });
    return pieces_.size() < kMaxFailing;
}

void FetchBackoff::failed(const CollateralName& name, const FetchOutcome& outcome, Time now) {
    constexpr unsigned kMaxDoublings = 16;
    Failure& failure = outcome.whole_service ? services_[service_of(name)] : pieces_[name];
    auto doubled = config_.retry * (int64_t{1} << std::min(failure.count, kMaxDoublings));
    failure.wait = std::min<Seconds>(doubled, config_.max_retry);
    if (outcome.wait) {
        failure.wait = std::clamp(*outcome.wait, std::min(config_.retry, config_.max_retry_after),
                                  config_.max_retry_after);
    }
    ++failure.count;
    failure.tried = now;
    failure.problem = outcome.piece.error().message;
}

void FetchBackoff::succeeded(const CollateralName& name) {
    services_.erase(service_of(name));
    pieces_.erase(name);
}

std::map<std::string, std::string> FetchBackoff::failing() const {
    std::map<std::string, std::string> out;
    for (const auto& [name, failure] : pieces_) out[name.text()] = failure.problem;
    for (const auto& [origin, failure] : services_) out[origin] = failure.problem;
    return out;
}

}  // namespace vouchsafe::attest
