// Which bits of a report are free? None: each is signed, is the signature, or must be zero. What is
// free is one number: ECDSA holds for (r, s) and for (r, n - s), and AMD does not choose between
// them.
#include <gmock/gmock.h>

#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

using vouchsafe::testing::Flips;
using vouchsafe::testing::free_bits;

// The endorsements are verified once; every flip goes through the whole verification of the report.
std::vector<size_t> free_bits_of(const SnpCase& good, Flips flips) {
    Checks checks;
    auto endorsed =
        MUST(verify_snp_endorsements(good.endorsements, good.anchors, good.now, checks));
    auto refused = [&](const Bytes& report) {
        Checks of_report;
        return !refusal(verify_snp(report, endorsed, good.rules, good.now, of_report)).empty();
    };
    EXPECT_FALSE(refused(good.report));
    return free_bits(good.report, flips, refused);
}

constexpr size_t kBehindSignature = 0x330;

TEST(SnpMutation, NoBitOfAVersion2ReportIsFree) {
    EXPECT_THAT(free_bits_of(recorded_snp("milan-v2-coco"), {9}), ::testing::IsEmpty());
    EXPECT_THAT(free_bits_of(recorded_snp("milan-v2-coco"), {1, kBehindSignature}),
                ::testing::IsEmpty());
}

TEST(SnpMutation, NoBitOfAVersion3ReportIsFree) {
    EXPECT_THAT(free_bits_of(recorded_snp("milan-v3-aci"), {1}), ::testing::IsEmpty());
}

TEST(SnpMutation, NoBitOfAVersion5ReportIsFree) {
    EXPECT_THAT(free_bits_of(recorded_snp("turin-v5-azure"), {9}), ::testing::IsEmpty());
}

// A certificate is all signed, but for the form of the signature's own frame; strict DER leaves no
// second form of that either.
TEST(SnpMutation, NoBitOfAVcekIsFree) {
    SnpCase good = recorded_snp("milan-v3-aci");
    auto refused = [&](const Bytes& der) {
        Checks checks;
        auto leaf = crypto::Certificate::parse_der(der);
        if (!leaf) return true;
        SnpEndorsements changed = good.endorsements;
        changed.leaf = *leaf;
        return !refusal(verify_snp_endorsements(changed, good.anchors, good.now, checks)).empty();
    };
    Bytes der = good.endorsements.leaf.der();
    ASSERT_FALSE(refused(der));
    EXPECT_THAT(free_bits(der, {25}, refused), ::testing::IsEmpty());
}

// The order of P-384 (FIPS 186-5, D.1.2.4), little-endian.
Bytes order() {
    Bytes out = from_hex(
        "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196acc"
        "c5"
        "2973");
    std::reverse(out.begin(), out.end());
    return out;
}

TEST(SnpMutation, TheOtherSignatureIsTheOnlyOtherReport) {
    constexpr size_t kS = kSnpSignedSize + 72;
    for (const char* name : {"milan-v2-coco", "milan-v3-aci", "turin-v5-azure"}) {
        SCOPED_TRACE(name);
        SnpCase one = recorded_snp(name);
        Bytes n = order();
        int borrow = 0;
        for (size_t i = 0; i < 48; ++i) {
            int difference = n[i] - one.report[kS + i] - borrow;
            borrow = difference < 0 ? 1 : 0;
            one.report[kS + i] = static_cast<uint8_t>(difference);
        }
        EXPECT_EQ(borrow, 0);
        EXPECT_TRUE(one.verify());  // so signature bytes are never the identity of a report
        one.report[kS] ^= 1;
        EXPECT_EQ(refusal(one.verify()), "SNP-SIGNATURE");
    }
}

TEST(SnpMutation, RAndSAreBelowTheOrderAndNotZero) {
    SnpCase good = recorded_snp("milan-v3-aci");
    Bytes n = order();
    for (size_t field : {kSnpSignedSize, kSnpSignedSize + 72}) {
        for (Bytes number : {n, Bytes(48, 0xff), Bytes(48, 0)}) {
            SnpCase one = good;
            std::copy(number.begin(), number.end(),
                      one.report.begin() + static_cast<ptrdiff_t>(field));
            EXPECT_EQ(refusal(one.verify()), "SNP-SIGNATURE-FORM");
        }
        SnpCase one = good;  // n - 1 is a number, but not of this signature
        std::copy(n.begin(), n.end(), one.report.begin() + static_cast<ptrdiff_t>(field));
        one.report[field] ^= 1;
        EXPECT_EQ(refusal(one.verify()), "SNP-SIGNATURE");
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
