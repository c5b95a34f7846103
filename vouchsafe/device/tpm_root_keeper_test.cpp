#include "vouchsafe/device/tpm_root_keeper.h"

#include <gtest/gtest.h>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/root_ring.h"
#include "vouchsafe/device/swtpm_for_test.h"

namespace vouchsafe::device {
namespace {

constexpr uint32_t kApplicationPcr = 23;

class TpmRootKeeperTest : public ::testing::Test {
  protected:
    TpmRootKeeperTest() : dir_(MUST(TemporaryDir::create("tpmroot"))) {}

    Result<std::unique_ptr<crypto::RootRing>> load(const SwtpmForTest& tpm,
                                                   std::vector<uint32_t> pcrs = {}) {
        return crypto::RootRing::load_or_create(dir_.path() / "root.key",
                                                keep_in_tpm(tpm.tcti(), std::move(pcrs)));
    }
    SwtpmForTest tpm_;
    TemporaryDir dir_;
};

TEST_F(TpmRootKeeperTest, GivesTheKeyBackToItsOwnTpmAlone) {
    const Bytes sealed = MUST(load(tpm_))->seal("c", as_bytes("x"));
    EXPECT_EQ(MUST(MUST(load(tpm_))->open("c", sealed)).expose_text(), "x");
    SwtpmForTest other;
    EXPECT_EQ(load(other).error().code, Code::bad_evidence);
    other.stop();
    EXPECT_EQ(load(other).error().code, Code::unavailable);
}

TEST_F(TpmRootKeeperTest, HoldsItBackOnceANamedRegisterChanged) {
    const Bytes sealed = MUST(load(tpm_, {kApplicationPcr}))->seal("c", as_bytes("x"));
    EXPECT_TRUE(load(tpm_));
    {
        Tpm tpm = MUST(Tpm::open(tpm_.tcti()));
        Tpm::PcrDigest digest{crypto::HashAlg::sha256, crypto::random_bytes(32)};
        MUST(tpm.pcr_extend(kApplicationPcr, {&digest, 1}));
    }
    EXPECT_EQ(load(tpm_).error().code, Code::bad_evidence);
}

TEST_F(TpmRootKeeperTest, RefusesWhatIsMalformed) {
    auto keeper = keep_in_tpm(tpm_.tcti(), {});
    const Json kept = MUST(keeper->keep(Secret<crypto::kRootKeySize>()));
    EXPECT_TRUE(keeper->recover(kept));
    for (const char* member : {"pcrs", "public", "private"}) {
        for (const Json& value : {Json(nullptr), Json(7), Json("!"), Json(""), Json::array({24}),
                                  Json::array({-1}), Json::array({"0"})}) {
            Json changed = kept;
            changed[member] = value;
            EXPECT_FALSE(keeper->recover(changed)) << member << " " << value.dump();
        }
    }
}

}  // namespace
}  // namespace vouchsafe::device
