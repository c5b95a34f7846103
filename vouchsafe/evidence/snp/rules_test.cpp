#include "vouchsafe/evidence/snp/rules.h"

#include <functional>

#include "vouchsafe/evidence/snp/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

// Turin, version 5: policy 0x3001f, SMT on, guest SVN 2, mitigation vectors 0x3f.
SnpCase turin() {
    return recorded_snp("turin-v5-azure");
}
SnpReport turin_report() {
    return MUST(SnpReport::parse(turin().report));
}

std::string judged(const std::function<void(SnpRules&)>& demand) {
    SnpCase one = turin();
    demand(one.rules);
    return refusal(one.verify());
}

std::string judged(const MadeSnp& made, const SnpRules& rules) {
    SnpCase one = made.make();
    one.rules = rules;
    one.rules.allow_unchecked = {kSnpRevocation};
    return refusal(one.verify());
}

// expect_floor tells that a floor at the exact TCB holds, and that one more in any component does
// not.
void expect_floor(SnpTcbFloor SnpTcbFloors::*which, const SnpTcb& exact, const char* code) {
    SCOPED_TRACE(code);
    auto with = [&](const SnpTcb& floor) {
        return judged(
            [&](SnpRules& rules) { (rules.minimum_tcb.*which)[SnpProduct::turin] = floor; });
    };
    EXPECT_EQ(with(exact), "");
    for (uint8_t SnpTcb::*part :
         {&SnpTcb::bootloader, &SnpTcb::tee, &SnpTcb::snp, &SnpTcb::microcode}) {
        SnpTcb higher = exact;
        ++(higher.*part);
        EXPECT_EQ(with(higher), code) << describe(higher);
    }
    SnpTcb higher = exact;
    ++*higher.fmc;
    EXPECT_EQ(with(higher), code);
    // A floor of another product is none.
    EXPECT_EQ(judged([&](SnpRules& rules) {
                  rules.minimum_tcb.*which = {{SnpProduct::milan, higher}};
              }),
              "");
}

TEST(SnpRules, CompareEveryComponentOfEachTcbWithItsFloor) {
    VerifiedSnpReport verified = MUST(turin().verify());
    expect_floor(&SnpTcbFloors::reported, verified.reported_tcb(), "SNP-TCB-FLOOR");
    expect_floor(&SnpTcbFloors::current, verified.current_tcb(), "SNP-TCB-FLOOR-CURRENT");
    expect_floor(&SnpTcbFloors::committed, verified.committed_tcb(), "SNP-TCB-FLOOR-COMMITTED");
    expect_floor(&SnpTcbFloors::launch, verified.launch_tcb(), "SNP-TCB-FLOOR-LAUNCH");
}

TEST(SnpRules, AllowVersion1IfTheySaySo) {
    MadeSnp made = MadeSnp::like("milan-v2-coco");
    made.report.version = 1;
    made.report.committed_tcb = {};
    made.report.launch_tcb = {};
    EXPECT_EQ(judged(made, {}), "SNP-VERSION");
    EXPECT_EQ(judged(made, {.allow_version_1 = true}), "");
    SnpRules floor{.allow_version_1 = true};
    floor.minimum_tcb.committed = {{SnpProduct::milan, SnpTcb{std::nullopt, 0, 0, 0, 1}}};
    EXPECT_EQ(judged(made, floor), "SNP-TCB-FLOOR-COMMITTED");
    made.report.version = 0;
    EXPECT_EQ(judged(made, {.allow_version_1 = true}), "SNP-VERSION");
}

TEST(SnpRules, CompareEachFloorWithItsOwnTcb) {
    // The report claims and runs 81, was launched with less, and can go back to less.
    MadeSnp made = MadeSnp::like("turin-v5-azure");
    made.report.committed_tcb[7] = 80;
    made.report.launch_tcb[7] = 79;
    auto floor = [](uint8_t microcode) {
        return SnpTcbFloor{{SnpProduct::turin, SnpTcb{uint8_t{1}, 1, 1, 4, microcode}}};
    };
    EXPECT_EQ(judged(made, {.minimum_tcb = {floor(81), floor(81), floor(80), floor(79)}}), "");
    EXPECT_EQ(judged(made, {.minimum_tcb = {floor(81), floor(81), floor(81), floor(79)}}),
              "SNP-TCB-FLOOR-COMMITTED");
    EXPECT_EQ(judged(made, {.minimum_tcb = {floor(81), floor(81), floor(80), floor(80)}}),
              "SNP-TCB-FLOOR-LAUNCH");
    made.report.current_tcb[7] = 80;
    EXPECT_EQ(judged(made, {.minimum_tcb = {floor(81), floor(81), floor(80), floor(79)}}),
              "SNP-TCB-FLOOR-CURRENT");
}

TEST(SnpRules, RefuseDebuggingUnlessTheyAllowItAndRecordItEvenThen) {
    SnpCase one = recorded_snp("milan-v2-google-debug");
    EXPECT_EQ(refusal(one.verify()), "SNP-POLICY-DEBUG");
    one.rules.allow_migration = true;  // allows something else
    EXPECT_EQ(refusal(one.verify()), "SNP-POLICY-DEBUG");
    one.rules.allow_debug = true;
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    ASSERT_TRUE(passed(one.checks, "SNP-POLICY-DEBUG"));
    for (const Check& check : one.checks.list()) {
        if (check.code != "SNP-POLICY-DEBUG") continue;
        EXPECT_EQ(check.found, "1 (allowed)");
        EXPECT_EQ(check.expected, "0 or 1: these rules allow it");
    }
}

TEST(SnpRules, RefuseAMigrationAgentUnlessTheyAllowIt) {
    MadeSnp made = MadeSnp::like("milan-v3-aci");
    EXPECT_EQ(judged(made, {}), "");
    made.report.policy.raw |= 1 << 18;
    EXPECT_EQ(judged(made, {}), "SNP-POLICY-MIGRATION");
    EXPECT_EQ(judged(made, {.allow_debug = true}), "SNP-POLICY-MIGRATION");
    EXPECT_EQ(judged(made, {.allow_migration = true}), "");
}

TEST(SnpRules, AllowNoPolicyBitThatNobodyKnows) {
    SnpRules lax{.allow_debug = true, .allow_migration = true};
    for (int bit = 0; bit < 64; ++bit) {
        MadeSnp made = MadeSnp::like("milan-v3-aci");
        made.report.policy.raw ^= uint64_t{1} << bit;
        if (bit > 15 && (bit == 17 || bit > 25)) {
            EXPECT_EQ(judged(made, lax), "SNP-POLICY-RESERVED") << bit;
        } else if (bit % 8 == 0) {
            EXPECT_EQ(judged(made, lax), "") << bit;
        }
    }
}

TEST(SnpRules, DemandThatMultithreadingIsOffAndForbidden) {
    SnpRules rules{.require_smt_off = true};
    MadeSnp made = MadeSnp::like("turin-v5-azure");
    EXPECT_EQ(judged(made, rules), "SNP-SMT");
    made.report.policy.raw &= ~(uint64_t{1} << 16);
    EXPECT_EQ(judged(made, rules), "SNP-SMT");  // the host has it on
    made.report.platform.raw &= ~uint64_t{1};
    EXPECT_EQ(judged(made, rules), "");
    made.report.policy.raw |= 1 << 16;
    EXPECT_EQ(judged(made, rules), "SNP-SMT");  // the policy would let the host turn it on
    EXPECT_EQ(judged(made, {}), "");
}

TEST(SnpRules, CompareTheWholeOfAnExpectedValue) {
    SnpReport is = turin_report();
    auto expect_exact = [](auto SnpRules::*rule, auto exact, const char* code) {
        SCOPED_TRACE(code);
        EXPECT_EQ(judged([&](SnpRules& rules) { rules.*rule = exact; }), "");
        for (size_t at : {size_t{0}, exact.size() - 1}) {
            auto other = exact;
            other[at] ^= 1;
            EXPECT_EQ(judged([&](SnpRules& rules) { rules.*rule = other; }), code) << at;
        }
    };
    expect_exact(&SnpRules::report_data, is.report_data, "SNP-REPORT-DATA");
    expect_exact(&SnpRules::measurement, is.measurement, "SNP-MEASUREMENT");
    expect_exact(&SnpRules::host_data, is.host_data, "SNP-HOST-DATA");
    expect_exact(&SnpRules::family_id, is.family_id, "SNP-FAMILY-ID");
    expect_exact(&SnpRules::image_id, is.image_id, "SNP-IMAGE-ID");
}

TEST(SnpRules, DemandAMinimumGuestSvn) {
    EXPECT_EQ(judged([](SnpRules& rules) { rules.minimum_guest_svn = 1; }), "");
    EXPECT_EQ(judged([](SnpRules& rules) { rules.minimum_guest_svn = 2; }), "");
    EXPECT_EQ(judged([](SnpRules& rules) { rules.minimum_guest_svn = 3; }), "SNP-GUEST-SVN");
}

TEST(SnpRules, DemandTheVmplExactly) {
    EXPECT_EQ(judged([](SnpRules& rules) { rules.vmpl = 1; }), "SNP-VMPL");
    MadeSnp made = MadeSnp::like("milan-v3-aci");
    made.report.vmpl = 1;
    EXPECT_EQ(judged(made, {.vmpl = 1}), "");
    EXPECT_EQ(judged(made, {.vmpl = 2}), "SNP-VMPL");
    EXPECT_EQ(judged(made, {}), "SNP-VMPL");
}

TEST(SnpRules, DemandOneOfTheIdKeys) {
    std::array<uint8_t, 48> right = turin_report().id_key_digest;
    std::array<uint8_t, 48> wrong = right;
    wrong.back() ^= 1;
    EXPECT_EQ(judged([&](SnpRules& rules) { rules.id_key_digests = {wrong, right}; }), "");
    EXPECT_EQ(judged([&](SnpRules& rules) { rules.id_key_digests = {wrong}; }), "SNP-ID-KEY");
    MadeSnp unsigned_launch = MadeSnp::like("turin-v5-azure");
    unsigned_launch.report.id_key_digest = {};
    EXPECT_EQ(judged(unsigned_launch, {.id_key_digests = {{}}}), "SNP-ID-KEY");
    EXPECT_EQ(judged(unsigned_launch, {}), "");
}

TEST(SnpRules, DemandOneOfTheAuthorKeysAndThatItWasUsed) {
    std::array<uint8_t, 48> right{}, wrong{};
    right.fill(7);
    wrong.fill(8);
    MadeSnp made = MadeSnp::like("turin-v5-azure");
    made.report.author_key_digest = right;
    made.report.author_key_enabled = true;
    EXPECT_EQ(judged(made, {.author_key_digests = {wrong, right}}), "");
    EXPECT_EQ(judged(made, {.author_key_digests = {wrong}}), "SNP-AUTHOR-KEY");
    made.report.author_key_enabled = false;
    EXPECT_EQ(judged(made, {.author_key_digests = {right}}), "SNP-AUTHOR-KEY");
    made.report.author_key_enabled = true;
    made.report.author_key_digest = {};
    EXPECT_EQ(judged(made, {.author_key_digests = {{}}}), "SNP-AUTHOR-KEY");
}

TEST(SnpRules, DemandMitigationsInForceAtLaunchAndNow) {
    EXPECT_EQ(judged([](SnpRules& rules) { rules.launch_mitigations = 0x3f; }), "");
    EXPECT_EQ(judged([](SnpRules& rules) { rules.current_mitigations = 0x21; }), "");
    EXPECT_EQ(judged([](SnpRules& rules) { rules.launch_mitigations = 0x41; }),
              "SNP-MITIGATION-LAUNCH");
    EXPECT_EQ(judged([](SnpRules& rules) { rules.current_mitigations = 0x40; }),
              "SNP-MITIGATION-CURRENT");
    // Mended since the launch: in force now, but what ran before is not known to be clean.
    MadeSnp made = MadeSnp::like("turin-v5-azure");
    made.report.launch_mitigation_vector = 0x1f;
    EXPECT_EQ(judged(made, {.current_mitigations = 0x3f}), "");
    EXPECT_EQ(judged(made, {.launch_mitigations = 0x3f}), "SNP-MITIGATION-LAUNCH");
    // Before version 5 reports do not tell.
    MadeSnp older = MadeSnp::like("milan-v3-aci");
    EXPECT_EQ(judged(older, {.launch_mitigations = 1}), "SNP-MITIGATION-LAUNCH");
    EXPECT_EQ(judged(older, {.current_mitigations = 1}), "SNP-MITIGATION-CURRENT");
}

}  // namespace
}  // namespace vouchsafe::evidence
