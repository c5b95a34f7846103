#include "app/drop_in.h"

#include <unistd.h>

#include <cstdlib>

#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/guest/attestation_client.h"
#include "vouchsafe/guest/drop_in.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::app {

namespace {

// AzureAttestSKR's exit codes (guest-protocol 5.2); AttestationClient has no others.
enum class DropInExit {
    usage = 1,
    attestation = 2,
    identity = 3,   // no access token for the vault
    release = 4,    // the vault refused, or its answer does not hold
    crypto = 5,     // the key or the value does not fit or open
    transport = 6,  // vault or identity service cannot be reached, or say: later
    tracing = 255,  // SKR_TRACE_ON is neither 1 nor 2
};

std::string variable(const char* name) {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
}

SecretBytes secret_variable(const char* name) {
    const char* value = std::getenv(name);
    return SecretBytes::copy_of(std::string_view(value != nullptr ? value : ""));
}

std::span<char* const> words_of(int argc, char** argv) {
    return std::span<char* const>(argv, static_cast<size_t>(argc)).subspan(argc > 0 ? 1 : 0);
}

bool wants_help(std::span<char* const> words) {
    return words.size() == 1 &&
           (std::string_view(words[0]) == "-h" || std::string_view(words[0]) == "--help");
}

// Trace says on standard error what is done: SKR_TRACE_ON=1 the steps, 2 their checks too. Never
// a key or a token.
class Trace {
  public:
    static Result<Trace> from_environment() {
        const std::string level = variable("SKR_TRACE_ON");
        if (level.empty()) return Trace(0);
        if (level == "1" || level == "2") return Trace(level[0] - '0');
        return fail(Code::invalid, "SKR_TRACE_ON is '{}': write 1 (steps) or 2 (checks too)",
                    level);
    }

    void step(std::string_view text) const {
        if (level_ > 0) write_err(fmt::format("trace: {}\n", printable(text)));
    }
    void checks(const Checks& checks) const {
        if (level_ > 1) write_err(describe_checks(checks.list(), "trace:   ", false));
    }

  private:
    explicit Trace(int level) : level_(level) {}
    int level_;
};

int exit_with(DropInExit exit, const Context& context, const Error& error) {
    show_error(context, error);
    return static_cast<int>(exit);
}

Context drop_in_context(const char* name) {
    Context context;
    context.program = name;
    context.site_file = variable("VOUCHSAFE_SITE");
    return context;
}

// ---- AttestationClient --------------------------------------------------------------------------

constexpr const char* kAttestationClientHelp =
    R"(Usage: AttestationClient [-a URL] [-n TEXT] [-o token|bool]
  -a URL    attestation service (https://sharedeus2.eus2.attest.azure.net)
  -n TEXT   nonce, which comes back in the token
  -o WHAT   token: print the token. bool (default): print true for a confidential VM, else false
Exit codes: 0 attested, 1 usage, 2 not attested.
)";

// tells_confidential is what AttestationClient looks at (guest-protocol 5.1). The token is not
// verified here: whoever relies on it does that.
Result<bool> tells_confidential(const SecretBytes& token) {
    jose::Jws parts = TRY(jose::parse_jws(token.expose_text()));
    Json claims = TRY(parse_json_object(as_text(parts.payload)));
    const Json* tee = find_member(claims, "x-ms-isolation-tee");
    if (tee == nullptr || !tee->is_object()) return false;
    return equal_ignore_case(text_or_empty(*tee, "x-ms-attestation-type"), "sevsnpvm") &&
           equal_ignore_case(text_or_empty(*tee, "x-ms-compliance-status"), "azure-compliant-cvm");
}

Result<void> attest_and_print(const Context& context,
                              const guest::AttestationClientCommand& command) {
    guest::Site site = TRY(context.site());
    guest::MetadataClient metadata(site.client);
    net::Client client(site.client);
    device::Tpm tpm = TRY(guest::open_tpm(site.machine));
    // No challenge, as Azure's program: such a token lives for hours, for whoever it is shown to.
    guest::AttestOptions how;
    how.url = TRY(guest::attestation_origin(command.url));
    how.nonce = command.nonce;
    how.challenge = false;
    SecretBytes token = TRY(guest::attest(tpm, site.machine, metadata, client, how)).token;
    const bool confidential = TRY(tells_confidential(token));
    write_out(command.print_token ? token.expose_text() : confidential ? "true" : "false");
    return {};
}

int run_attestation_client(std::span<char* const> words) {
    const Context context = drop_in_context("AttestationClient");
    if (wants_help(words)) {
        write_out(kAttestationClientHelp);
        return 0;
    }
    auto command = guest::parse_attestation_client(words);
    if (!command) {
        write_err(kAttestationClientHelp);
        return exit_with(DropInExit::usage, context, command.error());
    }
    auto done = attest_and_print(context, *command);
    if (!done) return exit_with(DropInExit::attestation, context, done.error());
    return 0;
}

// ---- AzureAttestSKR -----------------------------------------------------------------------------

constexpr const char* kSkrHelp =
    R"(Usage: AzureAttestSKR [-a URL] [-n TEXT] -k KEYURL [-c imds|sp] ACTION
  -a URL          attestation service (https://sharedweu.weu.attest.azure.net)
  -n TEXT         nonce for the attestation and the release
  -k KEYURL       https://VAULT.vault.azure.net/keys/NAME/VERSION
  -c imds|sp      who asks: this machine's identity (IMDS_CLIENT_ID, IMDS_OBJECT_ID or
                  IMDS_MSI_RES_ID: which one), or the application of AKV_SKR_CLIENT_ID,
                  AKV_SKR_CLIENT_SECRET and AKV_SKR_TENANT_ID
Actions, after the key was released to this machine; the last one counts:
  -r              say on standard error what key it is
  -s TEXT -w      wrap TEXT, print base64
  -s BASE64 -u    unwrap, print the plaintext and a line end
  -B FILE|-|JSON  unwrap {"keys": [{"id": ..., "wrapped": ...}]}, print {"results": [...]}
  -H HASH         RSA-OAEP with this hash and nothing else: sha1, sha256, sha384, sha512
  -G HASH         another hash for its mask
Exit codes: 0 done, 1 usage, 2 not attested, 3 no access token, 4 not released, 5 the key or the
value does not fit, 6 not reachable. SKR_TRACE_ON=1 or 2 tells on standard error what is done.
)";

constexpr std::string_view kDefaultNonce = "ADE0101";  // guest-protocol 5.2

Result<std::unique_ptr<guest::Credential>> skr_credential(bool service_principal,
                                                          guest::MetadataClient& metadata,
                                                          net::Client& client) {
    if (!service_principal) {
        guest::IdentityName identity;
        for (const auto& [name, parameter] :
             {std::pair{"IMDS_CLIENT_ID", "client_id"}, std::pair{"IMDS_OBJECT_ID", "object_id"},
              std::pair{"IMDS_MSI_RES_ID", "msi_res_id"}}) {
            if (!identity.value.empty()) break;
            identity = {parameter, variable(name)};
        }
        return std::make_unique<guest::ManagedIdentityCredential>(metadata, std::move(identity));
    }
    guest::ClientSecretCredential::Options options;
    options.tenant = variable("AKV_SKR_TENANT_ID");
    options.client_id = variable("AKV_SKR_CLIENT_ID");
    options.secret = secret_variable("AKV_SKR_CLIENT_SECRET");
    if (options.tenant.empty() || options.client_id.empty() || options.secret.empty()) {
        return fail(Code::unauthenticated,
                    "-c sp needs AKV_SKR_CLIENT_ID, AKV_SKR_CLIENT_SECRET and AKV_SKR_TENANT_ID in "
                    "the environment ('sudo -E' keeps them)");
    }
    return std::make_unique<guest::ClientSecretCredential>(client, std::move(options));
}

Result<std::string> read_batch(const std::string& from) {
    if (from.starts_with('{')) return from;
    return read_text_file(from == "-" ? Path("/dev/stdin") : Path(from));
}

// Skr is one run of AzureAttestSKR. `step` is the exit code for what fails now.
class Skr {
  public:
    Skr(const Context& context, const guest::SkrCommand& command, const Trace& trace)
        : context_(context), command_(command), trace_(trace) {}

    // run writes the result to standard output when everything else is done.
    Result<void> run() {
        if (command_.action == guest::SkrAction::batch) {
            std::string text = TRY(read_batch(command_.batch));
            batch_ = TRY(with_context(guest::parse_batch(text), "the value of -B"));
        }
        site_ = TRY(context_.site());
        crypto::PrivateKey key = TRY(release());
        step_ = DropInExit::crypto;
        return act(key);
    }

    DropInExit exit_code(const Error& error) const {
        const bool asks_others = step_ == DropInExit::identity || step_ == DropInExit::release;
        return asks_others && error.code == Code::unavailable ? DropInExit::transport : step_;
    }

  private:
    Result<crypto::PrivateKey> release() {
        step_ = DropInExit::attestation;
        guest::MetadataClient metadata(site_.client);
        net::Client client(site_.client);
        device::Tpm tpm = TRY(guest::open_tpm(site_.machine));
        guest::AttestOptions how;
        how.url = TRY(guest::attestation_origin(command_.url));
        how.nonce = command_.nonce.empty() ? kDefaultNonce : command_.nonce;
        Stopwatch watch;
        SecretBytes token = TRY(guest::attest(tpm, site_.machine, metadata, client, how)).token;
        trace_.step(fmt::format("attested by {} in {}", how.url, human_time(watch.seconds())));

        step_ = DropInExit::identity;
        auto credential = TRY(skr_credential(command_.service_principal, metadata, client));
        const std::string resource = TRY(command_.key.resource());
        guest::StaticCredential access(TRY(credential->token(resource)));
        trace_.step("got an access token for " + resource);

        step_ = DropInExit::release;
        std::vector<crypto::Certificate> trusted;
        if (!site_.client.ca_pem.empty()) {
            trusted = TRY(crypto::Certificate::parse_pem_bundle(site_.client.ca_pem));
        }
        Checks checks;
        guest::VaultClient vault(client, access);
        const std::string nonce = command_.nonce.empty() ? crypto::random_hex(16) : command_.nonce;
        auto release = TRY(
            vault.ask_release(command_.key, token, nonce, trusted, context_.clock.now(), checks));
        step_ = DropInExit::crypto;
        guest::ReleasedKey key = TRY(guest::open_release(release, tpm, site_.machine.pcrs, checks));
        trace_.step("released " + key.kid);
        trace_.checks(checks);
        return std::move(key.key);
    }

    Result<void> act(const crypto::PrivateKey& key) {
        switch (command_.action) {
            case guest::SkrAction::release:
                write_err(key.type() == crypto::KeyType::rsa
                              ? "the released key is of type RSA: it wraps and unwraps\n"
                              : "the released key is of type EC: it signs and verifies\n");
                return {};
            case guest::SkrAction::wrap:
                return wrap(key);
            case guest::SkrAction::unwrap:
                return unwrap(key);
            case guest::SkrAction::batch:
                break;
        }
        return unwrap_all(key);
    }

    Result<void> wrap(const crypto::PrivateKey& key) {
        Bytes wrapped =
            TRY(key.public_key().encrypt_oaep(crypto::HashAlg::sha256, command_.value.expose()));
        write_out(encode_base64(wrapped) + "\n");
        return {};
    }

    // The line end is there always, also behind a plaintext that ends with one: callers take
    // exactly one away, and a random key ends so once in 256 times.
    Result<void> unwrap(const crypto::PrivateKey& key) {
        SecretBytes plain = TRY(guest::unwrap_value(key, command_.rules, command_.value.expose()));
        write_out(plain.expose_text());
        write_out("\n");
        return {};
    }

    Result<void> unwrap_all(const crypto::PrivateKey& key) {
        guest::BatchAnswer answer = TRY(guest::unwrap_batch(key, command_.rules, batch_));
        if (answer.opened == 0 && !batch_.empty()) {
            return fail(Code::bad_evidence, "none of the {} values opens with this key",
                        batch_.size());
        }
        write_out(answer.text.expose_text());
        write_out("\n");
        return {};
    }

    const Context& context_;
    const guest::SkrCommand& command_;
    const Trace& trace_;
    DropInExit step_ = DropInExit::usage;
    std::vector<guest::BatchItem> batch_;
    guest::Site site_;
};

int run_skr(std::span<char* const> words) {
    const Context context = drop_in_context("AzureAttestSKR");
    if (wants_help(words)) {
        write_out(kSkrHelp);
        return 0;
    }
    // First, because it takes the secret out of the command line.
    auto command = guest::parse_skr(words);
    auto trace = Trace::from_environment();
    if (!trace) return exit_with(DropInExit::tracing, context, trace.error());
    if (!command) {
        write_err(kSkrHelp);
        return exit_with(DropInExit::usage, context, command.error());
    }
    Skr skr(context, *command, *trace);
    auto done = skr.run();
    if (!done) return exit_with(skr.exit_code(done.error()), context, done.error());
    return 0;
}

}  // namespace

std::optional<int> run_drop_in(int argc, char** argv) {
    if (argc == 0) return std::nullopt;
    const std::string name = Path(argv[0]).filename().string();
    if (name == "AttestationClient") return run_attestation_client(words_of(argc, argv));
    if (name == "AzureAttestSKR") return run_skr(words_of(argc, argv));
    return std::nullopt;
}

}  // namespace vouchsafe::app
