// One key for one job: attests if need be, has the vault release the key, keeps it for as long as
// the job runs. Nothing happens before the key is asked for.
#pragma once

#include <functional>
#include <map>
#include <optional>

#include "vouchsafe/guest/attestation_client.h"
#include "vouchsafe/guest/site.h"
#include "vouchsafe/guest/vault_client.h"

namespace vouchsafe::guest {

struct KeySessionOptions {
    KeyId key;
    std::string attest_url;            // where to attest; unused with a token
    std::optional<SecretBytes> token;  // an attestation token somebody already has
    std::string nonce;                 // for the attestation's client payload
};

// SessionEvent tells the observer what was done: "attest" or "release", in seconds.
struct SessionEvent {
    std::string_view step;
    double seconds = 0;
    std::vector<Check> checks;
};

// KeySession is not thread-safe. Borrows the credential.
class KeySession {
  public:
    using Observer = std::function<void(const SessionEvent&)>;
    KeySession(const Site& site, Credential& credential, KeySessionOptions options,
               const Clock& clock, Observer observer);

    // key returns the released private key of a version: "" is the identifier's own, or the newest
    // if it has none. Each version is fetched once; all are released on one attestation.
    Result<ReleasedKey> key(const std::string& version = "");
    const KeyId& id() const { return options_.key; }

  private:
    Result<device::Tpm*> tpm();
    Result<void> attest_once();

    Site site_;
    Credential& credential_;
    KeySessionOptions options_;
    const Clock& clock_;
    Observer observer_;
    // One connection from attestation to release: the TPM then makes its ephemeral key only once.
    std::optional<device::Tpm> tpm_;
    MetadataClient metadata_;
    net::Client client_;
    std::map<std::string, ReleasedKey> keys_;  // by version
};

}  // namespace vouchsafe::guest
