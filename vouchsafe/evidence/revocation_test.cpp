#include "vouchsafe/evidence/revocation.h"

#include "vouchsafe/crypto/crl_issue.h"
#include "vouchsafe/evidence/tpm/test_vtpm_ca.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;
using crypto::Certificate;
using crypto::Crl;

// A path as it is verified before: leaf, intermediate, root.
const std::vector<Certificate>& made_path() {
    static const std::vector<Certificate> kPath = [] {
        Certificate middle = vtpm_certificate(vtpm_spec("middle", true), &vtpm_root());
        Certificate leaf = vtpm_certificate(vtpm_spec("leaf", false), &middle);
        return std::vector{leaf, middle, vtpm_root()};
    }();
    return kPath;
}

Crl list_by(const Certificate& issuer, const std::vector<Certificate>& revoked = {},
            std::optional<Time> next_update = at("2026-12-31T00:00:00Z")) {
    return MUST(crypto::issue_crl({at("2026-06-01T00:00:00Z"), next_update, 1, revoked}, issuer,
                                  vtpm_key(issuer.subject_common_name()),
                                  crypto::CertSignature::ecdsa_sha256));
}

struct PathCase {
    std::vector<Crl> lists{list_by(made_path()[1]), list_by(made_path()[2])};
    std::set<std::string, std::less<>> allowed;
    Time now = recorded_time();
    std::vector<std::string> not_checked;

    std::string judge() {
        Checks checks;
        Unchecked unchecked("CERT-NOT-CHECKED", allowed);
        auto result = check_path_revocation(made_path(), lists, unchecked, now, checks);
        not_checked = unchecked.list();
        return result ? "accepted" : refusal(result);
    }
};

TEST(PathRevocation, IsCheckedWithAListOfEveryIssuer) {
    PathCase one;
    EXPECT_EQ(one.judge(), "accepted");
    EXPECT_TRUE(one.not_checked.empty());
    one.allowed = {"revocation"};  // allowed to be missing, and there all the same
    EXPECT_EQ(one.judge(), "accepted");
    EXPECT_TRUE(one.not_checked.empty());
}

TEST(PathRevocation, IsRefusedOrToldWhereAListIsMissing) {
    for (size_t missing : {0u, 1u}) {
        PathCase one;
        one.lists.erase(one.lists.begin() + static_cast<ptrdiff_t>(missing));
        EXPECT_EQ(one.judge(), "CERT-NOT-CHECKED");
        one.allowed = {"tcb-info"};
        EXPECT_EQ(one.judge(), "CERT-NOT-CHECKED");
        one.allowed = {"revocation"};
        EXPECT_EQ(one.judge(), "accepted");
        EXPECT_EQ(one.not_checked, std::vector<std::string>{"revocation"});
    }
}

TEST(PathRevocation, RefusesWhatIsOnAListEvenIfOthersAreMissing) {
    const std::vector<Certificate>& path = made_path();
    PathCase one;
    one.lists = {list_by(path[1], {path[0]})};
    one.allowed = {"revocation"};
    EXPECT_EQ(one.judge(), "CERT-REVOKED");
    one.lists = {list_by(path[1]), list_by(path[2], {path[1]})};
    EXPECT_EQ(one.judge(), "CERT-REVOKED");
    // A second list of the same issuer takes nothing back.
    one.lists = {list_by(path[1], {path[0]}), list_by(path[1]), list_by(path[2])};
    EXPECT_EQ(one.judge(), "CERT-REVOKED");
}

TEST(PathRevocation, RefusesListsOutOfTheirTimeAndOfForgers) {
    const std::vector<Certificate>& path = made_path();
    PathCase one;
    one.now = at("2026-05-31T23:59:59Z");
    EXPECT_EQ(one.judge(), "CERT-CRL-DATES");
    one.now = at("2026-12-31T00:00:01Z");
    EXPECT_EQ(one.judge(), "CERT-CRL-DATES");
    one.now = at("2026-12-31T00:00:00Z");
    EXPECT_EQ(one.judge(), "accepted");
    one.lists[0] = list_by(path[1], {}, std::nullopt);
    EXPECT_EQ(one.judge(), "CERT-CRL-DATES");
    Bytes der = list_by(path[1]).der();
    der.back() ^= 1;
    one.lists[0] = MUST(Crl::parse_any(der));
    EXPECT_EQ(one.judge(), "CERT-CRL-SIGNATURE");
}

TEST(PathRevocation, AListOfAnotherIssuerDoesNotCount) {
    PathCase one;
    Certificate other = vtpm_certificate(vtpm_spec("other", true), &vtpm_root());
    one.lists[0] = list_by(other);
    EXPECT_EQ(one.judge(), "CERT-NOT-CHECKED");
}

TEST(PathRevocation, TheAnchorAloneNeedsNoList) {
    Checks checks;
    Unchecked unchecked("CERT-NOT-CHECKED", {});
    EXPECT_TRUE(check_path_revocation(std::span(made_path()).last(1), {}, unchecked,
                                      recorded_time(), checks));
}

}  // namespace
}  // namespace vouchsafe::evidence
