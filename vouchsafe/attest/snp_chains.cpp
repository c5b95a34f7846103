#include "vouchsafe/attest/snp_chains.h"

#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

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
    if (auto known = kept_ == nullptr ? nullptr : kept_->chains.find(digest)) {
        const auto& endorsements = known->endorsements;
        HeldSnp held = lists_for(endorsements->certificate());
        bool in_force = endorsements->valid_from() <= now && now <= endorsements->valid_to();
        if (in_force && held.lists == known->lists) {
            checks.repeat(made_again(known->checks, now));
            return endorsements;
        }
    }
    const size_t before = checks.list().size();
    auto endorsements = TRY(evidence::SnpEndorsements::parse(
        chain, checks, kept_ == nullptr ? nullptr : &kept_->issuers));
    HeldSnp held;
    // A certificate that cannot be read is refused by the verifier.
    if (auto leaf = evidence::SnpCertificate::parse(endorsements.leaf)) held = lists_for(*leaf);
    endorsements.crls = std::move(held.crls);
    if (kept_ != nullptr) endorsements.links = &kept_->links;
    auto verified = std::make_shared<const evidence::VerifiedSnpEndorsements>(
        TRY(evidence::verify_snp_endorsements(endorsements, anchors_, now, checks)));
    if (kept_ == nullptr) return verified;
    for (const crypto::Certificate& one : endorsements.intermediates) {
        kept_->issuers.keep(one.der(), std::make_shared<const crypto::Certificate>(one));
    }
    kept_->chains.keep(digest, std::make_shared<const KeptSnpChain>(KeptSnpChain{
                                   verified, std::move(held.lists), made_since(checks, before)}));
    return verified;
}

// The certificate says where it ends, and signatures are of one size: no two questions have the
// same bytes.
bool KeepingEndorser::holds(const evidence::VerifiedSnpEndorsements& endorsements, ByteView data,
                            ByteView signature) {
    if (kept_ == nullptr) return SnpEndorser::holds(endorsements, data, signature);
    crypto::Hasher hasher(crypto::HashAlg::sha256);
    hasher.update(endorsements.leaf().der());
    hasher.update(data);
    hasher.update(signature);
    const Bytes digest = hasher.finish();
    if (kept_->signatures.find(digest) != nullptr) return true;
    if (!SnpEndorser::holds(endorsements, data, signature)) return false;
    kept_->signatures.keep(digest, std::make_shared<const HeldSignature>());
    return true;
}

}  // namespace vouchsafe::attest
