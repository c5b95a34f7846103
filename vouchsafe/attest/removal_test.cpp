// Every check of an attest request is needed: see base/removal_table.h.
#include "vouchsafe/attest/appraise.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/base/removal_table.h"

namespace vouchsafe::attest {
namespace {

using namespace vouchsafe::testing;
using namespace testing;

std::string judge_guest(const Machine& machine) {
    Checks checks;
    return outcome(appraise_azure_guest(guest_request(machine), Config(), test_anchors(),
                                        test_time(), checks));
}

// snp_vm appraises a sound request after an edit.
Judge snp_vm(const std::function<void(Json&)>& edit) {
    Json request = snp_request(Machine{});
    edit(request);
    return [body = dump_json(request)] {
        Checks checks;
        return outcome(appraise_snp_vm(body, Config(), test_anchors(), test_time(), checks));
    };
}

RemovalTable rows() {
    const Json other = {{"data", encode_base64url(as_bytes("{}"))}, {"dataType", "JSON"}};
    auto unknown_paravisor = [] {
        Machine machine;
        machine.id_key = std::string(96, 'a');
        return judge_guest(machine);
    };
    return {
        {"ATTEST-REQUEST", {snp_vm([](Json& request) { request["nonce"] = true; }), kUnreadable}},
        {"ATTEST-DRAFT-POLICY",
         {snp_vm([](Json& request) { request["draftPolicyForAttestation"] = "version=1.0;"; })}},
        {"ATTEST-INIT-DATA", {snp_vm([&](Json& request) { request["initTimeData"] = other; })}},
        {"ATTEST-ID-KEY", {unknown_paravisor}},
    };
}

TEST(AttestCheckRemoval, EveryCheckDecidesACase) {
    expect_every_check_decides("attest", rows());
}

}  // namespace
}  // namespace vouchsafe::attest
