// TD quotes, and arbitrary bytes in the place of Intel's collateral. Oracles: what parses has its
// parts at their places, and only zeros behind; every refusal names a check; what verifies is no
// debug domain and says what was not checked; arbitrary collateral is refused with a check.
#include <cstdlib>
#include <string>

#include "vouchsafe/evidence/tdx/tcb.h"
#include "vouchsafe/evidence/tdx/verify.h"

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

void check_parts(ByteView bytes, const TdxQuote& quote) {
    size_t body = quote.version == 4 ? 48 : 54;
    size_t size = quote.body.tee_tcb_svn2 ? 648 : 584;
    require(quote.signed_size == body + size);
    require(quote.version == 4 || quote.version == 5);
    require(quote.size <= bytes.size() && all_zero(bytes.subspan(quote.size)));
    require(stands_at(bytes, body, quote.body.tee_tcb_svn));
    require(stands_at(bytes, body + 136, quote.body.mrtd));
    for (size_t i = 0; i < 4; ++i) {
        require(stands_at(bytes, body + 328 + 48 * i, quote.body.rtmr[i]));
    }
    require(stands_at(bytes, body + 520, quote.body.report_data));
    require(stands_at(bytes, quote.signed_size + 4, quote.signature));
    require(stands_at(bytes, quote.signed_size + 68, quote.attestation_key));
    require(stands_at(bytes, quote.signed_size + 138, quote.qe_report_bytes));
    require(equal(ByteView(quote.qe_report_bytes).subspan(320), quote.qe_report.report_data));
}

void check_collateral(ByteView bytes, const TrustAnchors& anchors) {
    std::string text = to_text(bytes);
    (void)parse_tcb_info(text, IntelTee::tdx).has_value();
    (void)parse_qe_identity(text, IntelTee::tdx).has_value();
    Checks checks;
    CollateralVerifier verifier(*anchors.intel, nullptr, Time{}, checks, IntelTee::tdx);
    auto info = verifier.verify_tcb_info({text, text});
    require(!info && info.error().reason() != nullptr);
    auto identity = verifier.verify_qe_identity({text, text});
    require(!identity && identity.error().reason() != nullptr);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ByteView bytes(data, size);
    const TrustAnchors& anchors = vendor_anchors();
    TdxRules rules;
    rules.may_be_unchecked = {TdxCheck::revocation, TdxCheck::qe_identity, TdxCheck::tcb_info};
    Checks checks;
    // 2026-07-01: all recorded PCK certificates are valid then.
    auto verified = verify_tdx(bytes, {}, anchors, rules, from_unix(1782864000), checks);
    require(verified || verified.error().reason() != nullptr);
    check_collateral(bytes, anchors);

    auto quote = TdxQuote::parse(bytes);
    if (!quote) {
        require(quote.error().reason() != nullptr && !verified);
        return 0;
    }
    check_parts(bytes, *quote);
    if (verified) {
        require(!quote->body.td_attributes.debug());
        require(verified->not_checked().size() == 3 && !verified->tcb());
    }
    return 0;
}
