// Options that say how a vault's root key is kept: what every command shares that opens a vault
// directory. Secrets are named by files, never given themselves.
//
// The root key's file says who keeps it (crypto/root_ring.h), and the options give what opening it
// needs. So a service can be given what two keepers need, and then goes on while `vault
// rewrap-root` changes from one to the other.
#pragma once

#include <map>
#include <memory>
#include <mutex>

#include "app/command_line.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/crypto/root_keeper.h"
#include "vouchsafe/vault/hsm/hsm.h"

namespace vouchsafe::app {

// PinFiles reads each file with a PIN once, and keeps what it read once for all who use it.
// Thread-safe.
class PinFiles {
  public:
    // read: errors as read_credential.
    Result<vault::SharedPin> read(const std::string& place);

  private:
    std::mutex mutex_;
    std::map<std::string, std::weak_ptr<const SecretBytes>> read_;
};

struct HsmOptions {
    std::string module;
    std::string token;
    std::string pin;  // a file
    std::shared_ptr<PinFiles> pins = std::make_shared<PinFiles>();
};

struct RootOptions {
    std::string keeper;                    // "": whoever keeps the key that there is, else the file
    std::vector<std::string> passphrases;  // files
    std::string tcti;
    std::vector<std::string> pcrs;
    HsmOptions hsm;
    std::string label = "vouchsafe root";  // of the key in the token

    RootOptions();
};

// add_root_options adds --root and what the keepers need.
void add_root_options(Command command, RootOptions& options);

// read_credential reads a secret from a file that nobody else may read (Code::forbidden), without
// its trailing line end. "credential:NAME" is one that systemd hands over (LoadCredential=).
// `option` is named in errors, `place` only if it is a file: it may be the secret itself, by
// mistake.
Result<SecretBytes> read_credential(const std::string& place, std::string_view option);

// open_hsm logs in to the token that the options name; Code::invalid if they do not name all of it.
Result<vault::Hsm> open_hsm(const HsmOptions& options);

// make_root_keeper makes the keeper of that name from the options. Code::invalid if they lack what
// it needs.
Result<std::shared_ptr<crypto::RootKeeper>> make_root_keeper(const RootOptions& options,
                                                             std::string_view name);

// open_root_keeper gives the keeper of the root key in `directory`: a new one is kept as --root
// says, one that is there is opened by whoever keeps it. Should somebody change that while the
// keeper is in use it follows, as far as the options have what is needed; but where --root says who
// keeps it, to nobody else: who can write the file alone must not bring it to keep the key in plain
// sight. Code::conflict if --root says otherwise than the file; Code::invalid if the options lack
// what the file's keeper needs.
Result<std::shared_ptr<crypto::RootKeeper>> open_root_keeper(const RootOptions& options,
                                                             const Path& directory);

}  // namespace vouchsafe::app
