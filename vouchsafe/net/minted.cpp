#include "vouchsafe/net/minted.h"

#include <algorithm>

#include "vouchsafe/net/tls_context.h"

namespace vouchsafe::net {

namespace {

constexpr std::chrono::hours kFresh{24};

}  // namespace

TlsContext Minted::find(const std::string& name, Instant now) {
    std::lock_guard lock(mutex_);
    auto found = kept_.find(name);
    if (found == kept_.end() || now - found->second.made >= kFresh) return nullptr;
    found->second.used = now;
    return found->second.context;
}

void Minted::keep(const std::string& name, TlsContext context, Instant now) {
    std::lock_guard lock(mutex_);
    kept_.insert_or_assign(name, Kept{std::move(context), now, now});
    if (kept_.size() <= most_) return;
    auto oldest = std::min_element(kept_.begin(), kept_.end(), [](const auto& a, const auto& b) {
        return a.second.used < b.second.used;
    });
    kept_.erase(oldest);
}

Result<TlsContext> Minted::take(const std::string& name) {
    Instant now = std::chrono::steady_clock::now();
    if (TlsContext known = find(name, now)) return known;
    if (!mint_) return fail(Code::internal, "nobody makes certificates");
    TlsContext context = TRY(make_server_context(TRY(mint_(name))));
    keep(name, context, now);
    return context;
}

}  // namespace vouchsafe::net
