// Command-line options that say who we are to a vault.
#pragma once

#include <memory>

#include "app/context.h"
#include "vouchsafe/guest/credential.h"

namespace vouchsafe::app {

struct CredentialOptions {
    std::string identity;  // client id of a managed identity; "": the machine's own
    std::string tenant;    // with client_id: an application
    std::string client_id;
    std::string secret_file;  // or the environment's AZURE_CLIENT_SECRET
    std::string access_token_file;
};

void add_credential_options(Command command, CredentialOptions& options);

// Credentials owns what a credential needs.
struct Credentials {
    guest::MetadataClient metadata;
    net::Client client;
    std::unique_ptr<guest::Credential> credential;
};

// make_credentials: an access token from a file, else an application's secret (options, or Azure's
// AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET), else this machine's managed identity.
Result<std::unique_ptr<Credentials>> make_credentials(const CredentialOptions& options,
                                                      const guest::Site& site);

// read_secret_file reads a file without its trailing line end. "-" is standard input.
Result<SecretBytes> read_secret_file(const std::string& file);

}  // namespace vouchsafe::app
