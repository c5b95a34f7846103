// Client secrets: made here, never chosen by people; and passwords. Both are stored only as salted
// hashes.
#pragma once

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/secret.h"

namespace vouchsafe::identity {

struct HashedSecret {
    Bytes salt;
    Bytes hash;
    Time expires;
};

// new_client_secret gives 43 characters of base64url: 256 random bits, and no character that a
// client would have to escape in a form (some do not: guest-protocol 5.2).
SecretBytes new_client_secret();

// hash_secret is scrypt with a fresh salt. The secret has full entropy, so the cost is small: it
// only has to make a stolen table useless, not a weak word strong.
HashedSecret hash_secret(ByteView secret, Time expires);

// matches compares in constant time. It does not look at `expires`.
bool matches(const HashedSecret& stored, ByteView secret);

// The same for passwords, which people choose: the cost is 16 times as large. matches_nobody takes
// as long as a comparison, so that time does not tell which users there are.
HashedSecret hash_password(ByteView password);
bool matches_password(const HashedSecret& stored, ByteView password);
void matches_nobody(ByteView password);

}  // namespace vouchsafe::identity
