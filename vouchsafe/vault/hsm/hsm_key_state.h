// What an HsmKey is inside. Private to vault/hsm/.
#pragma once

#include "vouchsafe/vault/hsm/objects.h"

namespace vouchsafe::vault {

struct HsmKey::State {
    std::shared_ptr<Token> token;
    Bytes id;
    HsmKeySpec spec;
    bool releasable = false;
    bool never_outside = false;
    std::optional<crypto::PublicKey> public_half;

    std::mutex mutex;              // holds the next one
    SecretBytes rejection_secret;  // see remove_pkcs1_padding; empty until it is needed

    // with_key runs `act` with the handle of the secret half. It finds it anew if the handle that
    // is remembered is stale. Code::not_found if the token has no such key.
    using Act = std::function<CK_RV(CK_SESSION_HANDLE, CK_OBJECT_HANDLE)>;
    Result<CK_RV> with_key(const Act& act) const;
    // size_of is the modulus's, in bytes.
    size_t modulus_size() const { return (spec.bits + 7) / 8; }
};

}  // namespace vouchsafe::vault
