// Command-line options that name sealed data and how its key is had, and the data itself.
#pragma once

#include <memory>
#include <optional>

#include "app/credential_options.h"
#include "vouchsafe/guest/key_session.h"
#include "vouchsafe/seal/pair.h"
#include "vouchsafe/seal/sealed_reader.h"
#include "vouchsafe/train/table.h"

namespace vouchsafe::app {

struct KeyOptions {
    std::string key;  // identifier of the vault's key
    std::string attest_url;
    std::string token_file;   // an attestation token we already have
    std::string private_key;  // PEM file: the key itself, without a vault
    std::string nonce;
    CredentialOptions credential;
};
void add_key_options(Command command, KeyOptions& options);

// KeySource gives the private key: from a file, or released by a vault at first use.
class KeySource {
  public:
    static Result<std::unique_ptr<KeySource>> create(const Context& context,
                                                     const KeyOptions& options,
                                                     guest::KeySession::Observer observer);
    // key returns the key that was used last, or else the one that --key names. Its kid is "" if it
    // comes from a file.
    Result<guest::ReleasedKey> key();
    seal::UnwrapKey unwrap_native();
    seal::PairUnwrap unwrap_pair(seal::WrapAlg alg);

  private:
    KeySource() = default;
    Result<std::string> version_in(const std::string& info) const;
    Result<SecretBytes> unwrap_with_file(const std::string& provider, const std::string& info,
                                         ByteView wrapped) const;
    std::string key_id_;                      // as given with --key
    std::optional<guest::ReleasedKey> used_;  // last; from a file: always
    bool from_file_ = false;
    std::unique_ptr<Credentials> credentials_;
    std::unique_ptr<guest::KeySession> session_;
};

struct DataOptions {
    std::string file;
    std::string wrapped_key;  // NAME.key: `file` is the tutorial's pair
    bool oaep = false;        // the pair's key is wrapped with RSA-OAEP-256
    bool plain = false;       // `file` is not sealed
    // What the file must say about itself (native format); bound to its data.
    seal::EncryptionContext required;
};
void add_data_options(Command command, DataOptions& options);

// kModelPurpose is the purpose of sealed models: nothing else is loaded as one.
inline constexpr const char* kModelPurpose = "model";

// load_table reads the table, sealed or plain, without ever having the plaintext on disk.
Result<train::Table> load_table(const DataOptions& data, KeySource* key,
                                const train::TableOptions& options, Checks& checks);

// open_sealed opens the whole file into memory.
Result<seal::Opened> open_sealed(const DataOptions& data, KeySource& key, Checks& checks);

}  // namespace vouchsafe::app
