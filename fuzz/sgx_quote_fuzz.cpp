// Quotes of SGX enclaves, and arbitrary bytes in the place of Intel's collateral. Oracles: what
// parses has its parts at their places, and only zeros behind; no input is a quote of an enclave
// and of a trust domain; every refusal names a check; what verifies is no debug enclave and says
// what was not checked; arbitrary collateral is refused with a check.
#include <cstdlib>
#include <string>

#include "vouchsafe/evidence/sgx/verify.h"
#include "vouchsafe/evidence/tdx/quote.h"
#include "vouchsafe/evidence/tdx/tcb.h"

using namespace vouchsafe;
using namespace vouchsafe::evidence;

namespace {

void require(bool ok) {
    if (!ok) std::abort();
}

template <size_t N>
bool stands_at(ByteView bytes, size_t offset, const std::array<uint8_t, N>& field) {
    return equal(bytes.subspan(offset, N), field);
}

void check_parts(ByteView bytes, const SgxQuote& quote) {
    constexpr size_t kBody = 48, kEnd = kBody + EnclaveReport::kSize;
    require(quote.version == 3 && quote.signed_size == kEnd);
    require(quote.size <= bytes.size() && all_zero(bytes.subspan(quote.size)));
    require(stands_at(bytes, kBody + 48, quote.body.attributes));
    require(stands_at(bytes, kBody + 64, quote.body.mrenclave));
    require(stands_at(bytes, kBody + 128, quote.body.mrsigner));
    require(stands_at(bytes, kBody + 192, quote.body.config_id));
    require(stands_at(bytes, kBody + 320, quote.body.report_data));
    require(stands_at(bytes, kEnd + 4, quote.signature));
    require(stands_at(bytes, kEnd + 68, quote.attestation_key));
    require(stands_at(bytes, kEnd + 132, quote.qe_report_bytes));
    require(stands_at(bytes, kEnd + 132 + 384, quote.qe_report_signature));
    require(!TdxQuote::parse(bytes).has_value());
}

void check_collateral(ByteView bytes, const TrustAnchors& anchors) {
    std::string text = to_text(bytes);
    auto info = parse_tcb_info(text, IntelTee::sgx);
    require(!info || (!info->levels.empty() && info->modules.empty()));
    require(!info || !parse_tcb_info(text, IntelTee::tdx));
    auto identity = parse_qe_identity(text, IntelTee::sgx);
    require(!identity || !parse_qe_identity(text, IntelTee::tdx));
    Checks checks;
    CollateralVerifier verifier(*anchors.intel, nullptr, Time{}, checks, IntelTee::sgx);
    auto verified = verifier.verify_tcb_info({text, text});
    require(!verified && verified.error().reason() != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    const TrustAnchors& anchors = vendor_anchors();
    SgxRules rules;
    rules.may_be_unchecked = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};
    TdxCollateral nothing;
    nothing.tee = IntelTee::sgx;
    Checks checks;
    // 2026-07-01: the recorded PCK certificate is valid then.
    auto verified = verify_sgx(bytes, nothing, anchors, rules, from_unix(1782864000), checks);
    require(verified || verified.error().reason() != nullptr);
    check_collateral(bytes, anchors);

    auto quote = SgxQuote::parse(bytes);
    if (!quote) {
        require(quote.error().reason() != nullptr && !verified);
        return 0;
    }
    check_parts(bytes, *quote);
    if (verified) {
        require(!quote->body.debug() && quote->body.initialized());
        require(verified->not_checked().size() == 3 && !verified->tcb());
    }
    return 0;
}
