// What evidence says, as JSON with every field: for people who look at it and programs that read
// it. Nothing here is a statement about validity; only verifiers make those. Byte strings are
// lower-case hex.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/azure/hcl.h"
#include "vouchsafe/evidence/boot/boot_facts.h"
#include "vouchsafe/evidence/boot/ccel.h"
#include "vouchsafe/evidence/boot/ima.h"
#include "vouchsafe/evidence/sgx/quote.h"
#include "vouchsafe/evidence/snp/report.h"
#include "vouchsafe/evidence/tdx/quote.h"
#include "vouchsafe/evidence/tpm/types.h"

namespace vouchsafe::evidence {

// facts_of a report decodes the TCBs in the layout of `product`, and gives them as hex alone
// without one.
Json facts_of(const SnpReport& report, std::optional<SnpProduct> product);
Json facts_of(const TdxQuote& quote);
Json facts_of(const SgxQuote& quote);
Json facts_of(const HclReport& report);
Json facts_of(const RuntimeClaims& claims);
Json facts_of(const TpmAttest& attest);
Json facts_of(const TpmPublic& key);
Json facts_of(const crypto::Certificate& certificate);
Json facts_of(const EventLog& log);
Json facts_of(const TdEventLog& log);
Json facts_of(const BootFacts& boot);
Json facts_of(const ImaList& list);
Json facts_of(const ReplayedImaList& list);  // what is confirmed, and how much is not
Json facts_of(const PcrBank& bank);          // {"0": hex, ...}

}  // namespace vouchsafe::evidence
