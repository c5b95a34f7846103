// Attestation providers of one's own: those that a lab's resource manager makes beside the shared
// one. Each is an attest::Service with its own host name, signing keys, policies, signers and place
// for roles. They live in the store, under the root key and in the audit log of the shared one, and
// cost no listener: whoever has one asks `find` by host name.
//
// The store's table lab_provider says whose an issuer is: issuer -> resource id. An issuer that has
// keys without such a row is an operator's ('vouchsafe serve attestation'), and is left alone.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/attest/service.h"

namespace vouchsafe::lab {

// OwnProvider is what a resource says of its provider.
struct OwnProvider {
    std::string issuer;       // "https://mine.weu.attest.azure.net"
    std::string resource_id;  // for role assignments
    // Policy signing certificates of the isolated trust model, for a store that has none yet.
    // Empty: roles alone decide who may change policies.
    std::vector<crypto::Certificate> signers = {};
    bool isolated = false;
};

// OwnProviders is thread-safe; put and remove are called by one thread at a time.
class OwnProviders {
  public:
    using Shared = std::shared_ptr<attest::Service>;

    // `like` has the settings that all share, `deps` what all borrow.
    OwnProviders(attest::Config like, attest::Dependencies deps)
        : like_(std::move(like)), deps_(std::move(deps)) {}

    // make starts a new provider, with fresh keys and the built-in policies; what a crash or an
    // earlier one left under its name is erased. Code::conflict if the name is not free for this
    // resource.
    Result<void> make(const OwnProvider& provider, std::string_view actor);
    // start takes up one that was made. One that runs goes on.
    Result<void> start(const OwnProvider& provider);
    // remove ends it and erases it; nothing happens if it is not this resource's.
    Result<void> remove(const OwnProvider& provider, std::string_view actor);

    // find takes a host name in lower case; nullptr: it has none. Requests that run keep what they
    // found.
    Shared find(std::string_view host) const;
    // handler answers as the provider that the request's host names; 404 ProviderNotFound without
    // one. It borrows this.
    net::Handler handler() const;
    // fetching finds discovery documents and keys of own providers here, all others by `otherwise`:
    // a vault in the same process needs no connection.
    access::FetchJson fetching(access::FetchJson otherwise) const;
    std::vector<std::string> hosts() const;

  private:
    Result<void> claim(const OwnProvider& provider) const;
    Result<bool> owns(const OwnProvider& provider) const;
    void stop(const OwnProvider& provider);

    const attest::Config like_;
    const attest::Dependencies deps_;
    mutable std::mutex mutex_;
    std::map<std::string, Shared, std::less<>> running_;  // by host name
};

}  // namespace vouchsafe::lab
