// seal and open: envelope encryption of files.

#include "app/data_options.h"
#include "app/show.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/seal/pair.h"
#include "vouchsafe/seal/seal.h"

namespace vouchsafe::app {

namespace {

struct SealCommand {
    std::string file;
    std::string key;
    std::string public_key;
    CredentialOptions credential;
    std::string out;
    std::string purpose;
    bool pair = false;
    bool oaep = false;
    bool force = false;
};

struct OpenCommand {
    DataOptions data;
    KeyOptions key;
    std::string out;
    bool force = false;
};

struct Recipient {
    std::string key_id;
    crypto::PublicKey key;
};

Result<Recipient> find_recipient(const Context& context, const SealCommand& command) {
    if (!command.public_key.empty()) {
        std::string pem = TRY(as_named(read_text_file(command.public_key, 64 << 10)));
        auto key = TRY(with_context(crypto::PublicKey::from_pem(pem), command.public_key));
        return Recipient{command.key, std::move(key)};
    }
    if (command.key.empty()) {
        return fail(Code::invalid, "say with --key URL (or --public-key FILE) who may open it");
    }
    guest::Site site = TRY(context.site());
    auto credentials = TRY(make_credentials(command.credential, site));
    net::Client client(site.client);
    guest::VaultClient vault(client, *credentials->credential);
    guest::VaultKey key = TRY(vault.get_key(TRY(guest::KeyId::parse(command.key))));
    return Recipient{key.kid, key.key};
}

Overwrite overwrite(bool force) {
    return force ? Overwrite::yes : Overwrite::no;
}

Result<std::string> seal_native(const SealCommand& command, const Recipient& recipient) {
    std::string out = command.out.empty() ? command.file + ".sealed" : command.out;
    auto source = TRY(seal::FileSource::open(command.file));
    OutputFile file = TRY(OutputFile::create(out, overwrite(command.force)));
    seal::SealOptions options;
    options.context[std::string(seal::kContextFile)] = Path(command.file).filename().string();
    if (!command.purpose.empty()) {
        options.context[std::string(seal::kContextPurpose)] = command.purpose;
    }
    std::vector<seal::Recipient> recipients{seal::recipient_for(recipient.key, recipient.key_id)};
    TRY(seal::seal_file(*source, file, recipients, options));
    TRY(file.commit());
    return out;
}

Result<std::string> write_pair(const SealCommand& command, const Recipient& recipient) {
    Path base = command.out.empty() ? Path(command.file) : Path(command.out);
    Path enc = Path(base).replace_extension(".enc");
    Path key = Path(base).replace_extension(".key");
    auto source = TRY(seal::FileSource::open(command.file));
    OutputFile enc_file = TRY(OutputFile::create(enc, overwrite(command.force)));
    OutputFile key_file = TRY(OutputFile::create(key, overwrite(command.force)));
    auto alg = command.oaep ? seal::WrapAlg::rsa_oaep_256 : seal::WrapAlg::rsa1_5;
    Bytes wrapped = TRY(seal::seal_pair(*source, enc_file, seal::wrap_with(recipient.key, alg)));
    TRY(key_file.write(wrapped));
    TRY(enc_file.commit());
    TRY(key_file.commit());
    return fmt::format("{} and {}", enc.string(), key.string());
}

Result<int> run_seal(const Context& context, const SealCommand& command) {
    Recipient recipient = TRY(find_recipient(context, command));
    Stopwatch watch;
    std::string out =
        command.pair ? TRY(write_pair(command, recipient)) : TRY(seal_native(command, recipient));
    if (context.json) {
        write_out(
            dump_json({{"sealed", out}, {"key", recipient.key_id}, {"seconds", watch.seconds()}}) +
            "\n");
    } else {
        write_err(fmt::format("sealed into {} in {}\n", out, human_time(watch.seconds())));
    }
    return 0;
}

// open_streamed writes frame by frame; the output gets its name only if the file ended properly.
Result<void> open_streamed(const OpenCommand& command, KeySource& key) {
    auto source = TRY(seal::FileSource::open(command.data.file));
    OutputFile out = TRY(OutputFile::create(command.out, overwrite(command.force), 0600));
    Checks checks;
    auto unwrap = key.unwrap_native();
    auto reader = TRY(seal::SealedReader::open(*source, unwrap, {command.data.required}, checks));
    while (auto chunk = TRY(reader.next_chunk())) TRY(out.write(*chunk));
    return out.commit();
}

Result<int> run_open(const Context& context, const OpenCommand& command) {
    auto key = TRY(KeySource::create(context, command.key, [](const auto&) {}));
    Stopwatch watch;
    bool to_stdout = command.out == "-";
    if (!to_stdout && command.data.wrapped_key.empty()) {
        TRY(open_streamed(command, *key));
    } else {
        Checks checks;
        seal::Opened opened = TRY(open_sealed(command.data, *key, checks));
        if (to_stdout) {
            write_out(as_text(opened.expose()));
            return 0;
        }
        TRY(write_file(command.out, opened.expose(), overwrite(command.force), 0600));
    }
    if (context.json) {
        write_out(dump_json({{"opened", command.out}, {"seconds", watch.seconds()}}) + "\n");
    } else {
        write_err(fmt::format("opened into {} in {}\n", command.out, human_time(watch.seconds())));
    }
    return 0;
}

constexpr const char* kSealExamples = R"(Examples:
  vouchsafe seal data.csv --key https://myvault.vault.azure.net/keys/KeyEncryptionKey
  vouchsafe seal data.csv --public-key kek.pem --key https://.../keys/KeyEncryptionKey   offline
  vouchsafe seal confidentialData.csv --key ... --pair     the tutorial's .enc and .key
The native format is the AWS Encryption SDK's message format (docs/formats/sealed-file.md).)";

constexpr const char* kOpenExamples = R"(Examples:
  vouchsafe open data.csv.sealed --out - --key ... --attest-url ... | wc -l
  vouchsafe open data.csv.sealed --out data.csv --private-key kek.pem
  vouchsafe open confidentialData.enc --wrapped-key confidentialData.key --out data.csv --key ...
The output is plain text on a disk: inside a confidential VM rather use train, predict, or a pipe.)";

}  // namespace

void add_seal(Command app, Context& context) {
    auto seal_command = std::make_shared<SealCommand>();
    Command seal_app = app.add("seal", "seal a file for a vault's key");
    seal_app.examples(kSealExamples);
    seal_app.argument("FILE", seal_command->file, "what to seal ('-': stdin, with --out)");
    seal_app.option("--key", seal_command->key, "who may open it: the vault's key", "URL");
    seal_app.option("--public-key", seal_command->public_key,
                    "its public half as PEM: asks no vault", "FILE");
    seal_app.option("--out", seal_command->out,
                    "default: FILE.sealed, or FILE's name with .enc and .key", "FILE");
    seal_app.option("--purpose", seal_command->purpose, "a text bound to the data, in the clear",
                    "TEXT");
    seal_app.flag("--pair", seal_command->pair, "the tutorial's pair instead of the native format");
    seal_app.flag("--oaep", seal_command->oaep, "with --pair: wrap with RSA-OAEP-256, not RSA1_5");
    seal_app.flag("--force", seal_command->force, "replace outputs that exist");
    add_credential_options(seal_app, seal_command->credential);
    seal_app.run([&context, seal_command]() -> Result<int> {
        if (seal_command->file == "-" && seal_command->out.empty()) {
            return fail(Code::invalid, "sealing standard input needs --out FILE");
        }
        return run_seal(context, *seal_command);
    });

    auto open_command = std::make_shared<OpenCommand>();
    Command open_app = app.add("open", "open a sealed file");
    open_app.examples(kOpenExamples);
    add_data_options(open_app, open_command->data);
    open_app.option("--out", open_command->out, "the opened file; '-' is stdout", "FILE")
        .required();
    open_app.flag("--force", open_command->force, "replace the output if it exists");
    add_key_options(open_app, open_command->key);
    open_app.run([&context, open_command] { return run_open(context, *open_command); });
}

}  // namespace vouchsafe::app
