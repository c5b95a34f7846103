// What a PKCS#11 module's return values mean for us (PKCS#11 v2.40, 5.1). Private to vault/hsm/.
#pragma once

#include <p11-kit/pkcs11.h>

#include "vouchsafe/base/result.h"

namespace vouchsafe::vault {

// fail_pkcs11 is "WHAT: what the token said, and what to do". Never a key, a PIN or data.
tl::unexpected<Error> fail_pkcs11(CK_RV rv, std::string_view what);

// session_lost: the session is of no use any more, and another one may do.
bool session_lost(CK_RV rv);
// lost_before_start: besides, the call cannot have had an effect.
bool lost_before_start(CK_RV rv);
// handle_stale: the token does not have an object of this handle, or not any more.
bool handle_stale(CK_RV rv);
// is_bad_data: what was to be decrypted or unwrapped is at fault. Modules differ in how they say
// that, and the two general errors are what several of them give for a wrong tag or padding.
bool is_bad_data(CK_RV rv);
// refuses_mechanism: the token does not do this, or not with these parameters.
bool refuses_mechanism(CK_RV rv);

}  // namespace vouchsafe::vault
