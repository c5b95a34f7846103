// The recorded quote of an enclave under Intel's own root, and what no recorded quote shows by a
// machine in software.
#include "vouchsafe/evidence/sgx/verify.h"

#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr size_t kQeMiscselect = 16, kQeAttributes = 48, kQeMrsigner = 128, kQeProduct = 256,
                 kQeVersion = 258;

std::string refused(const SgxMachine& machine) {
    SgxCase one = machine.to_sgx_case();
    auto verified = one.verify();
    return verified ? "accepted" : refusal(verified) + " " + refused_field(verified);
}

std::string refused_with_flags(uint64_t flags) {
    SgxMachine machine;
    Bytes raw = Writer().u64_le(flags).take();
    std::copy(raw.begin(), raw.end(), machine.signed_part.begin() + SgxMachine::kFlags);
    return refused(machine);
}

SgxCase genuine_with_documents() {
    SgxCase one;
    one.now = july_2025();
    one.rules.allow_debug = true;
    one.collateral.qe_identity = recorded_sgx_json("qeidentity-2025");
    one.rules.may_be_unchecked = {TdxCheck::revocation, TdxCheck::tcb_info};
    return one;
}

TEST(SgxVerify, RefusesTheRecordedEnclaveForDebuggingAlone) {
    SgxCase one;
    EXPECT_EQ(refusal(one.verify()), "SGX-DEBUG");
    EXPECT_TRUE(passed(one.checks, "TDX-SIGNATURE"));
    EXPECT_TRUE(passed(one.checks, "TDX-QE-BINDING"));
    EXPECT_TRUE(passed(one.checks, "TDX-CHAIN-ROOT"));
    one.rules.allow_debug = true;
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tier(), Tier::hardware);
    EXPECT_EQ(verified->not_checked().size(), 3u);
    EXPECT_FALSE(verified->tcb().has_value());
    EXPECT_EQ(hex(verified->pck().fmspc), "00606a000000");
}

TEST(SgxVerify, AcceptsIntelsQuotingEnclaveByIntelsIdentityOfIt) {
    SgxCase one = genuine_with_documents();
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->not_checked(), (std::vector<std::string>{"revocation", "tcb-info"}));
    EXPECT_TRUE(passed(one.checks, "TDX-QE-LEVEL"));
    EXPECT_TRUE(passed(one.checks, "TDX-COLLATERAL-SIGNATURE"));
    one.rules.minimum_evaluation = 18;
    EXPECT_EQ(refusal(one.verify()), "TDX-EVALUATION");
    one.now = at("2025-07-20T00:00:00Z");
    EXPECT_EQ(refusal(one.verify()), "TDX-COLLATERAL-DATES");
}

TEST(SgxVerify, ReadsIntelsTcbInfoAndRefusesThatOfAnotherPlatform) {
    SgxCase one = genuine_with_documents();
    one.collateral.tcb_info = recorded_sgx_json("tcbinfo-00a067110000-2025");
    EXPECT_EQ(refusal(one.verify()), "TDX-TCB-PLATFORM");
    EXPECT_TRUE(passed(one.checks, "SGX-COLLATERAL-FORM"));
}

TEST(SgxVerify, RefusesIntelsDocumentsForTrustDomains) {
    SgxCase one = genuine_with_documents();
    one.now = march_2026();
    one.collateral.qe_identity = recorded_json("qeidentity-td-2026");
    EXPECT_EQ(refusal(one.verify()), "SGX-COLLATERAL-FORM");
    EXPECT_EQ(refused_field(one.verify()), "enclaveIdentity");
    one.collateral.qe_identity.reset();
    one.collateral.tcb_info = recorded_json("tcbinfo-90c06f000000-2026b");
    one.rules.may_be_unchecked = everything_unchecked();
    EXPECT_EQ(refused_field(one.verify()), "tcbInfo");
    one.collateral = {};  // of TDX
    EXPECT_EQ(refused_field(one.verify()), "collateral");
    // And the other way round.
    TdCase domain{recorded_quote("v5-bodytype3")};
    domain.now = july_2025();
    domain.collateral.qe_identity = recorded_sgx_json("qeidentity-2025");
    EXPECT_EQ(refusal(domain.verify()), "TDX-CHAIN-DATES");  // the machine is younger
    domain.now = march_2026();
    domain.collateral = SgxCase::for_sgx();
    EXPECT_EQ(refusal(domain.verify()), "TDX-COLLATERAL-FORM");
}

TEST(SgxMachine, IsAcceptedAsItIs) {
    SgxCase one = SgxMachine{}.to_sgx_case();
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tier(), Tier::simulated);
    EXPECT_TRUE(verified->not_checked().empty());
    EXPECT_EQ(verified->tcb()->status, TcbStatus::up_to_date);
    EXPECT_EQ(verified->tcb()->evaluation, 17u);
    one.anchors = vendor_anchors();
    EXPECT_EQ(refusal(one.verify()), "TDX-CHAIN-ROOT");
}

TEST(SgxMachine, IsVerifiedWithCollateralThatWasVerifiedBefore) {
    SgxCase one = SgxMachine{}.to_sgx_case();
    auto verify_with = [&](TdxCollateral collateral) {
        Checks checks;
        auto verified = MUST(verify_tdx_collateral(collateral, one.anchors, one.now, checks));
        return verify_sgx(one.quote, verified, one.rules, one.now, checks);
    };
    one.collateral.pck_issuer_chain = MUST(SgxQuote::parse(one.quote)).pck_issuer_chain();
    auto verified = verify_with(one.collateral);
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tcb()->status, TcbStatus::up_to_date);
    EXPECT_EQ(refusal(verify_with({})), "SGX-COLLATERAL-FORM");  // of TDX
}

TEST(SgxMachine, IsRefusedForFlagsThatWeakenAnEnclaveOrAreUnknown) {
    EXPECT_EQ(refused_with_flags(0x05), "accepted");
    EXPECT_EQ(refused_with_flags(0x4F5), "accepted");
    EXPECT_EQ(refused_with_flags(0x07), "SGX-DEBUG attributes.debug");
    EXPECT_EQ(refused_with_flags(0x04), "SGX-ATTRIBUTES attributes");  // not initialized
    for (int bit : {3, 8, 9, 11, 63}) {
        EXPECT_EQ(refused_with_flags(0x05 | uint64_t{1} << bit), "SGX-ATTRIBUTES attributes");
    }
}

TEST(SgxMachine, IsRefusedForAnotherQuotingEnclaveWithAndWithoutItsIdentity) {
    auto with = [](size_t offset, uint8_t mask) {
        SgxMachine machine;
        machine.qe_report[offset] ^= mask;
        SgxCase one = machine.to_sgx_case();
        std::string known = refusal(one.verify());
        one.collateral.qe_identity.reset();
        one.rules.may_be_unchecked = {TdxCheck::qe_identity};
        EXPECT_EQ(refusal(one.verify()), known);
        return known;
    };
    EXPECT_EQ(with(kQeAttributes, 4), "");  // not in the mask
    EXPECT_EQ(with(kQeAttributes, 2), "TDX-QE-IDENTITY");
    EXPECT_EQ(with(kQeMrsigner, 1), "TDX-QE-IDENTITY");
    EXPECT_EQ(with(kQeProduct, 3), "TDX-QE-IDENTITY");  // that of the TD quoting enclave
    EXPECT_EQ(with(kQeMiscselect, 1), "TDX-QE-IDENTITY");
}

TEST(SgxMachine, IsJudgedByItsQuotingEnclaveAndItsPlatform) {
    SgxMachine machine;
    machine.qe_report[kQeVersion] = 6;
    EXPECT_EQ(refused(machine), "SGX-TCB-STATUS tcbStatus");
    machine.qe_report[kQeVersion] = 0;
    EXPECT_EQ(refused(machine), "TDX-QE-LEVEL isvsvn");
    machine = {};
    machine.tcb_info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][15]["svn"] = 1;
    SgxCase one = machine.to_sgx_case();
    EXPECT_EQ(refusal(one.verify()), "SGX-TCB-STATUS");
    one.rules.accepted_status = {TcbStatus::out_of_date};
    EXPECT_EQ(MUST(one.verify()).tcb()->advisories, std::vector<std::string>{"INTEL-SA-00001"});
    machine.tcb_info["tcbLevels"][1]["tcb"]["pcesvn"] = 12;
    EXPECT_EQ(refused(machine), "SGX-TCB-LEVEL TCB");
    machine.tcb_info["tcbLevels"][1]["tcb"]["pcesvn"] = 11;
    machine.tcb_info["tcbLevels"][1]["tcbStatus"] = "Revoked";
    one = machine.to_sgx_case();
    one.rules.accepted_status = any_status();
    EXPECT_EQ(refusal(one.verify()), "SGX-TCB-STATUS");
}

TEST(SgxMachine, IsRefusedWhenACertificateIsRevoked) {
    SgxMachine machine;
    machine.revoked_by_issuer = {SgxMachine::kLeafSerial};
    EXPECT_EQ(refused(machine), "TDX-REVOKED PCK");
    machine.revoked_by_root = {SgxMachine::kIssuerSerial};
    EXPECT_EQ(refused(machine), "TDX-REVOKED intermediate");
}

TEST(SgxMachine, IsRefusedForCollateralThatIsMissingUnlessTheRulesNameIt) {
    struct Row {
        TdxCheck check;
        void (*leave_out)(TdxCollateral&);
    };
    for (const Row& row : std::initializer_list<Row>{
             {TdxCheck::revocation, [](TdxCollateral& all) { all.root_crl.reset(); }},
             {TdxCheck::revocation, [](TdxCollateral& all) { all.pck_crl.reset(); }},
             {TdxCheck::qe_identity, [](TdxCollateral& all) { all.qe_identity.reset(); }},
             {TdxCheck::tcb_info, [](TdxCollateral& all) { all.tcb_info.reset(); }}}) {
        SgxCase one = SgxMachine{}.to_sgx_case();
        row.leave_out(one.collateral);
        EXPECT_EQ(refusal(one.verify()), "TDX-NOT-CHECKED");
        one.rules.may_be_unchecked = {row.check};
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->not_checked(),
                  std::vector<std::string>{std::string(tdx_check_name(row.check))});
    }
}

TEST(SgxMachine, IsRefusedForOtherReportData) {
    SgxCase one = SgxMachine{}.to_sgx_case();
    one.rules.report_data = MUST(one.verify()).report().report_data;
    EXPECT_EQ(refusal(one.verify()), "");
    one.rules.report_data->back() ^= 1;
    EXPECT_EQ(refusal(one.verify()), "TDX-REPORT-DATA");
}

}  // namespace
}  // namespace vouchsafe::evidence
