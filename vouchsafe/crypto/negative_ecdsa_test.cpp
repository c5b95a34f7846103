// ECDSA and its keys, as an attacker would send them.
#include "vouchsafe/crypto/negative_vectors.h"

namespace vouchsafe::crypto {
namespace {

using namespace testing;

Curve curve_of(const Json& row) {
    return text_of(row, "curve") == "P-256" ? Curve::p256 : Curve::p384;
}

PublicKey key_of(const Json& group) {
    return MUST(PublicKey::from_ec(curve_of(group), bytes_of(group, "x"), bytes_of(group, "y")));
}

TEST(NegativeEcdsa, OnlySignaturesInRangeAndFormThatFitTheMessageHold) {
    for (const Json& group : negative_vectors("ecdsa")) {
        PublicKey key = key_of(group);
        Bytes message = bytes_of(group, "message");
        for (const Json& row : group.at("cases")) {
            auto verified = key.verify(alg_of(group), message, bytes_of(row, "signature"));
            EXPECT_EQ(verified.has_value(), row.at("holds").get<bool>())
                << text_of(group, "curve") << ": " << text_of(row, "why");
            if (verified) continue;
            EXPECT_EQ(verified.error().code, Code::bad_evidence);
        }
    }
}

TEST(NegativeEcdsa, OnlyDigestsOfTheRightSizeHoldAndNoSumAtInfinity) {
    for (const Json& group : negative_vectors("ecdsa")) {
        PublicKey key = key_of(group);
        for (const Json& row : group.at("digests")) {
            auto verified = key.verify_digest(alg_of(group), bytes_of(row, "digest"),
                                              bytes_of(row, "signature"));
            EXPECT_EQ(verified.has_value(), row.at("holds").get<bool>())
                << text_of(group, "curve") << ": " << text_of(row, "why");
        }
    }
}

TEST(NegativeEcdsa, AKeyServesTheAlgorithmOfItsCurveAlone) {
    for (const Json& group : negative_vectors("ecdsa")) {
        for (SigAlg alg : {SigAlg::es256, SigAlg::es384, SigAlg::es512, SigAlg::ps256}) {
            if (alg == alg_of(group)) continue;
            auto verified = key_of(group).verify(alg, bytes_of(group, "message"),
                                                 bytes_of(group.at("cases").at(0), "signature"));
            ASSERT_FALSE(verified);
            EXPECT_EQ(verified.error().code, Code::invalid) << sig_alg_name(alg);
        }
    }
}

TEST(NegativeEcdsa, KeysArePointsOfTheirCurveInOneForm) {
    for (const Json& row : negative_vectors("ec_keys")) {
        auto key = PublicKey::from_ec(curve_of(row), bytes_of(row, "x"), bytes_of(row, "y"));
        EXPECT_EQ(key.has_value(), row.at("holds").get<bool>())
            << text_of(row, "curve") << ": " << text_of(row, "why");
    }
    for (const Json& row : negative_vectors("ec_spki")) {
        auto key = PublicKey::from_spki(bytes_of(row, "spki"));
        EXPECT_EQ(key.has_value(), row.at("holds").get<bool>()) << text_of(row, "why");
    }
}

}  // namespace
}  // namespace vouchsafe::crypto
