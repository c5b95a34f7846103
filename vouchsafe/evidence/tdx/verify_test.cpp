#include "vouchsafe/evidence/tdx/verify.h"

#include "vouchsafe/evidence/tdx/platform.h"
#include "vouchsafe/evidence/tdx/tcb.h"
#include "vouchsafe/evidence/tdx/test_collateral.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

TEST(TdxVerify, AcceptsEveryGenuineQuoteAndSaysWhatItDidNotCheck) {
    int accepted = 0;
    const Json known_facts = facts("tdx");
    for (const auto& [name, row] : known_facts.items()) {
        if (!name.ends_with(".quote.bin") || row["verdict"] != "valid") continue;
        SCOPED_TRACE(name);
        TdCase one{vector_bytes("tdx/" + name)};
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->tier(), Tier::hardware);
        EXPECT_EQ(verified->not_checked(),
                  (std::vector<std::string>{"revocation", "qe-identity", "tcb-info"}));
        EXPECT_FALSE(verified->tcb().has_value());
        EXPECT_EQ(verified->signer().subject_common_name(), "Intel SGX PCK Certificate");
        EXPECT_EQ(hex(verified->report().mrtd), row["facts"]["mrtd"]);
        ++accepted;
    }
    EXPECT_EQ(accepted, 7);
}

TEST(TdxVerify, RefusesEveryOtherVectorByItsVerdict) {
    const std::map<std::string, std::string> codes{
        {"signature invalid", "TDX-SIGNATURE"},
        {"QE report signature invalid", "TDX-QE-SIGNATURE"},
        {"QE binding invalid", "TDX-QE-BINDING"},
        {"wrong chain", "TDX-CHAIN-ROOT"},
        {"valid core, non-zero trailing bytes", "TDX-TRAILING"},
        {"valid (debug TD)", "TDX-DEBUG"},
        {"valid (SGX quote, not TDX)", "TDX-TEE"}};
    int refused = 0;
    const Json known_facts = facts("tdx");
    for (const auto& [name, row] : known_facts.items()) {
        if (!name.ends_with(".quote.bin") || row["verdict"] == "valid") continue;
        TdCase one{vector_bytes("tdx/" + name)};
        auto verified = one.verify();
        auto code = codes.find(row["verdict"].get<std::string>());
        if (code == codes.end()) {
            EXPECT_EQ(row["verdict"], "malformed") << name;
            EXPECT_NE(refusal(verified), "") << name;
        } else {
            EXPECT_EQ(refusal(verified), code->second) << name;
        }
        ++refused;
    }
    EXPECT_EQ(refused, 14);
}

TEST(TdxVerify, RefusesADebugDomainThoughItsQuoteIsGenuine) {
    TdCase one{recorded_quote("v4-debug")};
    EXPECT_EQ(refusal(one.verify()), "TDX-DEBUG");
    EXPECT_TRUE(passed(one.checks, "TDX-SIGNATURE"));
    EXPECT_TRUE(passed(one.checks, "TDX-CHAIN-ROOT"));
}

TEST(TdxVerify, AcceptsADebugDomainByARuleOfItsOwnAndRecordsIt) {
    TdCase one{recorded_quote("v4-debug")};
    one.rules.allow_debug = true;
    ASSERT_TRUE(one.verify());
    auto check = std::ranges::find(one.checks.list(), "TDX-DEBUG", &Check::code);
    ASSERT_NE(check, one.checks.list().end());
    EXPECT_EQ(check->found, "1");
    EXPECT_EQ(check->expected, "0 or 1: these rules allow it");
}

TEST(TdxVerify, AcceptsACurrentMachineWithAllCollateral) {
    TdCase one{recorded_quote("v5-bodytype3"),
               recorded_collateral("90c06f000000-2026b", "2026", "2026")};
    one.now = march_2026();
    one.rules = {.minimum_evaluation = 18};
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_TRUE(verified->not_checked().empty());
    ASSERT_TRUE(verified->tcb().has_value());
    EXPECT_EQ(verified->tcb()->status, TcbStatus::up_to_date);
    EXPECT_EQ(verified->tcb()->evaluation, 18u);
    EXPECT_TRUE(verified->tcb()->advisories.empty());
    one.rules.minimum_evaluation = 19;
    EXPECT_EQ(refusal(one.verify()), "TDX-EVALUATION");
}

// The TCB status that the facts give; the module's counts too.
std::string expected_status(const Json& pair) {
    std::string platform = pair["platform_status"];
    if (platform == "UpToDate" && pair.contains("module") && pair["module"].contains("status")) {
        return pair["module"]["status"];
    }
    return platform;
}

// judge reads TCB info without verifying it, to judge by documents of any year.
Result<TdTcb> judge(const std::string& quote_name, const std::string& tcb_info) {
    Checks checks;
    TdxQuote quote = MUST(TdxQuote::parse(vector_bytes(quote_name)));
    auto chain = MUST(crypto::Certificate::parse_pem_bundle(quote.pck_chain));
    PckInfo pck = MUST(PckInfo::parse(chain[0]));
    Json document = MUST(parse_json(vector_text(tcb_info)));
    TcbInfo info = MUST(parse_tcb_info(dump_json(document["tcbInfo"]), IntelTee::tdx));
    return PlatformChecker(IntelTee::tdx, checks).judge(info, &quote.body, pck, std::nullopt);
}

void expect_pair(const Json& pair) {
    std::string quote = pair["quote"];
    if (quote == "hcl/azure-tdx-akcert/td-quote.bin") quote = "tdx/v4-azure-akcert.quote.bin";
    if (quote == "tdx/v4-spr-e4.quote.bin") return;  // trailing bytes; its trimmed twin is here
    auto tcb = judge(quote, pair["tcbinfo"]);
    std::string status = expected_status(pair);
    if (status == "no matching level") {
        EXPECT_EQ(refusal(tcb), "TDX-TCB-LEVEL");
        return;
    }
    ASSERT_TRUE(tcb) << message(tcb);
    EXPECT_EQ(tcb_status_name(tcb->status), status);
    EXPECT_EQ(format_rfc3339(tcb->date), pair["tcbDate"]);
    EXPECT_EQ(Json(tcb->advisories), pair["advisories"]);
}

TEST(TdxVerify, JudgesEveryPairOfQuoteAndTcbInfoAsTheFactsSay) {
    Json pairs = MUST(parse_json(vector_text("tdx/facts.json")))["_tcb_status_of_pairs"];
    EXPECT_EQ(pairs.size(), 13u);
    for (const Json& pair : pairs) {
        SCOPED_TRACE(dump_json(pair));
        expect_pair(pair);
    }
}

TEST(TdxVerify, JudgesEveryPairWhoseCollateralIsOfMarch2026) {
    struct Row {
        const char* quote;
        const char* tcb_info;
        const char* code;
    };
    for (const Row& row : std::initializer_list<Row>{
             {"v5-bodytype3", "90c06f000000-2026b", ""},
             {"v4-azure-akcert", "90c06f000000-2026b", ""},
             {"v5-coco", "90c06f000000-2026b", "TDX-TCB-LEVEL"},
             {"v4-spr-e4-trimmed", "50806f000000-2026", "TDX-TCB-LEVEL"},
             {"v4-debug", "50806f000000-2026", "TDX-TCB-STATUS"},
             {"v5-bodytype3", "50806f000000-2026", "TDX-TCB-PLATFORM"},
             {"v4-azure", "50806f000000-2026", "TDX-TCB-PLATFORM"},
             {"v5-bodytype3", "90c06f000000-2026", "TDX-COLLATERAL-DATES"},
             {"v4-debug", "50806f000000-2023", "TDX-COLLATERAL-DATES"},
             {"v4-fmspc-00a06d08", "00a06d080000-2025", "TDX-COLLATERAL-DATES"}}) {
        TdCase one{recorded_quote(row.quote), recorded_collateral(row.tcb_info, "2026", "2026")};
        one.rules = {};
        one.now = march_2026();
        EXPECT_EQ(refusal(one.verify()), row.code) << row.quote << " " << row.tcb_info;
        EXPECT_TRUE(passed(one.checks, "TDX-COLLATERAL-SIGNATURE"));
    }
}

TEST(TdxVerify, TellsTheStatusOfAMachineThatMayBeOutOfDate) {
    TdCase one{recorded_quote("v4-debug"),
               recorded_collateral("50806f000000-2026", "2026", "2026")};
    one.rules = {.accepted_status = any_status()};
    one.now = march_2026();
    EXPECT_EQ(refusal(one.verify()), "TDX-DEBUG");  // all checks before it passed
    EXPECT_TRUE(passed(one.checks, "TDX-TCB-STATUS"));
    EXPECT_EQ(MUST(judge("tdx/v4-debug.quote.bin", "tdx/collateral/tcbinfo-50806f000000-2026.json"))
                  .advisories.size(),
              11u);
}

TEST(TdxVerify, JudgesAPairOfNovember2025) {
    TdCase one{recorded_quote("v4-fmspc-00a06d08"),
               {recorded_json("tcbinfo-00a06d080000-2025"), recorded_json("qeidentity-td-2025"),
                std::nullopt, std::nullopt}};
    one.rules = {.may_be_unchecked = {TdxCheck::revocation}};
    one.now = november_2025();
    EXPECT_EQ(refusal(one.verify()), "TDX-TCB-STATUS");
    one.rules.accepted_status = {TcbStatus::out_of_date};
    auto verified = one.verify();
    ASSERT_TRUE(verified) << message(verified);
    EXPECT_EQ(verified->tcb()->status, TcbStatus::out_of_date);
    EXPECT_EQ(verified->tcb()->evaluation, 17u);
}

TEST(TdxVerify, RefusesWhatIsNotCheckedUnlessTheRulesNameIt) {
    struct Row {
        TdxCheck check;
        void (*leave_out)(TdxCollateral&);
    };
    for (const Row& row : std::initializer_list<Row>{
             {TdxCheck::revocation, [](TdxCollateral& all) { all.root_crl.reset(); }},
             {TdxCheck::revocation, [](TdxCollateral& all) { all.pck_crl.reset(); }},
             {TdxCheck::qe_identity, [](TdxCollateral& all) { all.qe_identity.reset(); }},
             {TdxCheck::tcb_info, [](TdxCollateral& all) { all.tcb_info.reset(); }}}) {
        TdCase one{recorded_quote("v5-bodytype3"),
                   recorded_collateral("90c06f000000-2026b", "2026", "2026")};
        one.now = march_2026();
        row.leave_out(one.collateral);
        std::string name(tdx_check_name(row.check));
        one.rules.may_be_unchecked = everything_unchecked();
        one.rules.may_be_unchecked.erase(row.check);
        auto refused = one.verify();
        EXPECT_EQ(refusal(refused), "TDX-NOT-CHECKED") << name;
        EXPECT_EQ(refused_field(refused), name);
        one.rules.may_be_unchecked = {row.check};
        auto verified = one.verify();
        ASSERT_TRUE(verified) << message(verified);
        EXPECT_EQ(verified->not_checked(), std::vector<std::string>{name});
        EXPECT_EQ(verified->tcb().has_value(), row.check != TdxCheck::tcb_info);
    }
}

TEST(TdxVerify, UsesStaleCollateralNotEvenIfItMayBeUnchecked) {
    TdCase one{recorded_quote("v5-bodytype3"),
               recorded_collateral("90c06f000000-2026b", "2026", "2026")};
    one.now = at("2026-04-15T22:10:00Z");  // TCB info ends first, at 22:06:09
    auto verified = one.verify();
    EXPECT_EQ(refusal(verified), "TDX-COLLATERAL-DATES");
    EXPECT_EQ(verified.error().code, Code::expired);
    EXPECT_EQ(refused_field(verified), "tcbInfo");
    one.now = at("2026-04-15T22:16:04Z");
    EXPECT_EQ(refused_field(one.verify()), "enclaveIdentity");
    one.now = at("2026-04-15T22:34:06Z");
    EXPECT_EQ(refusal(one.verify()), "TDX-CRL-DATES");
    EXPECT_EQ(refused_field(one.verify()), "PCK CRL");
    one.now = at("2026-03-16T22:20:00Z");  // before the PCK list
    EXPECT_EQ(refusal(one.verify()), "TDX-CRL-DATES");
    one.now = at("2026-01-27T00:00:00Z");
    EXPECT_EQ(refusal(one.verify()), "TDX-CHAIN-DATES");
}

TEST(TdxVerify, RefusesOtherReportDataAndMissingAttributes) {
    TdCase one{recorded_quote("v5-bodytype3")};
    one.rules.report_data = MUST(one.verify()).report().report_data;
    EXPECT_EQ(refusal(one.verify()), "");
    one.rules.report_data->back() ^= 1;
    EXPECT_EQ(refusal(one.verify()), "TDX-REPORT-DATA");
    one.rules.required_attributes = 1ull << 28;
    EXPECT_EQ(refusal(one.verify()), "TDX-REPORT-DATA");
    one.rules.required_attributes = 1ull << 63;
    EXPECT_EQ(refusal(one.verify()), "TDX-ATTRIBUTES-REQUIRED");
}

TEST(TdxVerify, RefusesAllQuotesWithoutAPinnedRoot) {
    TdCase one{recorded_quote("v5-bodytype3")};
    one.anchors.intel.reset();
    EXPECT_EQ(refusal(one.verify()), "TDX-CHAIN-ROOT");
    one.anchors.intel = vendor_anchors().amd[0].ark;
    EXPECT_EQ(refusal(one.verify()), "TDX-CHAIN-ROOT");
}

}  // namespace
}  // namespace vouchsafe::evidence
