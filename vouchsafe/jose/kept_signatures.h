// Signatures that were verified already. A client sends one access token with every request for an
// hour: its signature is verified once, and the rest of its checks each time. Private to jose/.
#pragma once

#include "vouchsafe/base/kept.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::jose {

// KeptSignatures belongs to one key. Thread-safe.
class KeptSignatures {
  public:
    // holds is whether verify_jws(jws, key) succeeds; `key` is always the same. What did not hold
    // is not kept.
    bool holds(const Jws& jws, const crypto::PublicKey& key);

  private:
    struct Held {};
    Kept<Held, 1024> kept_;
};

}  // namespace vouchsafe::jose
