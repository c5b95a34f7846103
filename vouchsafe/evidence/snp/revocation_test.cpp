#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::Certificate;
using crypto::Crl;

// No list of AMD's is recorded: these are made as AMD's are described, by a made hierarchy.
Crl list_of(const Certificate& issuer, const crypto::PrivateKey& key,
            const std::vector<Certificate>& revoked,
            std::optional<Time> next_update = at("2026-08-01T00:00:00Z")) {
    return MUST(crypto::issue_crl({at("2026-06-01T00:00:00Z"), next_update, 1, revoked}, issuer,
                                  key, crypto::CertSignature::rsa_pss_sha384));
}
Crl ark_list(const std::vector<Certificate>& revoked = {}) {
    return list_of(made_hierarchy().ark, made_hierarchy().ark_key, revoked);
}
Crl ask_list(const std::vector<Certificate>& revoked = {}) {
    return list_of(made_hierarchy().ask, made_hierarchy().ask_key, revoked);
}

SnpCase demanding(std::vector<Crl> crls) {
    SnpCase out = MadeSnp::like("milan-v3-aci").make();
    out.endorsements.crls = std::move(crls);
    out.rules.allow_unchecked.clear();
    return out;
}
std::string judged(std::vector<Crl> crls) {
    return refusal(demanding(std::move(crls)).verify());
}

TEST(SnpRevocation, IsDemandedUnlessTheRulesNameItAsUnchecked) {
    SnpCase one = demanding({});
    EXPECT_EQ(refusal(one.verify()), "SNP-REVOCATION");
    one.rules.allow_unchecked = {"tcb-info"};
    EXPECT_EQ(refusal(one.verify()), "SNP-REVOCATION");
    one.rules.allow_unchecked = {"revocation"};
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->not_checked(), std::vector<std::string>{"revocation"});
}

TEST(SnpRevocation, IsCheckedWithTheListOfTheArk) {
    SnpCase one = demanding({ark_list()});
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_TRUE(verified->not_checked().empty());
    EXPECT_TRUE(passed(one.checks, "SNP-REVOKED"));
    EXPECT_TRUE(passed(one.checks, "SNP-REVOCATION"));
    one.rules.allow_unchecked = {"revocation"};  // allowed, and checked all the same
    EXPECT_TRUE(MUST(one.verify()).not_checked().empty());
}

TEST(SnpRevocation, RefusesARevokedCertificateOfTheChain) {
    const SnpHierarchy& made = made_hierarchy();
    EXPECT_EQ(judged({ark_list({made.asvk})}), "");  // of the other kind of leaf
    EXPECT_EQ(judged({ark_list({made.asvk, made.ask})}), "SNP-REVOKED");
    EXPECT_EQ(judged({ark_list({made.ark})}), "SNP-REVOKED");
    SnpCase one = demanding({});
    one.endorsements.crls = {ark_list(), ask_list({one.endorsements.leaf})};
    EXPECT_EQ(refusal(one.verify()), "SNP-REVOKED");
    one.endorsements.crls = {ark_list(), ask_list()};
    EXPECT_EQ(refusal(one.verify()), "");
    // What is revoked stays so where revocation may go unchecked.
    one = demanding({ark_list({made.ask})});
    one.rules.allow_unchecked = {"revocation"};
    EXPECT_EQ(refusal(one.verify()), "SNP-REVOKED");
}

TEST(SnpRevocation, NeedsTheArksListNotAnother) {
    const SnpHierarchy& made = made_hierarchy();
    EXPECT_EQ(judged({ask_list()}), "SNP-REVOCATION");
    Certificate stranger = SnpHierarchy::issue(SnpHierarchy::spec("ARK-Other", true),
                                               made.ark_key.public_key(), nullptr, made.ark_key);
    Crl strangers = list_of(stranger, made.ark_key, {});
    EXPECT_EQ(judged({strangers}), "SNP-REVOCATION");
    EXPECT_EQ(judged({strangers, ark_list()}), "");
}

TEST(SnpRevocation, RefusesAListThatItsIssuerDidNotSign) {
    const SnpHierarchy& other = other_hierarchy();  // the same names, other keys
    EXPECT_EQ(judged({list_of(other.ark, other.ark_key, {})}), "SNP-CRL-SIGNATURE");
    EXPECT_EQ(judged({ark_list(), list_of(other.ark, other.ark_key, {})}), "SNP-CRL-SIGNATURE");
    EXPECT_EQ(judged({ark_list(), list_of(other.ask, other.ask_key, {})}), "SNP-CRL-SIGNATURE");
    Bytes bent = ark_list().der();
    bent.back() ^= 1;
    EXPECT_EQ(judged({MUST(Crl::parse_any(bent))}), "SNP-CRL-SIGNATURE");
}

TEST(SnpRevocation, RefusesAListThatIsNotInForce) {
    const SnpHierarchy& made = made_hierarchy();
    auto at_time = [&](const char* now) {
        SnpCase one = demanding({ark_list()});
        one.now = at(now);
        return refusal(one.verify());
    };
    EXPECT_EQ(at_time("2026-05-31T23:59:59Z"), "SNP-CRL-DATES");
    EXPECT_EQ(at_time("2026-06-01T00:00:00Z"), "");
    EXPECT_EQ(at_time("2026-08-01T00:00:00Z"), "");
    EXPECT_EQ(at_time("2026-08-01T00:00:01Z"), "SNP-CRL-DATES");
    EXPECT_EQ(judged({list_of(made.ark, made.ark_key, {}, std::nullopt)}), "SNP-CRL-DATES");
}

}  // namespace
}  // namespace vouchsafe::evidence
