#include "app/data_options.h"

#include "vouchsafe/base/log.h"

namespace vouchsafe::app {

namespace {

constexpr size_t kMaxPlain = size_t{64} << 30;
constexpr size_t kMaxWrappedKey = 4096;

Result<crypto::PrivateKey> read_private_key(const std::string& file) {
    Bytes pem = TRY(read_file(file, 64 << 10));
    auto key = crypto::PrivateKey::from_pem(pem);
    wipe(pem);
    return with_context(std::move(key), file);
}

// read_plain reads a file that is not sealed into secret pages.
Result<SecretPages> read_plain(const std::string& file) {
    auto source = TRY(seal::FileSource::open(file));
    uint64_t size = source->size().value_or(0);
    if (size == 0 || size > kMaxPlain) {
        return fail(Code::invalid, "{} is empty, too large, or no regular file", file);
    }
    SecretPages pages = TRY(SecretPages::allocate(size));
    ByteView read = TRY(source->read_at(0, size, pages.expose_mutable()));
    pages.truncate(read.size());
    return pages;
}

Result<train::Table> parse_native(const DataOptions& data, KeySource& key,
                                  const train::TableOptions& options, Checks& checks) {
    auto source = TRY(seal::FileSource::open(data.file));
    auto unwrap = key.unwrap_native();
    auto reader = TRY(seal::SealedReader::open(*source, unwrap, {data.required}, checks));
    return train::Table::parse_sealed(reader, options);
}

}  // namespace

void add_key_options(Command command, KeyOptions& options) {
    Command group = command.group("The key");
    group.option("--key", options.key, "https://VAULT.vault.azure.net/keys/NAME[/VERSION]", "URL");
    group
        .option("--attest-url", options.attest_url, "attestation service the key's policy trusts",
                "URL")
        .from_environment("ATTEST_URL");
    group.option("--token", options.token_file, "attestation token to present instead", "FILE");
    group.option("--nonce", options.nonce, "text for the attestation's client payload", "TEXT");
    group.option("--private-key", options.private_key, "the key itself as a PEM file, no vault",
                 "FILE");
    add_credential_options(command, options.credential);
}

void add_data_options(Command command, DataOptions& options) {
    command.argument("FILE", options.file, "the data");
    command.option("--wrapped-key", options.wrapped_key, "FILE is the tutorial's .enc: its .key",
                   "FILE");
    command.option("--require", options.required,
                   "the file must say this about itself, e.g. purpose=training (repeat)");
    command.flag("--oaep", options.oaep, "that .key is wrapped with RSA-OAEP-256, not RSA1_5");
}

Result<std::unique_ptr<KeySource>> KeySource::create(const Context& context,
                                                     const KeyOptions& options,
                                                     guest::KeySession::Observer observer) {
    if (secret_memory().swap_active) {
        log_event(LogLevel::warn, "swap is active: opened data may be written to it; turn it off");
    }
    std::unique_ptr<KeySource> out(new KeySource);
    if (!options.private_key.empty()) {
        auto key = TRY(read_private_key(options.private_key));
        out->used_ = guest::ReleasedKey{"", std::move(key)};
        out->from_file_ = true;
        return out;
    }
    if (options.key.empty()) {
        return fail(Code::invalid, "the data is sealed: say with --key URL which key opens it");
    }
    guest::Site site = TRY(context.site());
    guest::KeySessionOptions session;
    session.key = TRY(guest::KeyId::parse(options.key));
    session.attest_url = options.attest_url;
    session.nonce = options.nonce;
    if (!options.token_file.empty()) session.token = TRY(read_secret_file(options.token_file));
    out->key_id_ = session.key.text();
    out->credentials_ = TRY(make_credentials(options.credential, site));
    out->session_ =
        std::make_unique<guest::KeySession>(site, *out->credentials_->credential,
                                            std::move(session), context.clock, std::move(observer));
    return out;
}

Result<guest::ReleasedKey> KeySource::key() {
    if (!used_) used_ = TRY(session_->key());
    return *used_;
}

// version_in returns the version that `info` names of our key. Code::not_found if it is another
// key: then nothing is sent anywhere.
Result<std::string> KeySource::version_in(const std::string& info) const {
    if (info == key_id_) return std::string();
    std::string prefix = key_id_ + "/";
    auto id = guest::KeyId::parse(info);
    if (id && session_->id().version.empty() && info.starts_with(prefix)) return id->version;
    return fail(Code::not_found, "wrapped for {}", info);
}

// unwrap_with_file tries the key from the file on any data key: one it does not fit is not ours.
Result<SecretBytes> KeySource::unwrap_with_file(const std::string& provider,
                                                const std::string& info, ByteView wrapped) const {
    auto opened = seal::unwrap_with(used_->key, "")(provider, info, wrapped);
    if (opened || opened.error().code != Code::bad_evidence) return opened;
    return fail(Code::not_found, "not wrapped for this key");
}

seal::UnwrapKey KeySource::unwrap_native() {
    return [this](const std::string& provider, const std::string& info,
                  ByteView wrapped) -> Result<SecretBytes> {
        if (from_file_) return unwrap_with_file(provider, info, wrapped);
        if (provider != seal::kProvider) return fail(Code::not_found, "wrapped by {}", provider);
        std::string version = TRY(version_in(info));
        used_ = TRY(session_->key(version));
        return seal::unwrap_with(used_->key, info)(provider, info, wrapped);
    };
}

seal::PairUnwrap KeySource::unwrap_pair(seal::WrapAlg alg) {
    return [this, alg](ByteView wrapped) -> Result<SecretBytes> {
        return seal::pair_unwrap_with(TRY(key()).key, alg)(wrapped);
    };
}

Result<seal::Opened> open_sealed(const DataOptions& data, KeySource& key, Checks& checks) {
    auto source = TRY(seal::FileSource::open(data.file));
    if (data.wrapped_key.empty()) {
        return seal::open_to_pages(*source, key.unwrap_native(), {data.required}, checks);
    }
    Bytes wrapped = TRY(read_file(data.wrapped_key, kMaxWrappedKey));
    auto alg = data.oaep ? seal::WrapAlg::rsa_oaep_256 : seal::WrapAlg::rsa1_5;
    return seal::open_pair(*source, wrapped, key.unwrap_pair(alg), checks);
}

Result<train::Table> load_table(const DataOptions& data, KeySource* key,
                                const train::TableOptions& options, Checks& checks) {
    if (data.plain) {
        SecretPages pages = TRY(read_plain(data.file));
        return train::Table::parse(pages.expose(), options);
    }
    if (data.wrapped_key.empty()) return parse_native(data, *key, options, checks);
    seal::Opened opened = TRY(open_sealed(data, *key, checks));
    return train::Table::parse(opened.expose(), options);
}

}  // namespace vouchsafe::app
