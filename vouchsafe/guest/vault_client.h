// The client of a key vault (azure-api A): keys by their identifier, and secure key release.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/keys.h"
#include "vouchsafe/crypto/x509.h"
#include "vouchsafe/guest/credential.h"
#include "vouchsafe/guest/evidence_collector.h"
#include "vouchsafe/guest/release_answer.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// vault_resource returns what access tokens for the vault at `host` are for, known by its suffix
// (azure-api A.1). Code::invalid for a host that is no vault's: a token is never sent there.
Result<std::string> vault_resource(std::string_view host);
// path_parts splits the path of an identifier; empty parts do not count.
std::vector<std::string> path_parts(std::string_view target);
bool is_vault_object_name(std::string_view text);  // 1 to 127 of [0-9A-Za-z-]

// KeyId is "https://{vault}/keys/{name}[/{version}]".
struct KeyId {
    net::Url url;  // of the vault: scheme, host, port
    std::string name;
    std::string version;  // "": the newest

    static Result<KeyId> parse(std::string_view text);
    std::string text() const;
    Result<std::string> resource() const;  // vault_resource of its host
};

struct VaultKey {
    std::string kid;  // with version
    std::string type;
    crypto::PublicKey key;
    Json bundle;  // the whole answer
};

struct ReleasedKey {
    std::string kid;  // with version
    crypto::PrivateKey key;
};

// VaultClient talks to vaults with one credential. Borrows both.
class VaultClient {
  public:
    VaultClient(net::Client& client, Credential& credential)
        : client_(client), credential_(credential) {}

    Result<VaultKey> get_key(const KeyId& id);
    // create_key posts the request body of azure-api A.3 to `id`'s name.
    Result<VaultKey> create_key(const KeyId& id, const Json& request);
    // unwrap_key asks the vault to unwrap with its key; `algorithm` as in azure-api A.5.
    Result<SecretBytes> unwrap_key(const KeyId& id, std::string_view algorithm, ByteView wrapped);

    // send is any request to the vault at `vault`'s host: `path` begins with a slash. It returns
    // the body of the 200 answer.
    Result<Json> send(const KeyId& vault, std::string_view method, std::string_view path,
                      const Json* body);

    // release_key presents an attestation token and returns the private key. `trusted` are the
    // roots the answer's signature must chain to; empty: the machine's own. Checks of the answer
    // (RELEASE-*): JWS signature and chain, name of the vault, nonce, key id, and that the private
    // key belongs to the public one in the answer. Borrows `tpm`.
    //
    // It is ask_release and open_release.
    Result<ReleasedKey> release_key(const KeyId& id, device::Tpm& tpm,
                                    const std::vector<uint32_t>& pcrs, const SecretBytes& token,
                                    const std::vector<crypto::Certificate>& trusted, Time now,
                                    Checks& checks);

    // ask_release has the vault release the key, wrapped for the TPM that `token` is about, and
    // verifies the answer. `nonce` is what the answer must repeat.
    Result<VerifiedRelease> ask_release(const KeyId& id, const SecretBytes& token,
                                        const std::string& nonce,
                                        const std::vector<crypto::Certificate>& trusted, Time now,
                                        Checks& checks);

  private:
    Result<Json> call(const KeyId& id, std::string_view method, std::string_view operation,
                      const Json* body);
    net::Client& client_;
    Credential& credential_;
};

// open_release unwraps a released key with the TPM: checks RELEASE-FORMAT and RELEASE-KEY-PAIR.
Result<ReleasedKey> open_release(const VerifiedRelease& release, device::Tpm& tpm,
                                 const std::vector<uint32_t>& pcrs, Checks& checks);

// system_roots reads the machine's certificate store (/etc/ssl/certs/ca-certificates.crt).
Result<std::vector<crypto::Certificate>> system_roots();

}  // namespace vouchsafe::guest
