// What verified evidence says in the fields that reference values are compared with. Made from
// verified things alone. Pure.
#pragma once

#include "vouchsafe/attest/reference/reference_set.h"
#include "vouchsafe/evidence/azure/td_guest.h"
#include "vouchsafe/evidence/sgx/verify.h"
#include "vouchsafe/evidence/tdx/verify.h"

namespace vouchsafe::attest {

struct Measured {
    // By ReferenceField::path; a field that the evidence does not have is not here.
    std::map<std::string_view, Bytes> digests;
    std::map<std::string_view, uint64_t> numbers;
    std::optional<evidence::SnpProduct> snp_product;
    evidence::SnpTcb snp_tcb;  // the reported one, if there is a product
    std::optional<TeeTcbSvn> tee_tcb_svn;
    std::map<uint32_t, Bytes> pcrs;                 // quoted, SHA-256 bank
    std::map<uint32_t, std::vector<Bytes>> events;  // all of each confirmed register
};

Measured measured_of(const evidence::VerifiedSnpReport& report);
Measured measured_of(const evidence::VerifiedAzureGuest& guest);
Measured measured_of(const evidence::VerifiedTdQuote& quote);
Measured measured_of(const evidence::VerifiedTdGuest& guest);
Measured measured_of(const evidence::VerifiedSgxQuote& quote);

// reference_values_of makes the strictest values that `measured` matches: each digest alone, each
// SVN as a minimum, an enclave's product exactly, the TCB as the floor of its product, and each
// register. Digests of zeros are left out where they say that nobody gave a value (HOST_DATA, the
// configuration of owners and of enclaves). Events are not in it: the caller adds those that it
// means.
ReferenceValues reference_values_of(const Measured& measured);

}  // namespace vouchsafe::attest
