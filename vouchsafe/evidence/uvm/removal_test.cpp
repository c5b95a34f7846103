// Every check of a UVM endorsement is needed: see removal_table.h.
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/uvm/test_endorsement.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

Judge verify(const Bytes& cose, const std::vector<UvmIssuer>& issuers, const UvmRules& rules = {},
             Time now = uvm_time()) {
    return [=] {
        Checks checks;
        return outcome(verify_uvm(cose, issuers, rules, now, checks));
    };
}

Judge made(const std::function<void(MadeUvm&)>& edit,
           const crypto::PrivateKey& key = uvm_authority().key) {
    MadeUvm one;
    edit(one);
    return verify(one.encode(key), one.issuers());
}

RemovalTable rows() {
    const MadeUvm sound;
    const Bytes cose = sound.encode();
    const std::vector<UvmIssuer> issuers = sound.issuers();
    const UvmAuthority stranger;
    auto named = [](const std::string& did) {
        return made([&](MadeUvm& one) { one.issuer = did; });
    };
    UvmRules newer, another;
    newer.minimum_svn = 23;
    another.measurement.emplace().fill(1);
    return {
        {"UVM-FORM", {verify(Bytes(cose.begin(), cose.end() - 1), issuers), kUnreadable}},
        {"UVM-ISSUER", {verify(cose, {{sound.issuer, "Other-UVM"}})}},
        {"UVM-ROOT", {named(did_of(stranger.root)), kUnreadable}},
        {"UVM-DATES", {verify(cose, issuers, {}, uvm_time() + Seconds{3601}), "UVM-CHAIN"}},
        {"UVM-CHAIN", {made([&](MadeUvm& one) { one.chain[0] = stranger.leaf; }, stranger.key)}},
        {"UVM-THUMBPRINT", {made([](MadeUvm& one) { one.thumbprint = Bytes(32); })}},
        {"UVM-IDENTITY", {named(did_of(uvm_authority().root, "::eku:1.3.6.1.4.1.311.76.59.1.3"))}},
        {"UVM-ALGORITHM", {made([](MadeUvm& one) { one.alg = -257; }), "UVM-SIGNATURE"}},
        {"UVM-SIGNATURE", {made([](MadeUvm&) {}, uvm_authority().ca_key)}},
        {"UVM-PAYLOAD", {made([](MadeUvm& one) { one.payload = "{}"; })}},
        {"UVM-SVN", {verify(cose, issuers, newer)}},
        {"UVM-MEASUREMENT", {verify(cose, issuers, another)}},
    };
}

TEST(UvmCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("evidence/uvm", rows());
}

}  // namespace
}  // namespace vouchsafe::evidence
