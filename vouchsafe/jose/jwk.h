// JSON Web Keys (RFC 7517), public halves of RSA and EC keys.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::jose {

// parse_jwk reads kty RSA (n, e) or EC (crv, x, y), or the first certificate of x5c where those are
// absent; where both are there they must be the same key (RFC 7517, 4.7). Azure's kinds RSA-HSM and
// EC-HSM are the same in public. Private members are ignored. Numbers may be base64url or base64,
// padded or not, and may have leading zeros (azure-api A.3). Code::invalid if it is malformed,
// Code::unsupported for other kinds and curves; a vault's keys may be on P-256K, and no token is
// signed with one. The key may be too weak to verify with.
Result<crypto::PublicKey> parse_jwk(const Json& jwk);

// encode_jwk gives kty, n, e or crv, x, y; the caller adds kid, use, alg, x5c.
Json encode_jwk(const crypto::PublicKey& key);

// thumbprint is RFC 7638 with SHA-256: 32 bytes.
Bytes thumbprint(const crypto::PublicKey& key);

class KeptSignatures;  // kept_signatures.h

// JwkSet is a parsed `{"keys": [...]}`. Entries that cannot be read are skipped; at most 64 are
// kept.
class JwkSet {
  public:
    struct Entry {
        std::string kid;
        crypto::PublicKey key;
        std::string alg;     // the only algorithm it is for, or ""
        bool signs = false;  // `use` and `key_ops` allow it to verify signatures
        // What this key's signatures were found to hold for; shared by copies, forgotten with them.
        std::shared_ptr<KeptSignatures> kept;
    };

    // parse fails with Code::invalid if `json` is no key set, or if two different readable keys
    // have the same kid: which of them is meant must not be guessed.
    static Result<JwkSet> parse(const Json& json);

    // find returns the entry that may verify signatures and has this kid, compared as text; nullptr
    // if there is none. With an empty kid it returns the only entry of the set. Borrowed.
    const Entry* find_entry(std::string_view kid) const;
    const crypto::PublicKey* find(std::string_view kid) const;
    const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
};

}  // namespace vouchsafe::jose
