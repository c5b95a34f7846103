// The policies of one attestation service: which one is in force for each kind of evidence, and
// whose signature may change them. Kept in the store; what another process changed there counts
// from the next request on.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vouchsafe/attest/policy/signed_document.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/policy/maa/known_claims.h"
#include "vouchsafe/policy/maa/parser.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::attest {

// ActivePolicy is immutable.
struct ActivePolicy {
    std::string jws;  // as it was set; the built-in one as an unsigned JWS
    std::string text;
    std::string hash;  // the claim x-ms-policy-hash
    Json signer;       // the claim x-ms-policy-signer; null if nobody signed it
    bool built_in = false;
    policy::AttestationPolicy rules;
};
using SharedPolicy = std::shared_ptr<const ActivePolicy>;

// read_policy makes one of a document: its payload's text must parse. Code::invalid; the message
// gives symbol, line and column.
Result<SharedPolicy> read_policy(const SignedDocument& document);

// read_draft makes one of draftPolicyForAttestation, which is a policy's text or its JWS.
Result<SharedPolicy> read_draft(const std::string& draft);

// PolicyBook is thread-safe.
class PolicyBook {
  public:
    using BuiltIn = std::map<policy::AttestationTarget, std::string>;  // texts

    // Borrows the store; `issuer` keeps the records of several services apart. Types that
    // `built_in` lacks have no policy until one is set. Code::invalid if a built-in text does not
    // parse.
    static Result<std::unique_ptr<PolicyBook>> create(store::Store& store, std::string issuer,
                                                      const BuiltIn& built_in);

    // active returns the policy in force, there or in the store now; nullptr if there is none. It
    // is the same object as long as it is the same policy.
    Result<SharedPolicy> active(store::View& view, policy::AttestationTarget type);
    Result<SharedPolicy> active(policy::AttestationTarget type);

    // Within the caller's transaction, so that the audit entry is committed with the change.
    Result<void> set(store::Transaction& tx, policy::AttestationTarget type,
                     const SignedDocument& document);
    Result<void> reset(store::Transaction& tx,
                       policy::AttestationTarget type);  // the built-in one again

    // Certificates whose signature may change policies; at most kMaxSigners.
    Result<std::vector<crypto::Certificate>> signers(store::View& view);
    // add_signer tells whether it was new; remove_signer, whether it was there. Code::conflict for
    // the last one, and for more than kMaxSigners.
    Result<bool> add_signer(store::Transaction& tx, const crypto::Certificate& signer);
    Result<bool> remove_signer(store::Transaction& tx, const crypto::Certificate& signer);

    // erase erases policies and signers of an issuer, and returns how many records that were.
    static Result<size_t> erase(store::Transaction& tx, const std::string& issuer);

    static constexpr size_t kMaxSigners = 64;  // policy signing certificates of one service

  private:
    PolicyBook(store::Store& store, std::string issuer)
        : store_(store), issuer_(std::move(issuer)) {}
    std::string key_of(policy::AttestationTarget type) const;

    store::Store& store_;
    const std::string issuer_;
    std::map<policy::AttestationTarget, SharedPolicy> built_in_;
    std::mutex mutex_;
    std::map<policy::AttestationTarget, SharedPolicy> known_;  // parsed before, by the stored JWS
};

}  // namespace vouchsafe::attest
