// The claims about an SGX enclave (azure-api C.3.4), and the old names that Azure still gives some
// of them besides (azure-api C.3, deprecated twins). Pure.
#pragma once

#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/attest/request/quote_request.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/evidence/sgx/verify.h"

namespace vouchsafe::attest {

// sgx_claims gives everything but what add_token_claims adds. Data that the enclave holds is in
// x-ms-runtime if it is JSON, in x-ms-sgx-ehd (base64url) if it is not. The hashes of
// x-ms-sgx-collateral are of what was `used` and not of more: the quote's always, a document's and
// its signer's if it was at hand, the root's list's only beside the document whose signer was
// looked up in it. The claims of key separation (KSS) are there if the enclave has it.
Json sgx_claims(const QuoteRequest& request, const evidence::VerifiedSgxQuote& quote,
                const UsedDocuments& used);

// is_old_sgx_name tells whether tokens about enclaves have a claim of this name, in any capitals,
// from the service: whoever writes policies cannot make one up, in no token.
bool is_old_sgx_name(std::string_view name);

// add_old_policy_claims adds the old names of the claims about the policy to those of an enclave,
// and nothing to others.
void add_old_policy_claims(Json& claims);

}  // namespace vouchsafe::attest
