#include "vouchsafe/attest/kept_aks.h"

#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;

Bytes ak_certificate() {
    static const Bytes kCertificate = Machine{}.evidence().ak_certificate;
    return kCertificate;
}

std::string endorsed(KeptAks& kept, const Bytes& certificate, const crypto::PublicKey& ak,
                     Time now) {
    static const evidence::TrustAnchors kAnchors = test_anchors();
    KeepingAkEndorser endorser(kAnchors, &kept);
    Checks checks;
    auto out = endorser.endorse(certificate, ak, now, checks);
    if (out) return fmt::format("{} checks", checks.list().size());
    return out.error().reason()->code;
}

bool holds(KeptAks& kept, const Bytes& certificate) {
    return kept.find(crypto::hash(crypto::HashAlg::sha256, certificate)) != nullptr;
}

TEST(KeptAks, GiveTheSameChecksAsAFreshVerification) {
    KeptAks kept;
    const crypto::PublicKey ak = keys().ak.public_key();
    const std::string first = endorsed(kept, ak_certificate(), ak, test_time());
    ASSERT_TRUE(holds(kept, ak_certificate()));
    EXPECT_EQ(endorsed(kept, ak_certificate(), ak, test_time()), first);
}

TEST(KeptAks, KeepNothingThatWasRefused) {
    KeptAks kept;
    Bytes other = ak_certificate();
    other[other.size() / 2] ^= 1;
    EXPECT_TRUE(endorsed(kept, other, keys().ak.public_key(), test_time()).starts_with("AK-CERT-"));
    EXPECT_FALSE(holds(kept, other));
}

TEST(KeptAks, AreOfOneKeyAlone) {
    KeptAks kept;
    endorsed(kept, ak_certificate(), keys().ak.public_key(), test_time());
    ASSERT_TRUE(holds(kept, ak_certificate()));
    EXPECT_EQ(endorsed(kept, ak_certificate(), keys().ephemeral.public_key(), test_time()),
              "AK-CERT-KEY");
}

TEST(KeptAks, AreVerifiedAgainOnceADateHasPassed) {
    KeptAks kept;
    const crypto::PublicKey ak = keys().ak.public_key();
    endorsed(kept, ak_certificate(), ak, test_time());
    EXPECT_EQ(endorsed(kept, ak_certificate(), ak, test_time() + std::chrono::hours{24 * 365 * 90}),
              "AK-CERT-DATES");
    EXPECT_EQ(endorsed(kept, ak_certificate(), ak, test_time() - std::chrono::hours{24 * 365 * 90}),
              "AK-CERT-DATES");
}

TEST(KeptAks, TellTheTimeOfTheRequestAndNotThatOfTheFirst) {
    KeptAks kept;
    const crypto::PublicKey ak = keys().ak.public_key();
    const evidence::TrustAnchors anchors = test_anchors();
    KeepingAkEndorser endorser(anchors, &kept);
    Checks first, later;
    ASSERT_TRUE(endorser.endorse(ak_certificate(), ak, test_time(), first));
    const Time then = test_time() + Seconds{60};
    ASSERT_TRUE(endorser.endorse(ak_certificate(), ak, then, later));
    for (const Check& check : later.list()) {
        if (check.code != "AK-CERT-DATES") continue;
        EXPECT_EQ(check.found, format_rfc3339(then));
    }
}

}  // namespace
}  // namespace vouchsafe::attest
