// The inside of Service, shared by service.cpp (what it does), routes.cpp (under which path) and
// policy/administration.cpp.
#pragma once

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/attest/appraisal_bundle.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/audit/flood_gate.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/jose/jws.h"
#include "vouchsafe/jose/signing_keys.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::attest {

struct Service::Impl {
    Impl(Config settings, Dependencies dependencies,
         std::unique_ptr<jose::SigningKeys> signing_keys, std::unique_ptr<PolicyBook> policy_book);

    // attest appraises, applies the policy, mints, writes the audit entry, and only then answers
    // with the token.
    net::Response attest(policy::AttestationTarget target, const net::Request& request);
    // attest_tpm answers both rounds of the TPM protocol (request/tpm_request.h): an init message
    // with a challenge, a request with a report.
    net::Response attest_tpm(const net::Request& request);
    net::Response certs(const net::Request& request) const;
    net::Response openid_configuration(const net::Request& request) const;
    // issue_challenge answers POST /challenge: {"challenge": text, "expires": seconds since 1970}.
    net::Response issue_challenge() const;

    // begin_entry is what every audit entry about a request has.
    audit::Entry begin_entry(const net::Request& request, std::string action) const;
    // refuse writes the entry, unless there is a flood of them, and answers 400 with the check's
    // code, or 500. `bundle` is kept with the entry.
    net::Response refuse(audit::Entry entry, const Error& error,
                         const evidence::Bundle* bundle = nullptr);
    // sign_claims adds what every token has and signs it.
    Result<std::string> sign_claims(Json claims) const;

    const Config config;
    const Dependencies deps;
    const std::unique_ptr<jose::SigningKeys> keys;
    const std::unique_ptr<PolicyBook> policies;
    const std::unique_ptr<ReferenceBook> references;
    Challenges challenges;
    KeptSnpChains snp_chains;
    KeptAks aks;
    KeptRuntimes runtimes;
    access::KeySets key_sets;
    access::KnownAssignments assignments;
    access::CurrentVouching vouching;  // at first that of `deps`
    net::Router router;

  private:
    audit::FloodGates refusals_;  // by actor; "": all who are not known
    // grant is an answer on its way: what was appraised, under which policy.
    struct Grant {
        Appraisal appraisal;
        SharedPolicy policy;
        bool draft = false;
        bool ear = false;  // the answer is an EAR
        bool wants_receipt = false;
        // What the policy says of a report on a TPM: how long, and with which certificate.
        std::optional<policy::PolicyProperties> report = std::nullopt;
    };
    // Sight is what a judgement takes from the store.
    struct Sight {
        SharedPolicy policy;
        ReferenceBook::Sets references;
        jose::SharedKeyRing keys;
        bool operator==(const Sight&) const = default;
    };
    // Seen is a sight and what it rests on.
    struct Seen {
        Sight sight;
        store::Basis basis = {};
    };
    enum class From { memory, store };
    // try_attest answers, or returns nullopt if what it judged by was remembered (From::memory) and
    // is not what the store has: then it did nothing.
    std::optional<net::Response> try_attest(policy::AttestationTarget target,
                                            const net::Request& request, From from,
                                            const Stopwatch& stopwatch);
    Result<Sight> look_in(store::View& view, policy::AttestationTarget target) const;
    Result<Seen> look(policy::AttestationTarget target, From from) const;
    // is_outdated reads what was remembered.
    bool is_outdated(policy::AttestationTarget target, const Seen& seen) const;
    // Told is what a judgement leaves beside its verdict.
    struct Told {
        Json details;                                           // of the audit entry
        std::optional<evidence::Bundle> bundle = std::nullopt;  // if they are kept
    };
    Json header_of(const Grant& grant, const jose::RingKey& key) const;
    Seconds lifetime_of(const Grant& grant) const;
    Result<Grant> judge_request(policy::AttestationTarget target, const net::Request& request,
                                const Sight& sight, Checks& checks, Told& told);
    // record writes the bundle, if there is one, and the entry with its digest.
    Result<uint64_t> record(audit::Entry& entry, const evidence::Bundle* bundle) const;
    // record_grant is record for what was judged by `seen`; nullopt if that is outdated.
    Result<std::optional<uint64_t>> record_grant(audit::Entry& entry,
                                                 const evidence::Bundle* bundle,
                                                 policy::AttestationTarget target,
                                                 const Seen& seen) const;
    // tell_verdict: `error` is nullptr if a token was granted.
    void tell_verdict(policy::AttestationTarget target, const Error* error, double seconds) const;
    net::Response answer_without_check(const Error& error, const std::string& request_id) const;
    // answer has the receipt, if it is not empty, beside the token.
    net::Response answer(const Grant& grant, std::string token, std::string receipt,
                         const net::Request& request) const;
    Json token_header(const std::string& kid) const;
    // mint takes the claims out of `grant`; the token names the checks of `entry`.
    Result<std::string> mint(Grant& grant, const jose::SharedKeyRing& known,
                             audit::Entry& entry) const;
};

// add_routes fills impl.router: the whole table of the service (routes.cpp).
void add_routes(Service::Impl& impl);

}  // namespace vouchsafe::attest
