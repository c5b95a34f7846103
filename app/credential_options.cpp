#include "app/credential_options.h"

#include <CLI/CLI.hpp>
#include <cstdlib>

namespace vouchsafe::app {

namespace {

std::string environment(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

Result<std::unique_ptr<guest::Credential>> application(const CredentialOptions& options,
                                                       net::Client& client) {
    guest::ClientSecretCredential::Options secret;
    secret.tenant = options.tenant;
    secret.client_id = options.client_id;
    if (secret.tenant.empty()) return fail(Code::invalid, "--client-id needs --tenant too");
    std::string from_environment = environment("AZURE_CLIENT_SECRET");
    if (!options.secret_file.empty()) {
        secret.secret = TRY(read_secret_file(options.secret_file));
    } else if (!from_environment.empty()) {
        secret.secret = SecretBytes::copy_of(from_environment);
    } else {
        return fail(Code::invalid, "--client-id needs --secret-file FILE or AZURE_CLIENT_SECRET");
    }
    return std::make_unique<guest::ClientSecretCredential>(client, std::move(secret));
}

}  // namespace

void add_credential_options(CLI::App& command, CredentialOptions& options) {
    auto* group = command.add_option_group("Who we are to the vault",
                                           "default: this machine's managed identity");
    group->add_option("--identity", options.identity, "client id of a user-assigned identity")
        ->type_name("GUID");
    group->add_option("--client-id", options.client_id, "an application, with its secret")
        ->envname("AZURE_CLIENT_ID")
        ->type_name("GUID");
    group->add_option("--tenant", options.tenant, "the application's tenant")
        ->envname("AZURE_TENANT_ID")
        ->type_name("GUID");
    group->add_option("--secret-file", options.secret_file, "file with the application's secret")
        ->type_name("FILE");
    group
        ->add_option("--access-token", options.access_token_file,
                     "file with an access token for the vault")
        ->type_name("FILE");
}

Result<SecretBytes> read_secret_file(const std::string& file) {
    Bytes bytes = TRY(read_file(file == "-" ? Path("/dev/stdin") : Path(file), 1 << 20));
    SecretBytes secret = SecretBytes::copy_of(bytes);
    wipe(bytes);
    size_t size = secret.size();
    while (size > 0 && (secret.expose()[size - 1] == '\n' || secret.expose()[size - 1] == '\r')) {
        --size;
    }
    secret.truncate(size);
    return secret;
}

Result<std::unique_ptr<Credentials>> make_credentials(const CredentialOptions& options,
                                                      const guest::Site& site) {
    std::unique_ptr<Credentials> out(
        new Credentials{guest::MetadataClient(site.client), net::Client(site.client), nullptr});
    if (!options.access_token_file.empty()) {
        out->credential = std::make_unique<guest::StaticCredential>(
            TRY(read_secret_file(options.access_token_file)));
    } else if (!options.client_id.empty()) {
        out->credential = TRY(application(options, out->client));
    } else {
        out->credential =
            std::make_unique<guest::ManagedIdentityCredential>(out->metadata, options.identity);
    }
    return out;
}

}  // namespace vouchsafe::app
