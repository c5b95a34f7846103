// Fetching a piece of collateral from AMD's KDS, Intel's PCS, or a cache that speaks as they do
// (PCCS). One request for one piece; when to ask, and when not to, is collateral_store.h's. What is
// fetched is never trusted: it is verified like a piece from anywhere.
#pragma once

#include <functional>

#include "vouchsafe/attest/collateral/collateral_piece.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::attest {

inline constexpr const char* kAmdKds = "https://kdsintf.amd.com";
inline constexpr const char* kIntelPcs = "https://api.trustedservices.intel.com";
inline constexpr const char* kIntelRootCrl =
    "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der";

// CollateralConfig: by default no URL is ever fetched, and what is in the pack is all there is.
struct CollateralConfig {
    // Base URLs, without which the vendor's pieces are not fetched: kAmdKds, kIntelPcs, or a
    // cache's own. https, or http to this machine. No default: a service that speaks to vendors on
    // its own tells them when it is used; whoever runs it decides that.
    std::string kds_url = {};
    std::string pcs_url = {};
    // Where Intel's root has its list. "": at Intel's own address if pcs_url is Intel's, else where
    // a PCCS has it, {pcs_url}/sgx/certification/v4/rootcacrl.
    std::string root_crl_url = {};

    // A piece still in force is fetched again after this time, because a vendor that revokes
    // something publishes a new list long before the old one ends (Intel's live 30 days).
    Seconds refresh{86400};
    // Least time until something is asked for again after a failure; doubled with every further
    // one, up to max_retry. Failures of a whole service (429, 5xx, no answer) count for all it has.
    Seconds retry{30};
    Seconds max_retry{3600};
    // A service's own Retry-After is honoured, also beyond max_retry, but not longer than this:
    // a mistake there must not stop revocation for good.
    Seconds max_retry_after{86400};
    // How often the folder is looked at for what another process put there: a few calls of stat.
    Seconds rescan{5};
    // Of one request. Whoever needs a piece that is not there waits for it: longer than this no
    // client of the service would.
    std::chrono::milliseconds timeout{10'000};
};

// FetchUrl gets a URL: any status is a success, no answer Code::unavailable. Thread-safe.
using FetchUrl = std::function<Result<net::ClientResponse>(const std::string& url)>;
// fetch_over makes one that opens a connection for each request: they are rare.
FetchUrl fetch_over(net::ClientOptions options, const CollateralConfig& config);

// check_urls fails with Code::invalid for a base URL that is none, has a query, or is plain http to
// another machine.
Result<void> check_urls(const CollateralConfig& config);

// url_of is where a piece is fetched from (AMD 57230, 4; Intel PCS, API version 4); "" if its
// vendor's URL is not configured.
std::string url_of(const CollateralName& name, const CollateralConfig& config);

// FetchOutcome is a piece in force, verified, or why there is none.
struct FetchOutcome {
    Result<VerifiedPiece> piece;
    bool whole_service = false;        // the failure is no matter of this piece
    std::optional<Seconds> wait = {};  // what the service asked for (Retry-After)
};

// fetch_piece asks once and verifies. `name` must have a URL.
FetchOutcome fetch_piece(const CollateralName& name, const CollateralConfig& config,
                         const FetchUrl& fetch, const PieceTerms& terms, Checks& checks);

// parse_retry_after reads delay-seconds or a date (RFC 9110, 10.2.3); nullopt for anything else.
std::optional<Seconds> parse_retry_after(std::string_view text, Time now);

}  // namespace vouchsafe::attest
