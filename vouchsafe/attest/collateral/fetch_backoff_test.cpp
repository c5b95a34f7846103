#include "vouchsafe/attest/collateral/fetch_backoff.h"

#include <gtest/gtest.h>

namespace vouchsafe::attest {
namespace {

const Time kStart = from_unix(1'800'000'000);

CollateralConfig with_vendors() {
    CollateralConfig out;
    out.kds_url = kAmdKds;
    out.pcs_url = kIntelPcs;
    return out;
}

FetchOutcome failure(bool whole_service = false, std::optional<Seconds> wait = {}) {
    return {fail(Code::unavailable, "no"), whole_service, wait};
}

CollateralName numbered(int i) {
    return CollateralName::tcb_info(
        Fmspc{1, 2, 3, 4, static_cast<uint8_t>(i >> 8), static_cast<uint8_t>(i)});
}

TEST(FetchBackoff, DoublesUpToItsLimitAndForgetsAfterASuccess) {
    const CollateralConfig config = with_vendors();
    FetchBackoff backoff(config);
    const CollateralName name = numbered(1);
    Time now = kStart;
    for (int64_t wait : {30, 60, 120, 240, 480, 960, 1920, 3600, 3600}) {
        backoff.failed(name, failure(), now);
        EXPECT_NE(backoff.blocked(name, now + Seconds(wait - 1)), nullptr);
        EXPECT_EQ(backoff.blocked(name, now + Seconds(wait)), nullptr);
        now += Seconds(wait);
    }
    for (int i = 0; i < 100; ++i) backoff.failed(name, failure(), now);
    EXPECT_EQ(backoff.blocked(name, now + config.max_retry), nullptr);
    EXPECT_EQ(backoff.failing().size(), 1u);
    backoff.succeeded(name);
    EXPECT_EQ(backoff.blocked(name, now), nullptr);
    EXPECT_TRUE(backoff.failing().empty());
    backoff.failed(name, failure(), now);
    EXPECT_EQ(backoff.blocked(name, now + config.retry), nullptr);
}

TEST(FetchBackoff, OfAServiceHoldsForAllItHasAndForNoOther) {
    const CollateralConfig config = with_vendors();
    FetchBackoff backoff(config);
    backoff.failed(numbered(1), failure(true), kStart);
    EXPECT_NE(backoff.blocked(CollateralName::qe_identity(), kStart), nullptr);
    EXPECT_EQ(backoff.blocked(CollateralName::root_crl(), kStart), nullptr);  // another host
    EXPECT_EQ(backoff.blocked(CollateralName::amd_vcek_crl(evidence::SnpProduct::milan), kStart),
              nullptr);
    backoff.failed(CollateralName::root_crl(), failure(), kStart);
    EXPECT_EQ(backoff.blocked(CollateralName::root_crl(), kStart - Seconds(1)), nullptr);
}

TEST(FetchBackoff, WaitsAsLongAsItIsAskedToWithinReason) {
    const CollateralConfig config = with_vendors();
    auto waits = [&](Seconds asked) {
        FetchBackoff backoff(config);
        backoff.failed(numbered(1), failure(true, asked), kStart);
        Time until = kStart;
        while (backoff.blocked(numbered(1), until) != nullptr) until += Seconds(30);
        return until - kStart;
    };
    EXPECT_EQ(waits(Seconds(7200)), Seconds(7200));
    EXPECT_EQ(waits(Seconds(0)), config.retry);
    EXPECT_EQ(waits(Seconds(999'999'999)), config.max_retry_after);
}

TEST(FetchBackoff, RemembersSoManyUnknownPlatformsAndNoMore) {
    const CollateralConfig config = with_vendors();
    FetchBackoff backoff(config);
    int room = 0;
    for (int i = 0; i < 1000; ++i) {
        if (!backoff.has_room(numbered(i), kStart)) continue;
        backoff.failed(numbered(i), failure(), kStart);
        ++room;
    }
    EXPECT_EQ(room, 256);
    EXPECT_TRUE(backoff.has_room(numbered(5), kStart));
    EXPECT_TRUE(backoff.has_room(numbered(999), kStart + config.retry));
}

}  // namespace
}  // namespace vouchsafe::attest
