// key: use a vault's key.

#include "app/data_options.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/seal/keys.h"

namespace vouchsafe::app {

namespace {

struct KeyCommand {
    KeyOptions key;
    std::string in = "-";
    std::string out;
    std::string alg = "RSA-OAEP-256";
    std::string policy;
    int bits = 2048;
    bool via_vault = false;
    bool force = false;
};

constexpr size_t kMaxInput = 64 << 10;

Result<seal::WrapAlg> parse_alg(const std::string& name) {
    if (name == "RSA-OAEP-256") return seal::WrapAlg::rsa_oaep_256;
    if (name == "RSA1_5") return seal::WrapAlg::rsa1_5;
    return fail(Code::invalid, "unknown algorithm '{}': RSA-OAEP-256 or RSA1_5", name);
}

Result<void> put_out(const KeyCommand& command, ByteView bytes) {
    if (command.out.empty() || command.out == "-") {
        write_out(as_text(bytes));
        return {};
    }
    return write_file(command.out, bytes, command.force ? Overwrite::yes : Overwrite::no, 0600);
}

Result<guest::VaultKey> fetch_key(const Context& context, const KeyCommand& command) {
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.key.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    return vault.get_key(TRY(guest::KeyId::parse(command.key.key)));
}

Result<int> run_create(const Context& context, const KeyCommand& command) {
    Json request{{"kty", "RSA-HSM"}, {"key_size", command.bits}};
    if (!command.policy.empty()) {
        std::string text = TRY(as_named(read_text_file(command.policy, 64 << 10)));
        auto policy = TRY(with_context(policy::ReleasePolicy::parse(text), command.policy));
        // Its private half works where it was released to, and not for callers of the vault.
        request["key_ops"] = {"encrypt", "wrapKey", "verify"};
        request["attributes"] = {{"exportable", true}};
        request["release_policy"] = {{"contentType", "application/json; charset=utf-8"},
                                     {"data", encode_base64url(as_bytes(policy.canonical()))}};
    }
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.key.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    auto made = TRY(vault.create_key(TRY(guest::KeyId::parse(command.key.key)), request));
    write_out(context.json ? dump_json_pretty(made.bundle) + "\n" : made.kid + "\n");
    return 0;
}

Result<int> run_show(const Context& context, const KeyCommand& command) {
    guest::VaultKey key = TRY(fetch_key(context, command));
    if (context.json) {
        write_out(dump_json_pretty(key.bundle) + "\n");
        return 0;
    }
    std::string out =
        fmt::format("key      {}\ntype     {} {}\n", key.kid, key.type, key.key.bits());
    if (const Json* policy = find_member(key.bundle, "release_policy")) {
        Bytes text = TRY(decode_base64_any(TRY(json_string(*policy, "data"))));
        out += "release  " + dump_json_pretty(TRY(parse_json(as_text(text)))) + "\n";
    } else {
        out += "release  never: the key has no release policy\n";
    }
    write_out(out + key.key.pem());
    return 0;
}

Result<int> run_wrap(const Context& context, const KeyCommand& command) {
    seal::WrapAlg alg = TRY(parse_alg(command.alg));
    Bytes read =
        TRY(read_file(command.in == "-" ? Path("/dev/stdin") : Path(command.in), kMaxInput));
    SecretBytes secret = SecretBytes::copy_of(read);
    wipe(read);
    guest::VaultKey key = TRY(fetch_key(context, command));
    Bytes wrapped = TRY(seal::wrap_with(key.key, alg)(secret.expose()));
    TRY(put_out(command, wrapped));
    return 0;
}

Result<SecretBytes> unwrap(const Context& context, const KeyCommand& command, ByteView wrapped) {
    seal::WrapAlg alg = TRY(parse_alg(command.alg));
    if (!command.via_vault) {
        auto source = TRY(KeySource::create(context, command.key, [](const auto&) {}));
        crypto::PrivateKey key = TRY(source->key()).key;
        if (alg == seal::WrapAlg::rsa1_5) return key.decrypt_pkcs1(wrapped, seal::kDataKeySize);
        return key.decrypt_oaep(crypto::HashAlg::sha256, wrapped);
    }
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.key.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    return vault.unwrap_key(TRY(guest::KeyId::parse(command.key.key)), command.alg, wrapped);
}

Result<int> run_unwrap(const Context& context, const KeyCommand& command) {
    Bytes wrapped =
        TRY(read_file(command.in == "-" ? Path("/dev/stdin") : Path(command.in), kMaxInput));
    SecretBytes secret = TRY(unwrap(context, command, wrapped));
    TRY(put_out(command, secret.expose()));
    return 0;
}

Result<int> run_release(const Context& context, const KeyCommand& command) {
    std::vector<Check> checks;
    auto source =
        TRY(KeySource::create(context, command.key, [&](const guest::SessionEvent& event) {
            if (event.step == "release") checks = event.checks;
        }));
    auto [kid, key] = TRY(source->key());
    if (!command.out.empty()) {
        SecretBytes pem = key.to_pem();
        TRY(put_out(command, pem.expose()));
    }
    if (context.json) {
        Json list = Json::array();
        for (const Check& check : checks) list.push_back(check_to_json(check));
        write_out(dump_json({{"released", kid}, {"bits", key.bits()}, {"checks", list}}) + "\n");
        return 0;
    }
    if (context.verbose) write_err(describe_checks(checks, "  ", context.color_err));
    write_err(fmt::format("released {} ({} bits){}\n", kid, key.bits(),
                          command.out.empty() ? "; --out FILE would keep it" : ""));
    return 0;
}

using Action = Result<int> (*)(const Context&, const KeyCommand&);

Command add_command(Command group, Context& context, const char* name, const char* text,
                    const std::shared_ptr<KeyCommand>& command, Action action) {
    Command made = group.add(name, text);
    add_key_options(made, command->key);
    made.run([&context, command, action]() -> Result<int> {
        if (command->key.key.empty() && command->key.private_key.empty()) {
            return fail(Code::invalid, "say with --key URL which key");
        }
        return action(context, *command);
    });
    return made;
}

void add_files(Command command, KeyCommand& options, const char* in, const char* out) {
    command.option("--in", options.in, in, "FILE");
    command.option("--out", options.out, out, "FILE");
    command.flag("--force", options.force, "replace the output if it exists");
    command.option("--alg", options.alg, "RSA-OAEP-256 or RSA1_5 (the tutorial's)", "NAME");
}

constexpr const char* kKeyExamples = R"(Examples:
  vouchsafe key create --key https://myvault.vault.azure.net/keys/KEK --policy release-policy.json
  vouchsafe key show --key https://myvault.vault.azure.net/keys/KeyEncryptionKey
  vouchsafe key release --key ... --attest-url https://sharedweu.weu.attest.azure.net
  vouchsafe key unwrap --key ... --attest-url ... --alg RSA1_5 --in confidentialData.key --out dek
  vouchsafe key wrap --key ... --in dek --out confidentialData.key)";

}  // namespace

void add_key(Command app, Context& context) {
    Command group = app.add("key", "use a vault's key: create, show, wrap, unwrap, release");
    group.examples(kKeyExamples);
    auto command = std::make_shared<KeyCommand>();
    Command create = add_command(group, context, "create", "make a key, or a new version of it",
                                 command, run_create);
    create.option("--policy", command->policy,
                  "release policy (JSON): makes the key releasable under it", "FILE");
    create.option("--bits", command->bits, "2048, 3072 or 4096", "N");
    add_command(group, context, "show", "show a key and its release policy", command, run_show);
    Command wrap = add_command(group, context, "wrap", "wrap a secret with a key's public half",
                               command, run_wrap);
    add_files(wrap, *command, "the secret; '-' is stdin", "the wrapped secret (default: stdout)");
    Command unwrap =
        add_command(group, context, "unwrap", "have the key released and unwrap with it here",
                    command, run_unwrap);
    add_files(unwrap, *command, "the wrapped secret; '-' is stdin", "the secret (default: stdout)");
    unwrap.flag("--via-vault", command->via_vault,
                "let the vault unwrap; needs that permission and no attestation");
    Command release =
        add_command(group, context, "release", "attest and have a key released to this machine",
                    command, run_release);
    release.option("--out", command->out, "write the private key as PEM (mode 0600)", "FILE");
    release.flag("--force", command->force, "replace that file if it exists");
}

}  // namespace vouchsafe::app
