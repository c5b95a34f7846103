// What a vault tells who counts its verdicts.
#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {
namespace {

// CountedVault tells its verdicts into told_.
class CountedVault : public VaultTest {
  protected:
    CountedVault() {
        Dependencies deps{*store_, clock_, web_.fetch(), keys().signer};
        deps.on_verdict = [this](const Verdict& verdict) {
            told_.push_back(fmt::format("{} {} {}", verdict.operation,
                                        audit::outcome_name(verdict.outcome), verdict.code));
        };
        service_ = MUST(Service::create(config_, std::move(deps)));
    }
    // told returns what was told since it was asked last.
    std::vector<std::string> told() { return std::exchange(told_, {}); }

    std::vector<std::string> told_;
};

using testing::ElementsAre;
using testing::IsEmpty;

TEST_F(CountedVault, TellsEachOperationsVerdictOnce) {
    EXPECT_EQ(create("key", exportable_key()).status, 200);
    EXPECT_THAT(told(), ElementsAre("keys/create allowed "));
    as(kReleaser, "POST", "/keys/key/release", {{"target", "abc"}});
    EXPECT_THAT(told(), ElementsAre("keys/release refused TOKEN-FORMAT"));
    as(kNobody, "POST", "/keys/key/release", {{"target", "abc"}});
    EXPECT_THAT(told(), ElementsAre("keys/release refused CALLER-ROLE"));
    as(kOfficer, "GET", "/keys/nowhere");
    EXPECT_THAT(told(), ElementsAre("keys/get failed not_found"));
    send("GET", "/keys?api-version=7.4", "", "");
    EXPECT_THAT(told(), ElementsAre("keys/list refused CALLER-TOKEN"));
    send("GET", "/nowhere", "", "");
    EXPECT_THAT(told(), IsEmpty());
}

TEST_F(CountedVault, NamesRoutesWithoutTheNamesOfKeys) {
    net::Request request;
    request.method = "POST";
    request.path = {"keys", "name-of-a-key", "release"};
    EXPECT_EQ(service_->route_of(request), "/keys/{name}/release");
}

}  // namespace
}  // namespace vouchsafe::vault::test
