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

std::string read(KeptRuntimes& kept, ByteView json) {
    static const evidence::TrustAnchors kAnchors = test_anchors();
    KeepingAkEndorser endorser(kAnchors, nullptr, &kept);
    Checks checks;
    auto out = endorser.read_runtime(json, checks);
    if (!out) return out.error().reason()->code;
    return fmt::format("{} checks, {} keys, {}", checks.list().size(), out->keys.size(),
                       out->vm.vm_unique_id.value_or("none"));
}

bool holds(KeptRuntimes& kept, ByteView json) {
    return kept.find(crypto::hash(crypto::HashAlg::sha256, json)) != nullptr;
}

TEST(KeptRuntimes, SayTheSameAgain) {
    KeptRuntimes kept;
    const Bytes json = Machine{}.runtime_data();
    const std::string first = read(kept, json);
    EXPECT_EQ(first, "1 checks, 1 keys, " + kVmId);
    ASSERT_TRUE(holds(kept, json));
    EXPECT_EQ(read(kept, json), first);
}

TEST(KeptRuntimes, AreOfTheseBytesAlone) {
    KeptRuntimes kept;
    read(kept, Machine{}.runtime_data());
    Machine other;
    other.vm_id = "70F5CE9A-2BDC-4B6B-8401-E9B964D3AEB8";
    EXPECT_EQ(read(kept, other.runtime_data()), "1 checks, 1 keys, " + other.vm_id);
}

TEST(KeptRuntimes, AreNotWhatCannotBeReadOrIsLong) {
    KeptRuntimes kept;
    Bytes broken = Machine{}.runtime_data();
    broken.pop_back();
    EXPECT_EQ(read(kept, broken), "HCL-RUNTIME-JSON");
    EXPECT_FALSE(holds(kept, broken));
    Bytes padded = Machine{}.runtime_data();
    padded.resize(kMaxKeptRuntime, ' ');
    EXPECT_EQ(read(kept, padded), "1 checks, 1 keys, " + kVmId);
    EXPECT_TRUE(holds(kept, padded));
    padded.push_back(' ');
    EXPECT_EQ(read(kept, padded), "1 checks, 1 keys, " + kVmId);
    EXPECT_FALSE(holds(kept, padded));
}

}  // namespace
}  // namespace vouchsafe::attest
