// JSON Web Keys (RFC 7517), public halves of RSA and EC keys.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/x509.h"

namespace vouchsafe::jose {

// parse_jwk reads kty RSA (n, e) or EC (crv, x, y), or the first certificate of x5c where those are
// absent. Private members are ignored. Leading zeros of e are accepted (azure-api A.3).
Result<crypto::PublicKey> parse_jwk(const Json& jwk);

// encode_jwk gives kty, n, e or crv, x, y; the caller adds kid, use, alg, x5c.
Json encode_jwk(const crypto::PublicKey& key);

// thumbprint is RFC 7638 with SHA-256: 32 bytes.
Bytes thumbprint(const crypto::PublicKey& key);

// JwkSet is a parsed `{"keys": [...]}`. Entries that cannot be read are skipped; at most 64 are kept.
class JwkSet {
  public:
    struct Entry {
        std::string kid;
        crypto::PublicKey key;
    };

    static Result<JwkSet> parse(const Json& json);
    // find compares kid as text. With an empty kid it returns the only key, or nullptr.
    const crypto::PublicKey* find(std::string_view kid) const;
    const std::vector<Entry>& entries() const { return entries_; }

  private:
    std::vector<Entry> entries_;
};

}  // namespace vouchsafe::jose
