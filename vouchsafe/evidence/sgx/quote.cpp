#include "vouchsafe/evidence/sgx/quote.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint16_t kVersion = 3;
constexpr uint32_t kSgxTee = 0;
constexpr uint32_t kTdxTee = 0x81;

}  // namespace

Result<SgxQuote> SgxQuote::parse(ByteView bytes, Checks& checks) {
    SgxQuote out;
    QuotePartsReader parts(bytes, IntelTee::sgx, checks, out);
    // In version 3 the field of the TEE type is reserved, and zero.
    uint32_t tee = TRY(parts.read_header());
    TRY(checks.require(tee == kSgxTee, "SGX-TEE", "TEE type", "0 (SGX)",
                       tee == kTdxTee ? "0x81 (TDX)" : fmt::format("{:#x}", tee)));
    TRY(checks.require(out.version == kVersion, "SGX-VERSION", "version", "3",
                       fmt::format("{}", out.version)));
    TRY(parts.check_key());
    ByteView report = TRY(parts.formed(parts.in().take(EnclaveReport::kSize, "enclave report")));
    out.body = TRY(parts.formed(EnclaveReport::parse(report)));
    TRY(parts.read_signature());
    return out;
}

Result<SgxQuote> SgxQuote::parse(ByteView bytes) {
    Checks checks;
    return parse(bytes, checks);
}

}  // namespace vouchsafe::evidence
