// How the service answers a request for a receipt (?receipt=true). Private to attest/.
#pragma once

#include "vouchsafe/attest/service_impl.h"

namespace vouchsafe::attest {

inline constexpr std::string_view kReceiptMember = "x-vouchsafe-receipt";  // and header

// wants_receipt reads the query parameter: "true" or "false", once, else ATTEST-REQUEST.
Result<bool> wants_receipt(const net::Request& request, Checks& checks);

// issue_receipt signs a receipt for an entry of this service that was appended at `index`.
Result<std::string> issue_receipt(const Service::Impl& service, const audit::Entry& entry,
                                  uint64_t index);

}  // namespace vouchsafe::attest
