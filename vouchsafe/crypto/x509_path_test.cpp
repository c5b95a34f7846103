#include "vouchsafe/crypto/x509_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vouchsafe::crypto {
namespace {

using ::testing::HasSubstr;

const Time kNow = from_unix(1767225600);

CertificateSpec spec(const std::string& name, bool ca) {
    CertificateSpec out;
    out.subject = {{"CN", name}};
    out.not_before = kNow - Seconds{3600};
    out.not_after = kNow + Seconds{3600};
    out.ca = ca;
    out.server_auth = !ca;
    return out;
}

// Path is root, intermediate and leaf with one key each, made anew with other specifications.
struct Keys {
    PrivateKey root = *PrivateKey::generate_ec(Curve::p256);
    PrivateKey middle = *PrivateKey::generate_ec(Curve::p256);
    PrivateKey leaf = *PrivateKey::generate_ec(Curve::p256);
};
const Keys& keys() {
    static const Keys made;
    return made;
}

struct Path {
    Certificate root, middle, leaf;
    std::vector<Certificate> below() const { return {leaf, middle}; }
};

Path path(const CertificateSpec& root, const CertificateSpec& middle, const CertificateSpec& leaf) {
    constexpr auto kWith = CertSignature::ecdsa_sha256;
    Certificate top =
        MUST(issue_certificate(root, keys().root.public_key(), nullptr, keys().root, kWith));
    Certificate between =
        MUST(issue_certificate(middle, keys().middle.public_key(), &top, keys().root, kWith));
    Certificate end =
        MUST(issue_certificate(leaf, keys().leaf.public_key(), &between, keys().middle, kWith));
    return {top, between, end};
}
Path good() {
    return path(spec("root", true), spec("middle", true), spec("leaf", false));
}

std::string refusal(const Path& made, Time time = kNow,
                    PathPurpose purpose = PathPurpose::tls_server) {
    auto result = verify_path(made.below(), made.root, time, purpose);
    if (result) return "accepted";
    EXPECT_EQ(result.error().code, time == kNow ? Code::bad_evidence : Code::expired);
    return result.error().message;
}

TEST(VerifyPath, AcceptsAPathToItsAnchorAlone) {
    Path made = good();
    EXPECT_EQ(refusal(made), "accepted");
    EXPECT_TRUE(verify_path(std::vector{made.leaf}, made.middle, kNow, PathPurpose::any));
    EXPECT_FALSE(verify_path(std::vector{made.leaf}, made.root, kNow, PathPurpose::any));
    Path other = path(spec("another root", true), spec("middle", true), spec("leaf", false));
    EXPECT_FALSE(verify_path(made.below(), other.root, kNow, PathPurpose::any));
}

TEST(VerifyPath, RefusesOtherTimes) {
    Path made = good();
    EXPECT_THAT(refusal(made, kNow + Seconds{7200}), HasSubstr("CN=leaf: valid from"));
    EXPECT_THAT(refusal(made, kNow - Seconds{7200}), HasSubstr("CN=leaf: valid from"));
    EXPECT_EQ(refusal(made, kNow + Seconds{3601}).substr(0, 8), "CN=leaf:");
    EXPECT_TRUE(verify_path(made.below(), made.root, kNow + Seconds{3600}, PathPurpose::any));
    CertificateSpec old = spec("middle", true);
    old.not_after = kNow + Seconds{60};
    made = path(spec("root", true), old, spec("leaf", false));
    EXPECT_EQ(refusal(made), "accepted");
    EXPECT_THAT(refusal(made, kNow + Seconds{120}), HasSubstr("CN=middle"));
}

TEST(VerifyPath, RefusesIssuersThatMayNotIssue) {
    EXPECT_NE(refusal(path(spec("root", true), spec("middle", false), spec("leaf", false))),
              "accepted");
    CertificateSpec root = spec("root", true);
    root.path_length = 0;
    EXPECT_THAT(refusal(path(root, spec("middle", true), spec("leaf", false))),
                HasSubstr("path length"));
    root.path_length = 1;
    EXPECT_EQ(refusal(path(root, spec("middle", true), spec("leaf", false))), "accepted");
}

TEST(VerifyPath, RefusesALeafForAnotherPurpose) {
    CertificateSpec leaf = spec("leaf", false);
    leaf.server_auth = false;
    leaf.extensions = {{"2.5.29.37",
                        {0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03,
                         0x03}}};  // code signing
    Path made = path(spec("root", true), spec("middle", true), leaf);
    EXPECT_THAT(refusal(made), HasSubstr("purpose"));
    EXPECT_EQ(refusal(made, kNow, PathPurpose::any), "accepted");
}

TEST(VerifyPath, RefusesWeakKeys) {
    // 1024 bits: anybody with a little patience can be this issuer.
    PublicKey weak = MUST(PublicKey::from_rsa(Bytes(128, 0xff), Bytes{1, 0, 1}));
    Certificate root = good().root;
    Certificate leaf = MUST(issue_certificate(spec("leaf", false), weak, &root, keys().root,
                                              CertSignature::ecdsa_sha256));
    auto result = verify_path(std::vector{leaf}, root, kNow, PathPurpose::any);
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().message, HasSubstr("too weak"));
}

}  // namespace
}  // namespace vouchsafe::crypto
