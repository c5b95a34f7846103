#include "vouchsafe/attest/kept_aks.h"

#include <algorithm>

#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

KeptAk kept_ak(const evidence::VerifiedAkCertificate& verified, const crypto::PublicKey& ak,
               std::vector<Check> checks) {
    KeptAk out{verified, ak, Time::min(), Time::max(), std::move(checks)};
    for (const crypto::Certificate& one : verified.path()) {
        out.valid_from = std::max(out.valid_from, one.not_before());
        out.valid_to = std::min(out.valid_to, one.not_after());
    }
    return out;
}

}  // namespace

Result<evidence::VerifiedAkCertificate> KeepingAkEndorser::endorse(ByteView certificate,
                                                                   const crypto::PublicKey& ak,
                                                                   Time now, Checks& checks) {
    if (kept_ == nullptr) {
        return evidence::verify_ak_certificate(certificate, ak, anchors_, now, checks);
    }
    const Bytes digest = crypto::hash(crypto::HashAlg::sha256, certificate);
    auto known = kept_->find(digest);
    bool in_force = known && known->valid_from <= now && now <= known->valid_to;
    if (in_force && known->key == ak) {
        checks.repeat(made_again(known->checks, now));
        return known->certificate;
    }
    const size_t before = checks.list().size();
    auto verified = TRY(evidence::verify_ak_certificate(certificate, ak, anchors_, now, checks));
    kept_->keep(digest,
                std::make_shared<const KeptAk>(kept_ak(verified, ak, made_since(checks, before))));
    return verified;
}

Result<evidence::RuntimeClaims> KeepingAkEndorser::read_runtime(ByteView json, Checks& checks) {
    if (runtimes_ == nullptr || json.size() > kMaxKeptRuntime) {
        return evidence::RuntimeClaims::parse(json, checks);
    }
    const Bytes digest = crypto::hash(crypto::HashAlg::sha256, json);
    if (auto known = runtimes_->find(digest)) {
        checks.repeat(known->checks);
        return known->claims;
    }
    const size_t before = checks.list().size();
    auto claims = TRY(evidence::RuntimeClaims::parse(json, checks));
    runtimes_->keep(digest, std::make_shared<const KeptRuntime>(
                                KeptRuntime{claims, made_since(checks, before)}));
    return claims;
}

}  // namespace vouchsafe::attest
