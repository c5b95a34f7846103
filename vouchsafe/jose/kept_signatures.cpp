#include "vouchsafe/jose/kept_signatures.h"

#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::jose {

bool KeptSignatures::holds(const Jws& jws, const crypto::PublicKey& key) {
    // The signed text has the header and so the algorithm in it, and no byte is left out: it has no
    // dot after its first, so that the second one ends it.
    crypto::Hasher hasher(crypto::HashAlg::sha256);
    hasher.update(as_bytes(jws.signing_input));
    hasher.update(as_bytes("."));
    hasher.update(jws.signature);
    const Bytes digest = hasher.finish();
    if (kept_.find(digest)) return true;
    if (!verify_jws(jws, key)) return false;
    kept_.keep(digest, std::make_shared<const Held>());
    return true;
}

}  // namespace vouchsafe::jose
