// Helpers of the SGX tests: Intel's recorded documents for SGX, a case to verify, and the machine
// of tdx/test_machine.h with an enclave instead of a trust domain.
#pragma once

#include "vouchsafe/evidence/sgx/verify.h"
#include "vouchsafe/evidence/tdx/test_machine.h"

namespace vouchsafe::evidence::testing {

// The one recorded quote of an enclave. It is a debug enclave's.
inline Bytes recorded_sgx_quote() {
    return recorded_quote("v3-sgx-occlum");
}

inline SignedJson recorded_sgx_json(const std::string& name) {
    return {vector_text("sgx/" + name + ".json"),
            vector_text("tdx/collateral/tcb-signing-chain.pem")};
}

// When Intel's recorded documents for SGX are current.
inline Time july_2025() {
    return at("2025-07-01T00:00:00Z");
}

// SgxCase is one quote to verify: without collateral and with none demanded.
struct SgxCase {
    Bytes quote = recorded_sgx_quote();
    TdxCollateral collateral = for_sgx();
    SgxRules rules = {.may_be_unchecked = everything_unchecked()};
    TrustAnchors anchors = vendor_anchors();
    Time now = recorded_time();
    Checks checks = {};

    static TdxCollateral for_sgx() {
        TdxCollateral out;
        out.tee = IntelTee::sgx;
        return out;
    }
    Result<VerifiedSgxQuote> verify() {
        return verify_sgx(quote, collateral, anchors, rules, now, checks);
    }
};

// SgxMachine starts as the recorded quote's machine, but with an enclave for production, and TCB
// info in which it is up to date.
struct SgxMachine : TdxMachine {
    static constexpr size_t kEnclave = 48;  // where its report begins in signed_part
    static constexpr size_t kFlags = kEnclave + 48, kMrenclave = kEnclave + 64,
                            kConfigId = kEnclave + 192, kReportData = kEnclave + 320;

    SgxMachine() {
        tee = IntelTee::sgx;
        SgxQuote genuine = MUST(SgxQuote::parse(recorded_sgx_quote()));
        signed_part = recorded_sgx_quote();
        signed_part.resize(genuine.signed_size);
        signed_part[kFlags] &= static_cast<uint8_t>(~0x02);  // debug
        qe_report = to_bytes(ByteView(genuine.qe_report_bytes));
        pck_extension = extension_of(genuine);
        tcb_info = document("tcbinfo-00a067110000-2025", "tcbInfo");
        qe_identity = document("qeidentity-2025", "enclaveIdentity");
        tcb_info["fmspc"] = "00606A000000";
        Json level = tcb_info["tcbLevels"][0];
        for (size_t i = 0; i < 16; ++i) {
            constexpr uint8_t kSvns[] = {4, 4, 3, 3, 255, 255};
            level["tcb"]["sgxtcbcomponents"][i]["svn"] = i < std::size(kSvns) ? kSvns[i] : 0;
        }
        level["tcb"]["pcesvn"] = 11;
        level["tcbStatus"] = "UpToDate";
        level.erase("advisoryIDs");
        Json older = level;
        older["tcb"]["pcesvn"] = 10;
        older["tcbStatus"] = "OutOfDate";
        older["advisoryIDs"] = Json::array({"INTEL-SA-00001"});
        tcb_info["tcbLevels"] = Json::array({level, older});
    }

    SgxCase to_sgx_case() const {
        SgxCase out;
        out.quote = quote();
        out.collateral = collateral();
        out.rules = {};
        out.anchors = {};
        out.anchors.intel = root();
        out.now = march_2026();
        return out;
    }

  private:
    static Json document(const std::string& name, const char* member) {
        Json out = MUST(parse_json(recorded_sgx_json(name).json))[member];
        out["issueDate"] = "2026-03-01T00:00:00Z";
        out["nextUpdate"] = "2026-04-01T00:00:00Z";
        return out;
    }
};

}  // namespace vouchsafe::evidence::testing
