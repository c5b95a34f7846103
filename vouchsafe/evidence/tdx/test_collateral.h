// Helpers of the TDX tests: recorded quotes and Intel's recorded collateral.
#pragma once

#include "vouchsafe/evidence/tdx/verify.h"
#include "vouchsafe/evidence/test_vectors.h"

namespace vouchsafe::evidence::testing {

inline Bytes recorded_quote(const std::string& name) {
    return vector_bytes("tdx/" + name + ".quote.bin");
}

inline SignedJson recorded_json(const std::string& name) {
    return {vector_text("tdx/collateral/" + name + ".json"),
            vector_text("tdx/collateral/tcb-signing-chain.pem")};
}

// recorded_collateral brings TCB info by name, QE identity and revocation lists by year.
inline TdxCollateral recorded_collateral(const std::string& tcb_info, const std::string& qe_year,
                                         const std::string& crl_year) {
    return {recorded_json("tcbinfo-" + tcb_info), recorded_json("qeidentity-td-" + qe_year),
            vector_bytes("tdx/collateral/root-" + crl_year + ".crl.der"),
            vector_bytes("tdx/collateral/pck-platform-" + crl_year + ".crl.der")};
}

// Times at which recorded collateral is current. That of November 2025 has no revocation list, and
// that of 2023 is older than the recorded certificate of its signer.
inline Time november_2025() {
    return at("2025-11-01T00:00:00Z");
}
inline Time march_2026() {
    return at("2026-03-20T00:00:00Z");
}

inline const std::set<TdxCheck>& everything_unchecked() {
    static const std::set<TdxCheck> kAll{TdxCheck::revocation, TdxCheck::qe_identity,
                                         TdxCheck::tcb_info};
    return kAll;
}

inline const std::set<TcbStatus>& any_status() {
    static const std::set<TcbStatus> kAll{TcbStatus::up_to_date,
                                          TcbStatus::sw_hardening_needed,
                                          TcbStatus::configuration_needed,
                                          TcbStatus::configuration_and_sw_hardening_needed,
                                          TcbStatus::out_of_date,
                                          TcbStatus::out_of_date_configuration_needed,
                                          TcbStatus::revoked};
    return kAll;
}

// TdCase is one quote to verify: without collateral and with none demanded.
struct TdCase {
    Bytes quote;
    TdxCollateral collateral = {};
    TdxRules rules = {.may_be_unchecked = everything_unchecked()};
    TrustAnchors anchors = vendor_anchors();
    Time now = recorded_time();
    Checks checks = {};

    Result<VerifiedTdQuote> verify() {
        return verify_tdx(quote, collateral, anchors, rules, now, checks);
    }
};

}  // namespace vouchsafe::evidence::testing
