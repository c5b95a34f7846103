// Bodies of AzureGuest requests by what a service that keeps what it verified has seen of them: a
// machine's next one, with the report that it showed before (it has one until it starts again); its
// first one since it started, with a report that nobody has seen; the first one of a processor,
// with certificates that nobody has seen.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/attest/kept_aks.h"
#include "vouchsafe/attest/test_guest.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::bench {

// More than a service keeps, so that each is new again when its turn comes again.
inline constexpr size_t kMoreThanKept = attest::KeptAks::kMost + 50;

inline std::string guest_body(const evidence::AzureGuestEvidence& evidence) {
    using namespace attest::testing;
    return request_body(inner_request(evidence, Dialect::cpp));
}

inline std::vector<std::string> bodies_of_new_processors(size_t count) {
    std::vector<std::string> out;
    while (out.size() < count) out.push_back(guest_body(attest::testing::Machine{}.evidence()));
    return out;
}

// The same processor and TPM, each with a report of its own.
inline std::vector<std::string> bodies_with_new_reports(size_t count) {
    evidence::AzureGuestEvidence evidence = attest::testing::Machine{}.evidence();
    std::vector<std::string> out;
    while (out.size() < count) {
        attest::testing::Machine started;
        started.host_data =
            crypto::hash(crypto::HashAlg::sha256, as_bytes(std::to_string(out.size())));
        evidence.snp_report = started.report(crypto::sha256(evidence.runtime_data));
        out.push_back(guest_body(evidence));
    }
    return out;
}

}  // namespace vouchsafe::bench
