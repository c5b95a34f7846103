// A guest with a vTPM on Intel TDX, for the tests: a guest's evidence, and a machine's quote for
// it.
#pragma once

#include "vouchsafe/attest/test_service.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::attest::testing {

// td_inner_request is what AttestationInfo holds; the quote is bound to `bound`.
inline Json td_inner_request(const evidence::AzureGuestEvidence& evidence,
                             evidence::testing::TdxMachine hardware, const Bytes& bound) {
    constexpr size_t kReportData = 520;  // in a TD report body (TDX 1.0)
    Bytes data = crypto::hash(HashAlg::sha256, bound);
    data.resize(64);
    std::ranges::copy(data, hardware.signed_part.begin() + hardware.kBody + kReportData);
    Json out = inner_request(evidence, Dialect::cpp);
    out["IsolationInfo"] = {{"Type", "Tdx"},
                            {"Evidence",
                             {{"Proof", encode_base64(hardware.quote())},
                              {"RunTimeData", encode_base64(evidence.runtime_data)}}}};
    return out;
}

}  // namespace vouchsafe::attest::testing
