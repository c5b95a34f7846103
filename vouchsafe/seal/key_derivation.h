// From the data key to the message key and its commitment (algorithms reference, "key commitment").
// Private to seal/.
#pragma once

#include "vouchsafe/crypto/kdf.h"
#include "vouchsafe/seal/header.h"

namespace vouchsafe::seal {

// derive_key and derive_commitment: HKDF-SHA512 with the message id as salt; 32 bytes each.
inline SecretBytes derive_key(ByteView data_key, ByteView message_id) {
    Bytes info =
        to_bytes(std::string_view("\x04\x78"
                                  "DERIVEKEY",
                                  11));
    return crypto::hkdf(crypto::HashAlg::sha512, data_key, message_id, info, 32);
}
inline SecretBytes derive_commitment(ByteView data_key, ByteView message_id) {
    return crypto::hkdf(crypto::HashAlg::sha512, data_key, message_id, as_bytes("COMMITKEY"),
                        kCommitmentSize);
}

}  // namespace vouchsafe::seal
