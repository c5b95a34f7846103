// No bit of an enclave's quote is free. What is free is outside of it: how many zeros follow.
//
// Every bit is flipped of what is read; of what a signature covers or is, and of the certificates,
// samples, unless all are asked for (base/test_flips.h).
#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using vouchsafe::testing::free_bits;

struct SgxPart {
    const char* name;
    size_t end;
    size_t stride;
    std::set<std::string> codes;
};

TEST(SgxMutation, EveryFlippedBitIsRefusedByTheCheckThatCoversIt) {
    SgxCase one;
    one.rules.allow_debug = true;
    ASSERT_TRUE(one.verify().has_value());
    const std::vector<SgxPart> parts{
        {"version", 2, 1, {"SGX-VERSION"}},
        {"key type", 4, 1, {"TDX-KEY-TYPE"}},
        {"TEE type", 8, 1, {"SGX-TEE"}},
        {"versions of QE and PCE", 12, 1, {"TDX-SIGNATURE"}},
        {"QE vendor id", 28, 1, {"TDX-KEY-TYPE"}},
        {"user data and report", 432, 9, {"TDX-SIGNATURE"}},
        {"signature data size", 436, 1, {"TDX-FORM"}},
        {"signature and attestation key", 564, 5, {"TDX-SIGNATURE"}},
        {"QE report, but its data", 884, 17, {"TDX-QE-SIGNATURE"}},
        {"QE report data", 948, 7, {"TDX-QE-BINDING"}},
        {"QE report signature", 1012, 7, {"TDX-QE-SIGNATURE"}},
        {"authentication data size", 1014, 1, {"TDX-FORM", "SGX-CERTIFICATION-TYPE"}},
        {"authentication data", 1046, 1, {"TDX-QE-BINDING"}},
        {"certification type and size", 1052, 1, {"SGX-CERTIFICATION-TYPE", "TDX-FORM"}},
        {"certificates",
         one.quote.size(),
         107,
         {"TDX-CHAIN-FORM", "TDX-PCK-FORM", "TDX-QE-SIGNATURE", "TDX-CHAIN-LINK",
          "TDX-CHAIN-ROOT"}}};
    size_t begin = 0;
    for (const SgxPart& part : parts) {
        auto refused = [&](const Bytes& quote) {
            SgxCase changed = one;
            changed.quote = quote;
            changed.checks = {};
            return part.codes.contains(refusal(changed.verify()));
        };
        auto free = free_bits(one.quote, {part.stride, begin, part.end}, refused);
        EXPECT_TRUE(free.empty()) << part.name << ": bit " << free.front();
        begin = part.end;
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
