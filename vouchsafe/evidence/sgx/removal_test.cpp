// Every check of an enclave's quote that is not TDX's too is needed: see removal_table.h.
#include "vouchsafe/evidence/removal_table.h"
#include "vouchsafe/evidence/sgx/test_machine.h"

namespace vouchsafe::evidence {
namespace {

using namespace testing;

constexpr size_t kVersion = 0, kTee = 4;  // in the header
constexpr size_t kCertification = 432 + 4 + 128 + 384 + 64 + 2 + 32;

// made changes a machine before everything is signed, sent what a sound one sent.
Judge made(const std::function<void(SgxMachine&)>& edit) {
    SgxMachine machine;
    edit(machine);
    return [one = machine.to_sgx_case()]() mutable { return outcome(one.verify()); };
}
Judge sent(const std::function<void(SgxCase&)>& edit) {
    SgxCase one = SgxMachine{}.to_sgx_case();
    edit(one);
    return [one]() mutable { return outcome(one.verify()); };
}

TEST(SgxCheckRemoval, EveryCheckDecidesACase) {
    auto signed_byte = [](size_t offset, uint8_t mask) {
        return made([=](SgxMachine& m) { m.signed_part[offset] ^= mask; });
    };
    auto status = [](const char* word) {
        return made([=](SgxMachine& m) { m.tcb_info["tcbLevels"][0]["tcbStatus"] = word; });
    };
    auto too_old = [](SgxMachine& m) {
        for (Json& level : m.tcb_info["tcbLevels"]) level["tcb"]["pcesvn"] = 12;
    };
    RemovalTable table = {
        {"SGX-TEE", {signed_byte(kTee, 1)}},
        {"SGX-VERSION", {signed_byte(kVersion, 7)}},
        {"SGX-CERTIFICATION-TYPE", {sent([](SgxCase& one) { one.quote[kCertification] = 4; })}},
        {"SGX-COLLATERAL-FORM", {status("Fine"), kUnreadable}},
        {"SGX-TCB-LEVEL", {made(too_old), "SGX-TCB-STATUS"}},
        {"SGX-TCB-STATUS", {status("OutOfDate")}},
        {"SGX-DEBUG", {signed_byte(SgxMachine::kFlags, 0x02)}},
        {"SGX-ATTRIBUTES", {signed_byte(SgxMachine::kFlags, 0x08)}},
    };
    expect_every_check_decides("evidence/sgx", table);
}

}  // namespace
}  // namespace vouchsafe::evidence
