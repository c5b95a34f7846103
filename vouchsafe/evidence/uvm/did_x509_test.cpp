#include "vouchsafe/evidence/uvm/did_x509.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "vouchsafe/evidence/uvm/test_endorsement.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using ::testing::ElementsAre;

const std::string kPrint = "I__iuL25oXEVFdTP_aBLx_eT1RPHbCQ_ECBQfYZpt9s";

std::string verdict(const std::string& did) {
    auto parsed = DidX509::parse(did);
    if (parsed) return "ok";
    return parsed.error().code == Code::unsupported ? "unsupported" : "invalid";
}

TEST(DidX509, ReadsFingerprintAndRules) {
    DidX509 did = MUST(DidX509::parse("did:x509:0:sha256:" + kPrint +
                                      "::eku:1.3.6.1.4.1.311.76.59.1.2"
                                      "::subject:CN:a%3Ab:2.5.4.10:c"));
    EXPECT_EQ(did.hash, crypto::HashAlg::sha256);
    EXPECT_EQ(hex(did.ca_fingerprint),
              "23ffe2b8bdb9a1711515d4cffda04bc7f793d513c76c243f1020507d8669b7db");
    ASSERT_EQ(did.policies.size(), 2U);
    EXPECT_EQ(did.policies[0].name, "eku");
    EXPECT_THAT(did.policies[0].values, ElementsAre("1.3.6.1.4.1.311.76.59.1.2"));
    EXPECT_THAT(did.policies[1].values, ElementsAre("CN", "a:b", "2.5.4.10", "c"));
    std::string sha384(64, 'A');
    EXPECT_EQ(verdict("did:x509:0:sha384:" + sha384 + "::eku:1.2"), "ok");
}

TEST(DidX509, RefusesOtherForms) {
    std::string start = "did:x509:0:sha256:" + kPrint;
    EXPECT_EQ(verdict(start + "::eku:1.2"), "ok");
    for (const std::string& did : {std::string(),
                                   std::string("did:web:example.org"),
                                   start,
                                   start + "::",
                                   start + "::eku",
                                   start + "::eku:",
                                   start + "::eku:1",
                                   start + "::eku:1.",
                                   start + "::eku:1.x",
                                   start + "::eku:1.2:1.3",
                                   start + ":eku:1.2",
                                   start + "::eku:1.2::",
                                   start + "=::eku:1.2",
                                   start + "::eku:%zz",
                                   start + "::subject:CN",
                                   start + "::subject:CN:",
                                   start + "::subject:CN:a:O",
                                   start + "::subject:XX:a",
                                   start + "::subject:CN:a:CN:b",
                                   start + "::subject:CN:a:2.5.4.3:b",
                                   std::string("did:x509:0:sha256:AAAA::eku:1.2"),
                                   "did:x509:0:" + kPrint + "::eku:1.2",
                                   "did:x509:0:sha384:" + kPrint + "::eku:1.2",
                                   start + "::eku:1." + std::string(2000, '2')}) {
        EXPECT_EQ(verdict(did), "invalid") << did;
    }
    for (const std::string& did :
         {"did:x509:1:sha256:" + kPrint + "::eku:1.2", "did:x509:0:sha1:" + kPrint + "::eku:1.2",
          start + "::san:email:a@example.org", start + "::fulcio-issuer:example.org",
          start + "::EKU:1.2"}) {
        EXPECT_EQ(verdict(did), "unsupported") << did;
    }
}

TEST(DidX509, FindsTheCaByFingerprintButNeverTheLeaf) {
    const UvmAuthority& known = uvm_authority();
    std::vector<crypto::Certificate> chain{known.leaf, known.ca, known.root};
    EXPECT_EQ(MUST(DidX509::parse(did_of(known.root))).find_ca(chain), 2U);
    EXPECT_EQ(MUST(DidX509::parse(did_of(known.ca))).find_ca(chain), 1U);
    EXPECT_EQ(MUST(DidX509::parse(did_of(known.leaf))).find_ca(chain), std::nullopt);
    EXPECT_EQ(MUST(DidX509::parse(did_of(UvmAuthority{}.root))).find_ca(chain), std::nullopt);
    std::string sha512 = encode_base64url(crypto::hash(crypto::HashAlg::sha512, known.ca.der()));
    EXPECT_EQ(MUST(DidX509::parse("did:x509:0:sha512:" + sha512 + "::eku:1.2")).find_ca(chain), 1U);
}

TEST(DidX509, ComparesRulesWithTheLeaf) {
    auto fits = [](std::string_view policies) {
        DidX509 did = MUST(DidX509::parse(did_of(uvm_authority().root, policies)));
        for (const auto& policy : did.policies) {
            if (!meets(uvm_authority().leaf, policy)) return false;
        }
        return true;
    };
    EXPECT_TRUE(fits("::eku:1.3.6.1.4.1.311.76.59.1.2"));
    EXPECT_FALSE(fits("::eku:1.3.6.1.4.1.311.76.59.1.1"));
    EXPECT_FALSE(fits("::eku:1.3.6.1.4.1.311.76.59.1.22"));
    EXPECT_TRUE(fits("::subject:CN:ContainerPlat"));
    EXPECT_TRUE(fits("::subject:O:A%3A%20company:CN:ContainerPlat"));
    EXPECT_TRUE(fits("::subject:2.5.4.3:ContainerPlat"));
    EXPECT_FALSE(fits("::subject:CN:containerplat"));
    EXPECT_FALSE(fits("::subject:O:ContainerPlat"));
    EXPECT_FALSE(fits("::subject:CN:ContainerPlat:OU:x"));
    EXPECT_FALSE(fits("::eku:1.3.6.1.4.1.311.76.59.1.2::subject:CN:x"));
    auto none = meets(uvm_authority().ca, {"eku", {"1.2"}});
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().message, "none");
}

}  // namespace
}  // namespace vouchsafe::evidence
