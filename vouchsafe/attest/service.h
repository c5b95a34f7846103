// The attestation service: takes evidence over HTTP, appraises it with `evidence`, and answers with
// a signed token in the claim vocabulary of Microsoft Azure Attestation. What it verified and why
// it refused goes into the audit log under the request id; the network learns code and request id
// only.
//
// Any number of services with different issuers and keys can live in one process.
#pragma once

#include <functional>
#include <memory>

#include "vouchsafe/access/assignments.h"
#include "vouchsafe/attest/collateral/collateral_store.h"
#include "vouchsafe/attest/config.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/net/rate_limits.h"
#include "vouchsafe/net/server.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::attest {

// Verdict is how one request for a token ended, for who counts them; valid while it is told. Its
// texts are from tables of this program, not from requests.
struct Verdict {
    std::string_view type;  // "AzureGuest"
    audit::Outcome outcome = audit::Outcome::failed;
    std::string_view code;  // of the check that refused, or of the error ("io"); "" if allowed
    double seconds = 0;     // from the request to its answer
};

// What a service borrows. All of it must outlive the service.
struct Dependencies {
    store::Store& store;  // holds the sealed signing keys, policies and roles
    audit::Log& audit;    // actions "attest/AzureGuest" and so on, "policies/..."; in `store`
    const Clock& clock;
    const evidence::TrustAnchors& anchors;
    // Key sets of the issuers of access tokens. Without it no caller can be known, and routes that
    // need one refuse everybody.
    access::FetchJson fetch = nullptr;
    // Revocation lists and Intel's documents. Without it nothing can be said of revocation, and the
    // built-in policies refuse.
    CollateralStore* collateral = nullptr;
    // Told each verdict before the answer leaves, by any thread.
    std::function<void(const Verdict&)> on_verdict = nullptr;
    // Who besides the login of the settings says who calls the routes that need a caller.
    access::Vouching vouching = {};
    // How much is answered: of strangers by address, of callers, and of this provider. nullptr:
    // all.
    std::shared_ptr<net::RateLimits> limits = nullptr;
};

// Service is thread-safe.
class Service {
  public:
    // create makes the signing key and its self-signed certificate at the first start and loads
    // them afterwards; if `config` wants another algorithm, it makes a new key. Code::invalid for a
    // bad setting; Code::bad_evidence if the stored keys do not open under the root key of
    // `config.directory`.
    static Result<std::unique_ptr<Service>> create(Config config, Dependencies deps);
    ~Service();

    // handler answers the routes of routes.cpp. It borrows the service.
    net::Handler handler();
    // route_of names a request's route, for metrics and logs (Router::route_of).
    std::string_view route_of(const net::Request& request) const;

    // replace_vouching has callers judged by this from the next request on.
    void replace_vouching(access::Vouching vouching);

    // What must hold for tokens to be minted: the signing key signs and its certificate is valid;
    // the policies and reference values in force can be read and parse.
    Result<void> check_signing_key() const;
    Result<void> check_policies() const;

    // assign_role lets somebody read or change policies ("Attestation Contributor"), of this
    // service or where another one of the same store stands (`scope`, its Config::resource_id);
    // audited as done by `actor`.
    Result<access::RoleAssignment> assign_role(std::string_view principal, std::string_view role,
                                               std::string_view scope = {},
                                               std::string_view actor = "operator");

    // remove_role takes back what assign_role gave on this scope, audited likewise.
    // Code::not_found.
    Result<void> remove_role(std::string_view principal, std::string_view role,
                             std::string_view scope, std::string_view actor = "operator");

    const Config& config() const;
    // jwks is what GET /certs answers: the key that signs, what was announced, and what signed
    // tokens that have not ended. signing_certificate is the first's. Errors: the store's.
    Result<Json> jwks() const;
    Result<crypto::Certificate> signing_certificate() const;

    struct Impl;  // service_impl.h

  private:
    explicit Service(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::attest
