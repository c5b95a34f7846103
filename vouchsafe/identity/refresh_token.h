// Refresh tokens: a sign-in that can be renewed without its user, for whoever holds the token. They
// are sealed, not stored: only this service can open one, and what it says is held against the
// directory of now. Private to identity/.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::identity {

struct RefreshToken {
    std::string user;  // object id
    Time signed_in;    // the user was there; renewing does not change it
    Time expires;

    // encode gives base64url. parse is Code::bad_evidence for anything that encode did not make
    // under the same key.
    std::string encode(const crypto::RootKey& key) const;
    static Result<RefreshToken> parse(std::string_view text, const crypto::RootKey& key);
};

}  // namespace vouchsafe::identity
