#include "app/credential_options.h"

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

void add_credential_options(Command command, CredentialOptions& options) {
    Command group =
        command.group("Who we are to the vault", "default: this machine's managed identity");
    group.option("--identity", options.identity, "client id of a user-assigned identity", "GUID");
    group.option("--client-id", options.client_id, "an application, with its secret", "GUID")
        .from_environment("AZURE_CLIENT_ID");
    group.option("--tenant", options.tenant, "the application's tenant", "GUID")
        .from_environment("AZURE_TENANT_ID");
    group.option("--secret-file", options.secret_file, "file with the application's secret",
                 "FILE");
    group.option("--access-token", options.access_token_file,
                 "file with an access token for the vault", "FILE");
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
        out->credential = std::make_unique<guest::ManagedIdentityCredential>(
            out->metadata, guest::IdentityName{"client_id", options.identity});
    }
    return out;
}

}  // namespace vouchsafe::app
