// The quote of an Intel SGX enclave (Intel SGX ECDSA QuoteGenReference, A.4, version 3): bytes to
// fields, nothing more. A parsed quote is not verified; policy takes VerifiedSgxQuote (verify.h).
#pragma once

#include "vouchsafe/evidence/tdx/quote_parts.h"

namespace vouchsafe::evidence {

// SgxQuote has what its verification needs: version 3, the enclave's report, and the PCK chain as
// certification data (type 5). Later versions can carry an enclave's report too; Intel's quoting
// enclave for SGX does not make them, and they are refused by name, like quotes of trust domains.
//
// Lengths: every part fills the one around it exactly, and behind the quote only zeros may follow,
// as with TdxQuote.
struct SgxQuote : QuoteParts {
    EnclaveReport body;

    // parse wants at most 64 KiB and fails with the checks SGX-TEE, SGX-VERSION,
    // SGX-CERTIFICATION-TYPE, TDX-FORM, TDX-KEY-TYPE, TDX-TRAILING.
    static Result<SgxQuote> parse(ByteView bytes, Checks& checks);
    static Result<SgxQuote> parse(ByteView bytes);
};

}  // namespace vouchsafe::evidence
