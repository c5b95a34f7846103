#include "vouchsafe/attest/tcb_baselines.h"

#include "vouchsafe/attest/test_service.h"

namespace vouchsafe::attest {
namespace {

using namespace testing;
using policy::AttestationTarget;

Json list_of(AttestationTarget target, const Json& freshness = {}, bool built_in = true) {
    return tcb_baselines(target, Config{}, freshness, built_in)["tcbBaselines"];
}

TEST(TcbBaselines, OfAmdsProcessorsAreTheFloors) {
    for (auto target : {AttestationTarget::sev_snp_vm, AttestationTarget::azure_guest}) {
        Json list = list_of(target);
        ASSERT_EQ(list.size(), 3u);
        EXPECT_EQ(list[0]["tcbIdentifier"], "milan-3.0.8.115");
        EXPECT_EQ(list[0]["isSelectedTcb"], true);
        EXPECT_EQ(list[0]["x-vouchsafe-minimum-svn"]["microcode"], 115);
        EXPECT_EQ(list[2]["tcbIdentifier"], "turin-1.1.1.4.81");
    }
    EXPECT_EQ(list_of(AttestationTarget::sev_snp_vm, {}, false)[0]["isSelectedTcb"], false);
}

TEST(TcbBaselines, OfIntelsProcessorsAreTheEvaluationsInForce) {
    auto piece = [](const char* name, bool in_force, int evaluation) {
        return Json{{"name", name}, {"in_force", in_force}, {"evaluation", evaluation}};
    };
    Json freshness = {{"pieces",
                       {piece("intel/tcb-90c06f000000.json", true, 18),
                        piece("intel/tcb-b0c06f000000.json", true, 17),
                        piece("intel/tcb-c0c06f000000.json", true, 17),
                        piece("intel/tcb-d0c06f000000.json", false, 16),
                        piece("intel/sgx-tcb-00606a000000.json", true, 19),
                        piece("intel/qe-identity-td.json", true, 20),
                        {{"name", "intel/root.crl"}, {"in_force", true}}}}};
    Json list = list_of(AttestationTarget::tdx_vm, freshness);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(list[0]["tcbEvaluationDataNumber"], 17);
    EXPECT_EQ(list[0]["tcbIdentifier"], "17");
    EXPECT_EQ(list[0]["x-vouchsafe-fmspc"], Json({"b0c06f000000", "c0c06f000000"}));
    EXPECT_EQ(list[1]["tcbEvaluationDataNumber"], 18);
    for (auto target : {AttestationTarget::sgx_enclave, AttestationTarget::open_enclave}) {
        list = list_of(target, freshness);
        ASSERT_EQ(list.size(), 1u);
        EXPECT_EQ(list[0]["tcbEvaluationDataNumber"], 19);
    }
    EXPECT_EQ(list_of(AttestationTarget::tdx_vm), Json::array());
}

TEST(TcbBaselines, AreToldToAnybodyAndNotForWhatHasNone) {
    auto get = [](const char* type, const char* version = "2025-06-01") {
        return share().send("GET", std::string("/tcbbaselines/") + type, "", version);
    };
    net::Response response = get("sevsnpvm");
    EXPECT_EQ(response.status, 200);
    EXPECT_EQ(MUST(parse_json(response.body))["tcbBaselines"].size(), 3u);
    EXPECT_EQ(get("TdxVm").status, 200);
    EXPECT_EQ(get("Tpm").status, 400);
    EXPECT_EQ(get("Other").status, 404);
    EXPECT_EQ(get("TdxVm", "").status, 400);
}

}  // namespace
}  // namespace vouchsafe::attest
