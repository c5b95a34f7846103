#include "vouchsafe/evidence/tdx/collateral.h"

#include "vouchsafe/evidence/tdx/tcb.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

// refused_for verifies a document under Intel's root and tells why it is refused.
std::string refused_for(const std::string& json) {
    Checks checks;
    SignedJson document = recorded_json("tcbinfo-90c06f000000-2026b");
    document.json = json;
    CollateralVerifier verifier(*vendor_anchors().intel, nullptr, march_2026(), checks,
                                IntelTee::tdx);
    return refusal(verifier.verify_tcb_info(document));
}

// replaced changes the first occurrence, which must be there.
std::string replaced(std::string text, std::string_view from, std::string_view to) {
    size_t found = text.find(from);
    EXPECT_NE(found, std::string::npos) << from;
    return text.replace(found, from.size(), to);
}

TEST(TdxCollateral, VerifiesTheBytesAsServed) {
    std::string good = recorded_json("tcbinfo-90c06f000000-2026b").json;
    EXPECT_EQ(refused_for(good), "");
    // Around the signed object anything goes that is JSON; inside it no byte.
    EXPECT_EQ(refused_for(" " + replaced(good, "{\"tcbInfo\":", "{ \"tcbInfo\"\n:\t") + "\n"), "");
    EXPECT_EQ(refused_for(replaced(good, "\"version\":3", "\"version\": 3")),
              "TDX-COLLATERAL-SIGNATURE");
    EXPECT_EQ(refused_for(dump_json(MUST(parse_json(good)))), "TDX-COLLATERAL-SIGNATURE");
}

TEST(TdxCollateral, RefusesDocumentsThatTwoReadersCouldReadDifferently) {
    std::string good = recorded_json("tcbinfo-90c06f000000-2026b").json;
    std::string inner = good.substr(11, good.rfind(",\"signature\"") - 11);
    for (const std::string& json : {
             replaced(good, "{\"tcbInfo\":", "{\"tcbInfo\":{},\"tcbInfo\":"),
             replaced(good, "{\"tcbInfo\":", "{\"tcbInf\\u006f\":"),
             replaced(good, "{\"tcbInfo\":", "{\"x\":1,\"tcbInfo\":"),
             replaced(good, "{\"tcbInfo\":", "{\"tcbinfo\":"),
             replaced(good, ",\"signature\":\"", ",\"signature\":\"zz"),
             "{\"tcbInfo\":" + inner + "}",
             "{\"tcbInfo\":[" + inner + "],\"signature\":\"00\"}",
             good + "x",
             std::string("[]"),
             std::string(),
         }) {
        EXPECT_EQ(refused_for(json), "TDX-COLLATERAL-FORM") << json.substr(0, 60);
    }
}

TEST(TdxCollateral, FindsTheSignedObjectBehindTheSignatureAndBesideMisleadingText) {
    TdxMachine machine;
    machine.tcb_info["note"] = "}],\"tcbInfo\":{\\";
    SignedJson document = machine.sign_json("tcbInfo", dump_json(machine.tcb_info));
    Json parts = MUST(parse_json(document.json));
    document.json = fmt::format("{{\"signature\":{},\"tcbInfo\":{}}}",
                                dump_json(parts["signature"]), dump_json(machine.tcb_info));
    Checks checks;
    CollateralVerifier verifier(machine.root(), nullptr, march_2026(), checks, IntelTee::tdx);
    auto info = verifier.verify_tcb_info(document);
    EXPECT_TRUE(info) << message(info);
    EXPECT_EQ(refusal(verifier.verify_qe_identity(document)), "TDX-COLLATERAL-FORM");
}

TEST(TdxCollateral, VerifiesEveryRecordedSignature) {
    for (const char* name : {"50806f000000-2023", "50806f000000-2026", "90c06f000000-2026",
                             "90c06f000000-2026b", "00a06d080000-2025"}) {
        Checks checks;
        CollateralVerifier verifier(*vendor_anchors().intel, nullptr, march_2026(), checks,
                                    IntelTee::tdx);
        (void)verifier.verify_tcb_info(recorded_json(std::string("tcbinfo-") + name)).has_value();
        EXPECT_TRUE(passed(checks, "TDX-COLLATERAL-SIGNATURE")) << name;
    }
    for (const char* year : {"2023", "2025", "2026"}) {
        Checks checks;
        CollateralVerifier verifier(*vendor_anchors().intel, nullptr, march_2026(), checks,
                                    IntelTee::tdx);
        (void)verifier.verify_qe_identity(recorded_json(std::string("qeidentity-td-") + year))
            .has_value();
        EXPECT_TRUE(passed(checks, "TDX-COLLATERAL-SIGNATURE")) << year;
    }
}

TEST(TdxCollateral, ReadsTcbInfoOfAnyCaseAndRefusesOtherKinds) {
    Json good = TdxMachine{}.tcb_info;
    auto parse = [&](auto change) {
        Json document = good;
        change(document);
        return parse_tcb_info(dump_json(document), IntelTee::tdx).has_value();
    };
    EXPECT_TRUE(parse([](Json& info) { info["fmspc"] = "90C06F000000"; }));
    EXPECT_TRUE(parse([](Json& info) { info.erase("tdxModuleIdentities"); }));
    EXPECT_TRUE(parse([](Json& info) { info["new"] = 1; }));
    EXPECT_FALSE(parse([](Json& info) { info["id"] = "SGX"; }));
    EXPECT_FALSE(parse([](Json& info) { info["version"] = 2; }));
    EXPECT_FALSE(parse([](Json& info) { info["tcbType"] = 1; }));
    EXPECT_FALSE(parse([](Json& info) { info["fmspc"] = "90c06f0000"; }));
    EXPECT_FALSE(parse([](Json& info) { info["tcbLevels"] = Json::array(); }));
    EXPECT_FALSE(parse([](Json& info) { info["tcbEvaluationDataNumber"] = -1; }));
    EXPECT_FALSE(parse([](Json& info) { info["tcbLevels"][0]["tcb"]["pcesvn"] = 65536; }));
    EXPECT_FALSE(
        parse([](Json& info) { info["tcbLevels"][0]["tcb"]["sgxtcbcomponents"][0]["svn"] = 256; }));
    EXPECT_FALSE(
        parse([](Json& info) { info["tcbLevels"][0]["tcb"]["tdxtcbcomponents"].erase(15); }));
    EXPECT_FALSE(parse([](Json& info) {
        info["tdxModuleIdentities"][0]["tcbLevels"][0]["tcbStatus"] = "SWHardeningNeeded";
    }));
    EXPECT_FALSE(parse([](Json& info) { info["tcbLevels"][1]["advisoryIDs"] = {1}; }));
}

TEST(TdxCollateral, ReadsQeIdentityAndRefusesOtherKinds) {
    Json good = TdxMachine{}.qe_identity;
    QeIdentity identity = MUST(parse_qe_identity(dump_json(good), IntelTee::tdx));
    EXPECT_EQ(identity.isvprodid, 2);
    EXPECT_EQ(identity.miscselect_mask, 0xffffffffu);
    good["id"] = "QE";
    EXPECT_FALSE(parse_qe_identity(dump_json(good), IntelTee::tdx).has_value());
}

TEST(TcbStatus, ConvergesAsIntelDoes) {
    using enum TcbStatus;
    EXPECT_EQ(converge_tcb_status(sw_hardening_needed, up_to_date), sw_hardening_needed);
    EXPECT_EQ(converge_tcb_status(up_to_date, out_of_date), out_of_date);
    EXPECT_EQ(converge_tcb_status(sw_hardening_needed, out_of_date), out_of_date);
    EXPECT_EQ(converge_tcb_status(configuration_needed, out_of_date),
              out_of_date_configuration_needed);
    EXPECT_EQ(converge_tcb_status(configuration_and_sw_hardening_needed, out_of_date),
              out_of_date_configuration_needed);
    EXPECT_EQ(converge_tcb_status(up_to_date, revoked), revoked);
    EXPECT_EQ(converge_tcb_status(revoked, up_to_date), revoked);
    EXPECT_EQ(tcb_status_name(out_of_date_configuration_needed), "OutOfDateConfigurationNeeded");
}

}  // namespace
}  // namespace vouchsafe::evidence
