// The kinds of Intel's trusted execution environments. Quotes of both are vouched for in the same
// way, by the same certificates and lists; here is where that differs in name.
#pragma once

#include <string_view>

namespace vouchsafe::evidence {

enum class IntelTee { sgx, tdx };

struct TeeTerms {
    std::string_view tcb_info_id;     // `id` of TCB info version 3
    std::string_view qe_identity_id;  // `id` of QE identity version 2
    std::string_view quotes;          // for people
    // Codes of checks that both have, but whose rule reads differently.
    std::string_view certification_type;
    std::string_view collateral_form;
    std::string_view tcb_level;
    std::string_view tcb_status;
};

inline constexpr TeeTerms kSgxTerms{"SGX",
                                    "QE",
                                    "quotes of SGX enclaves",
                                    "SGX-CERTIFICATION-TYPE",
                                    "SGX-COLLATERAL-FORM",
                                    "SGX-TCB-LEVEL",
                                    "SGX-TCB-STATUS"};
inline constexpr TeeTerms kTdxTerms{
    "TDX",           "TD_QE",         "TD quotes", "TDX-CERTIFICATION-TYPE", "TDX-COLLATERAL-FORM",
    "TDX-TCB-LEVEL", "TDX-TCB-STATUS"};

constexpr const TeeTerms& tee_terms(IntelTee tee) {
    return tee == IntelTee::sgx ? kSgxTerms : kTdxTerms;
}

}  // namespace vouchsafe::evidence
