// Who the program is when it talks to a vault: a source of access tokens.
#pragma once

#include <memory>
#include <string>

#include "vouchsafe/base/secret.h"
#include "vouchsafe/guest/metadata_client.h"
#include "vouchsafe/net/client.h"

namespace vouchsafe::guest {

// Credential gives access tokens for a resource such as "https://vault.azure.net".
class Credential {
  public:
    virtual ~Credential() = default;
    virtual Result<SecretBytes> token(std::string_view resource) = 0;
};

// ManagedIdentityCredential asks the metadata service of this machine. Borrows `metadata`.
class ManagedIdentityCredential : public Credential {
  public:
    ManagedIdentityCredential(MetadataClient& metadata, IdentityName identity)
        : metadata_(metadata), identity_(std::move(identity)) {}
    Result<SecretBytes> token(std::string_view resource) override;

  private:
    MetadataClient& metadata_;
    IdentityName identity_;
};

// ClientSecretCredential is OAuth 2.0 client credentials, version 2 of the endpoint (azure-api
// D.4). Borrows `client`.
class ClientSecretCredential : public Credential {
  public:
    struct Options {
        std::string authority = "https://login.microsoftonline.com";
        std::string tenant;
        std::string client_id;
        SecretBytes secret;
    };
    ClientSecretCredential(net::Client& client, Options options)
        : client_(client), options_(std::move(options)) {}
    Result<SecretBytes> token(std::string_view resource) override;

  private:
    net::Client& client_;
    Options options_;
};

// StaticCredential is a token somebody already has.
class StaticCredential : public Credential {
  public:
    explicit StaticCredential(SecretBytes token) : token_(std::move(token)) {}
    Result<SecretBytes> token(std::string_view) override { return token_.clone(); }

  private:
    SecretBytes token_;
};

}  // namespace vouchsafe::guest
