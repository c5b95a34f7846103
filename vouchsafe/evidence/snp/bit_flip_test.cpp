// Which bits of a report are free? None: each is signed, is the signature, or must be zero. What is
// free is one number: ECDSA holds for (r, s) and for (r, n - s), and AMD does not choose between
// them.
#include <gmock/gmock.h>

#include <atomic>
#include <mutex>

#include "vouchsafe/base/parallel.h"
#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

enum class Bits { all, one_of_each_byte };

// free_bits flips bits one at a time and returns those that made no difference. The endorsements
// are verified once; every flip goes through the whole verification of the report. The verify calls
// are what takes the time, so all cores share them.
std::vector<size_t> free_bits(const SnpCase& good, Bits bits) {
    Checks checks;
    auto endorsed =
        MUST(verify_snp_endorsements(good.endorsements, good.anchors, good.now, checks));
    auto refused = [&](const Bytes& report) {
        Checks of_report;
        return !refusal(verify_snp(report, endorsed, good.rules, good.now, of_report)).empty();
    };
    EXPECT_FALSE(refused(good.report));
    std::atomic<size_t> next = 0;
    std::mutex mutex;
    std::vector<size_t> out;
    run_workers(core_count(), [&](unsigned) {
        Bytes report = good.report;
        for (size_t bit = next++; bit < 8 * kSnpReportSize; bit = next++) {
            // Another bit in each byte, and all of the reserved bytes behind the signature.
            bool chosen = bits == Bits::all || bit % 8 == (bit / 8) % 8 || bit >= 8 * 0x330;
            if (!chosen) continue;
            report[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            bool free = !refused(report);
            report[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            std::lock_guard lock(mutex);
            if (free) out.push_back(bit);
        }
    });
    return out;
}

TEST(SnpBitFlip, NoBitOfAVersion2ReportIsFree) {
    EXPECT_THAT(free_bits(recorded_snp("milan-v2-coco"), Bits::one_of_each_byte),
                ::testing::IsEmpty());
}

TEST(SnpBitFlip, NoBitOfAVersion3ReportIsFree) {
    EXPECT_THAT(free_bits(recorded_snp("milan-v3-aci"), Bits::all), ::testing::IsEmpty());
}

TEST(SnpBitFlip, NoBitOfAVersion5ReportIsFree) {
    EXPECT_THAT(free_bits(recorded_snp("turin-v5-azure"), Bits::one_of_each_byte),
                ::testing::IsEmpty());
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

TEST(SnpBitFlip, TheOtherSignatureIsTheOnlyOtherReport) {
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

TEST(SnpBitFlip, RAndSAreBelowTheOrderAndNotZero) {
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
