// How a root key is kept from one start of a service to the next: in its file as it is, or under
// something that the file does not hold. What a keeper gives is JSON, so that the file says for
// itself what is needed to open it.
#pragma once

#include <memory>
#include <string_view>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/crypto/sealed_blob.h"

namespace vouchsafe::crypto {

// RootKeeper is used by one thread at a time.
class RootKeeper {
  public:
    virtual ~RootKeeper() = default;

    // name stands in the file: "file", "passphrase", "tpm", "pkcs11".
    virtual std::string_view name() const = 0;
    // opener gives who recovers what the keeper called `kept_by` kept: of a single keeper itself,
    // or Code::conflict if that is another one. The answer lives as long as this does.
    virtual Result<RootKeeper*> opener(std::string_view kept_by);
    // keep gives an object from which recover makes the key again.
    virtual Result<Json> keep(const Secret<kRootKeySize>& key) = 0;
    // recover fails with Code::bad_evidence if what was kept is not this keeper's to open (a wrong
    // passphrase, another TPM) or was changed, and with Code::invalid if it is malformed.
    virtual Result<Secret<kRootKeySize>> recover(const Json& kept) = 0;
};

// keep_in_file keeps the key as it is: whoever may read the file has it.
std::unique_ptr<RootKeeper> keep_in_file();

// keep_under_passphrase encrypts it with AES-256-GCM under scrypt (RFC 7914; N 2^17, r 8, p 1: 128
// MiB and some tenths of a second each time). Code::invalid for a passphrase of less than 12 bytes,
// also where it would only open: what is worth guessing at must not be easy to guess.
Result<std::unique_ptr<RootKeeper>> keep_under_passphrase(SecretBytes passphrase);

}  // namespace vouchsafe::crypto
