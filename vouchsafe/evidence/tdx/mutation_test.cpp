// No bit of a quote is free. What is free is outside of it: how many zeros follow.
//
// Every bit is flipped of what the attestation key signs, of its signature and of the key. Of the
// quoting enclave's report and signature it is one bit of every byte, another from byte to byte; of
// the certificates, of every third byte; unless all are asked for (base/test_flips.h).
#include <gmock/gmock.h>

#include "vouchsafe/base/test_flips.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using vouchsafe::testing::every_bit;
using vouchsafe::testing::free_bits;

// refusal_of_flip verifies the quote with one bit flipped, and flips it back.
std::string refusal_of_flip(TdCase& one, size_t byte, size_t bit) {
    auto mask = static_cast<uint8_t>(1u << bit);
    one.quote[byte] ^= mask;
    one.checks = {};
    auto verified = one.verify();
    one.quote[byte] ^= mask;
    return verified ? "accepted" : refusal(verified);
}

// Part is a range of a version 4 quote and the check that covers it.
struct Part {
    const char* name;
    size_t end;
    std::set<std::string> codes;
};

TEST(TdxMutation, EveryFlippedBitIsRefusedByTheCheckThatCoversIt) {
    TdCase one{recorded_quote("v4-spr-e4-trimmed")};
    ASSERT_TRUE(one.verify().has_value());
    const size_t chain = 48 + 584 + 4 + 128 + 6 + 384 + 64 + 2 + 32 + 6;
    const std::vector<Part> parts{
        {"version", 2, {"TDX-VERSION", "TDX-BODY-TYPE"}},
        {"key type", 4, {"TDX-KEY-TYPE"}},
        {"TEE type", 8, {"TDX-TEE"}},
        {"reserved", 12, {"TDX-SIGNATURE"}},
        {"QE vendor id", 28, {"TDX-KEY-TYPE"}},
        {"user data and body", 48 + 584, {"TDX-SIGNATURE"}},
        {"signature data size", 636, {"TDX-FORM"}},
        {"signature and attestation key", 636 + 128, {"TDX-SIGNATURE"}},
        {"outer type and size", 770, {"TDX-CERTIFICATION-TYPE", "TDX-FORM"}},
        {"QE report, but its data", 770 + 320, {"TDX-QE-SIGNATURE"}},
        {"QE report data", 770 + 384, {"TDX-QE-BINDING"}},
        {"QE report signature", 1154 + 64, {"TDX-QE-SIGNATURE"}},
        {"authentication data size", 1220, {"TDX-FORM", "TDX-CERTIFICATION-TYPE"}},
        {"authentication data", 1252, {"TDX-QE-BINDING"}},
        {"inner type and size", chain, {"TDX-CERTIFICATION-TYPE", "TDX-FORM"}},
        {"certificates",
         one.quote.size(),
         {"TDX-CHAIN-FORM", "TDX-PCK-FORM", "TDX-QE-SIGNATURE", "TDX-CHAIN-LINK",
          "TDX-CHAIN-ROOT"}}};
    size_t byte = 0;
    for (const Part& part : parts) {
        for (; byte < part.end; byte += byte < chain || every_bit() ? 1 : 3) {
            bool whole = byte < 770 || every_bit();
            for (size_t bit = whole ? 0 : byte % 8; bit < 8; bit += whole ? 1 : 8) {
                std::string code = refusal_of_flip(one, byte, bit);
                EXPECT_TRUE(part.codes.contains(code))
                    << part.name << ", byte " << byte << " bit " << bit << ": " << code;
            }
        }
    }
    EXPECT_TRUE(one.verify().has_value());
}

TEST(TdxMutation, EveryFlippedBitOfTheBodyDescriptorIsRefused) {
    TdCase one{recorded_quote("v5-bodytype3")};
    for (size_t byte = 48; byte < 54; ++byte) {
        for (size_t bit = 0; bit < 8; ++bit) {
            std::string code = refusal_of_flip(one, byte, bit);
            EXPECT_TRUE(code == "TDX-BODY-TYPE" || code == "TDX-TEE") << byte << " " << code;
        }
    }
}

// The signature covers the inner object as it was served; around it stand its name, the signature
// and nothing else. Free is whether the signature's hex digits are capitals.
TEST(TdxMutation, OfIntelsSignedCollateralOnlyTheCaseOfTheSignatureIsFree) {
    constexpr size_t kCase = 5;  // the bit in which a letter differs from its capital
    const crypto::Certificate& root = *vendor_anchors().intel;
    for (const char* name : {"tcbinfo-90c06f000000-2026b", "qeidentity-td-2026"}) {
        SCOPED_TRACE(name);
        SignedJson good = recorded_json(name);
        bool tcb = std::string_view(name).starts_with("tcb");
        auto refused = [&](const Bytes& json) {
            Checks checks;
            CollateralVerifier verifier(root, nullptr, march_2026(), checks, IntelTee::tdx);
            SignedJson changed{to_text(json), good.issuer_chain};
            return tcb ? !verifier.verify_tcb_info(changed) : !verifier.verify_qe_identity(changed);
        };
        Bytes json = to_bytes(good.json);
        ASSERT_FALSE(refused(json));
        size_t signature = good.json.find("\"signature\"");
        for (size_t bit : free_bits(json, {131}, refused)) {
            EXPECT_TRUE(bit / 8 > signature && bit % 8 == kCase && std::isalpha(json[bit / 8]))
                << bit;
        }
    }
}

}  // namespace
}  // namespace vouchsafe::evidence
