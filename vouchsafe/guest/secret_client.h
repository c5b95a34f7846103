// The client of a key vault's secrets (azure-api A.9, A.10).
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/credential.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// SecretId is "https://{vault}/secrets/{name}[/{version}]".
struct SecretId {
    net::Url url;  // of the vault: scheme, host, port
    std::string name;
    std::string version;  // "": the newest

    static Result<SecretId> parse(std::string_view text);
};

// GotSecret is a secret with its value; `bundle` is the answer without it.
struct GotSecret {
    Json bundle;
    SecretBytes value;
};

// SecretClient talks to vaults with one credential. Borrows both. A vault's refusal is an Error as
// remote_error makes it.
class SecretClient {
  public:
    SecretClient(net::Client& client, Credential& credential)
        : client_(client), credential_(credential) {}

    // set makes a new version and returns its bundle without the value. Code::invalid for a value
    // that is no UTF-8, which the protocol cannot carry. `content_type` may be "".
    Result<Json> set(const SecretId& id, const SecretBytes& value, const std::string& content_type);
    Result<GotSecret> get(const SecretId& id);
    // list returns what lists show, page by page: no values. `deleted` ones instead of active ones.
    Result<std::vector<Json>> list(const net::Url& vault, bool deleted);
    // These work on the whole secret, whatever version `id` has.
    Result<Json> remove(const SecretId& id);  // returns the deleted bundle
    Result<Json> recover(const SecretId& id);
    Result<void> purge(const SecretId& id);

  private:
    Result<net::ClientResponse> send(std::string_view method, const std::string& url,
                                     std::string body);
    net::Client& client_;
    Credential& credential_;
};

}  // namespace vouchsafe::guest
