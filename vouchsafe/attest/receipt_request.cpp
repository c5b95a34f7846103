#include "vouchsafe/attest/receipt_request.h"

#include "vouchsafe/attest/receipt.h"

namespace vouchsafe::attest {

Result<bool> wants_receipt(const net::Request& request, Checks& checks) {
    constexpr size_t kMaxShown = 200;  // of hostile text repeated in a check
    const std::string* asked = request.query_value("receipt");
    if (asked == nullptr) return false;
    bool known = request.query_count("receipt") == 1 && (*asked == "true" || *asked == "false");
    TRY(checks.require(known, "ATTEST-REQUEST", "receipt", "true or false",
                       asked->substr(0, kMaxShown)));
    return *asked == "true";
}

Result<std::string> issue_receipt(const Service::Impl& service, const audit::Entry& entry,
                                  uint64_t index) {
    const Time now = service.deps.clock.now();
    Receipt receipt =
        TRY(make_receipt(service.deps.audit, entry, index, service.config.issuer, now));
    jose::SharedKeyRing ring = TRY(service.keys->current());
    return sign_receipt(receipt, ring->signing(now));
}

}  // namespace vouchsafe::attest
