// How one operation goes through a token. Private to vault/hsm/.
#pragma once

#include "vouchsafe/vault/hsm/hsm_key_state.h"

namespace vouchsafe::vault {

// TokenVerb is a pair such as C_SignInit, C_Sign: all of them have these shapes.
struct TokenVerb {
    CK_RV (*start)(CK_SESSION_HANDLE, CK_MECHANISM*, CK_OBJECT_HANDLE);
    CK_RV (*act)(CK_SESSION_HANDLE, CK_BYTE*, CK_ULONG, CK_BYTE*, CK_ULONG*);
};
struct PassResult {
    CK_RV rv = CKR_OK;
    SecretBytes output;  // empty unless rv is CKR_OK
};
inline constexpr size_t kSpareOutput = 32;  // a block and a tag

// pass_through lets the key do it in one part; `most` is what comes out at most, and up to
// kSpareOutput more are taken.
Result<PassResult> pass_through(const TokenVerb& verb, const HsmKey::State& key,
                                CK_MECHANISM mechanism, ByteView input, size_t most);

Result<void> require_mechanism(const Token& token, CK_MECHANISM_TYPE mechanism);

// fail_decryption is the same sentence for whatever may be wrong with a ciphertext.
tl::unexpected<Error> fail_decryption(CK_RV rv);

}  // namespace vouchsafe::vault
