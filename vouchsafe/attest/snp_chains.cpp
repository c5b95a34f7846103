#include "vouchsafe/attest/snp_chains.h"

#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

std::shared_ptr<const KeptSnpChain> KeptSnpChains::find(const Bytes& digest) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(digest);
    if (found == places_.end()) return nullptr;
    order_.splice(order_.begin(), order_, found->second.use);
    return found->second.chain;
}

void KeptSnpChains::keep(const Bytes& digest, std::shared_ptr<const KeptSnpChain> chain) {
    std::lock_guard lock(mutex_);
    auto found = places_.find(digest);
    if (found != places_.end()) {
        found->second.chain = std::move(chain);
        return;
    }
    order_.push_front(digest);
    places_[digest] = {std::move(chain), order_.begin()};
    if (places_.size() <= kMost) return;
    places_.erase(order_.back());
    order_.pop_back();
}

namespace {

// made_again lists checks that were made before, at `now`, which is within all their dates.
std::vector<Check> made_again(std::vector<Check> checks, Time now) {
    for (Check& check : checks) {
        if (check.code.ends_with("-DATES")) check.found = format_rfc3339(now);
    }
    return checks;
}

}  // namespace

HeldSnp KeepingEndorser::lists_for(const evidence::SnpCertificate& leaf) {
    if (collateral_ == nullptr) return {};
    HeldSnp held = collateral_->snp_crls(leaf.product, leaf.kind);
    lists_ = held.lists;
    missing_lists_.clear();
    for (const CollateralProblem& one : held.missing) {
        missing_lists_ += missing_lists_.empty() ? one.name : ", " + one.name;
    }
    return held;
}

Result<std::shared_ptr<const evidence::VerifiedSnpEndorsements>> KeepingEndorser::endorse(
    ByteView chain, Time now, Checks& checks) {
    const Bytes digest = crypto::hash(crypto::HashAlg::sha256, chain);
    if (auto known = kept_ == nullptr ? nullptr : kept_->find(digest)) {
        const auto& endorsements = known->endorsements;
        HeldSnp held = lists_for(endorsements->certificate());
        bool in_force = endorsements->valid_from() <= now && now <= endorsements->valid_to();
        if (in_force && held.lists == known->lists) {
            checks.repeat(made_again(known->checks, now));
            return endorsements;
        }
    }
    const size_t before = checks.list().size();
    auto endorsements = TRY(evidence::SnpEndorsements::parse(chain, checks));
    HeldSnp held;
    // A certificate that cannot be read is refused by the verifier.
    if (auto leaf = evidence::SnpCertificate::parse(endorsements.leaf)) held = lists_for(*leaf);
    endorsements.crls = std::move(held.crls);
    auto verified = std::make_shared<const evidence::VerifiedSnpEndorsements>(
        TRY(evidence::verify_snp_endorsements(endorsements, anchors_, now, checks)));
    if (kept_ == nullptr) return verified;
    const auto& made = checks.list();
    kept_->keep(digest, std::make_shared<const KeptSnpChain>(KeptSnpChain{
                            verified,
                            std::move(held.lists),
                            {made.begin() + static_cast<ptrdiff_t>(before), made.end()}}));
    return verified;
}

}  // namespace vouchsafe::attest
