// What Intel's lists say about a quote's quoting enclave, TDX module and platform. For
// quote_verifier.cpp alone, which verified the lists and the quote before.
#pragma once

#include "vouchsafe/evidence/tdx/collateral.h"
#include "vouchsafe/evidence/tdx/pck.h"
#include "vouchsafe/evidence/tdx/quote.h"

namespace vouchsafe::evidence {

// PlatformChecker records checks in `checks`, which it borrows.
class PlatformChecker {
  public:
    PlatformChecker(IntelTee tee, Checks& checks) : tee_(tee), checks_(checks) {}

    // judge_enclave fails with TDX-QE-IDENTITY if the enclave is another than Intel's, TDX-QE-LEVEL
    // if it is older than all listed ones (PCS, QE identity; DCAP, verification of the QE).
    Result<TcbJudgement> judge_enclave(const QeIdentity& identity, const EnclaveReport& report);

    // check_enclave_unlisted is what can be said without QE identity: the enclave is signed by
    // Intel's key for quoting enclaves of this TEE, is that product, and is in production. Anybody
    // can have another enclave's report signed by a genuine PCK. Fails with TDX-QE-IDENTITY.
    Result<void> check_enclave_unlisted(const EnclaveReport& report);

    // judge finds the platform's level and the module's, and converges both with the quoting
    // enclave's. SGX has no module: `report` is nullptr. Fails with TDX-TCB-PLATFORM,
    // TDX-MODULE-*, TDX-TCB-LEVEL, SGX-TCB-LEVEL.
    Result<TdTcb> judge(const TcbInfo& info, const TdReport* report, const PckInfo& pck,
                        const std::optional<TcbJudgement>& enclave);

    // check_module_unlisted is what can be said without TCB info: the module is signed by Intel
    // (MRSIGNERSEAM zero) and in production (no attributes). Fails with TDX-MODULE-SIGNER.
    Result<void> check_module_unlisted(const TdReport& report);

  private:
    Result<void> check_enclave(const QeIdentity& identity, const EnclaveReport& report);
    Result<void> check_module_signer(const TdxModule& module, const TdReport& report);
    Result<std::optional<TcbJudgement>> judge_module(const TcbInfo& info, const TdReport& report);
    Result<TcbJudgement> judge_platform(const TcbInfo& info, const TdReport* report,
                                        const PckInfo& pck);

    IntelTee tee_;
    Checks& checks_;
};

}  // namespace vouchsafe::evidence
