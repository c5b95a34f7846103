// The sealed form in which /attest/AzureGuest hands out its token: only the TPM key that the guest
// certified, in the state it quoted, can open it (guest-protocol 4.3).
#pragma once

#include <string>

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/crypto/keys.h"

namespace vouchsafe::attest {

// seal_token encrypts the token with a fresh AES-256-GCM key (additional data "Transport Key"),
// that key with RSAES-PKCS1-v1_5 to `to` because the clients decrypt it so, and gives base64url of
// the JSON {EncryptedInnerKey, EncryptionParams, AuthenticationData, Jwt}. Code::invalid if `to` is
// no RSA key.
Result<std::string> seal_token(std::string_view token, const crypto::PublicKey& to);

}  // namespace vouchsafe::attest
