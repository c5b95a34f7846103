// The tutorial's pair of files: NAME.enc = 12-byte nonce, AES-256-GCM ciphertext, 16-byte tag;
// NAME.key = the data key of 32 bytes wrapped by an RSA key (tutorial, encrypt_data.py and
// skr_decrypt.py). One tag for the whole file: nothing can be given out before all of it is read,
// so the native format (seal.h) is the better one for large files.
#pragma once

#include "vouchsafe/seal/open.h"

namespace vouchsafe::seal {

// GCM's limit for one message: 2^39 - 256 bits (NIST SP 800-38D, 5.2.1.1).
inline constexpr uint64_t kMaxPairSize = (uint64_t{1} << 36) - 32;

// seal_pair reads `in` to its end, writes NAME.enc to `enc` under a fresh data key and returns the
// content of NAME.key. Streamed. The caller commits `enc` and writes the key file.
Result<Bytes> seal_pair(Source& in, OutputFile& enc, const WrapKey& wrap);

// PairUnwrap gives back the data key from the content of NAME.key.
using PairUnwrap = std::function<Result<SecretBytes>(ByteView wrapped)>;

// pair_unwrap_with uses an RSA private key in memory.
PairUnwrap pair_unwrap_with(const crypto::PrivateKey& key, WrapAlg alg = WrapAlg::rsa1_5);

// open_pair opens NAME.enc in place in secret pages and gives it out if the tag held. `key_file` is
// the content of NAME.key: as long as an RSA modulus of 2048, 3072 or 4096 bits.
// Checks: PAIR-SIZE, PAIR-KEY, PAIR-TAG. Errors of `unwrap` come back as they are.
Result<Opened> open_pair(Source& enc, ByteView key_file, const PairUnwrap& unwrap, Checks& checks);

}  // namespace vouchsafe::seal
