#include "vouchsafe/guest/drop_in.h"

#include <algorithm>
#include <cstring>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/json_quick.h"
#include "vouchsafe/crypto/rsa_oaep.h"

namespace vouchsafe::guest {

namespace {

using crypto::HashAlg;

struct ShortFlag {
    char name = 0;
    char* value = nullptr;  // of a flag that takes one
};

// ShortFlags reads words as getopt(3) does, without its global variables: "-uw" are two flags, a
// value follows in the same word or is the next one, whatever that looks like, and "--" ends the
// flags. Azure's programs overlook words that belong to no flag; here they are refused.
class ShortFlags {
  public:
    // `known` are the letters; a colon behind one says that it takes a value.
    ShortFlags(std::span<char* const> words, std::string_view known)
        : words_(words), known_(known) {}

    // next returns nullopt at the end.
    Result<std::optional<ShortFlag>> next() {
        if (at_ == nullptr || *at_ == '\0') {
            if (place_ == words_.size()) return std::optional<ShortFlag>{};
            TRY(open_word(words_[place_++]));
            if (at_ == nullptr) return std::optional<ShortFlag>{};
        }
        ShortFlag out{*at_++, nullptr};
        size_t found = out.name == ':' ? std::string_view::npos : known_.find(out.name);
        if (found == std::string_view::npos) {
            return fail(Code::invalid, "the flag '-{}' is unknown", out.name);
        }
        if (!known_.substr(found + 1).starts_with(':')) return std::optional(out);
        out.value = TRY(take_value(out.name));
        return std::optional(out);
    }

  private:
    Result<void> open_word(char* word) {
        const std::string_view text(word);
        at_ = nullptr;
        if (text == "--" && place_ == words_.size()) return {};
        if (text.size() < 2 || text[0] != '-') {
            // Not repeated: it may be a secret that lost its -s.
            return fail(Code::invalid, "word {} belongs to no flag", place_);
        }
        if (text[1] == '-') return fail(Code::invalid, "there are no long flags here");
        at_ = word + 1;
        return {};
    }

    Result<char*> take_value(char name) {
        if (*at_ != '\0') return std::exchange(at_, nullptr);
        if (place_ == words_.size())
            return fail(Code::invalid, "the flag '-{}' needs a value", name);
        return words_[place_++];
    }

    std::span<char* const> words_;
    std::string_view known_;
    size_t place_ = 0;    // of the next word
    char* at_ = nullptr;  // in the word that is being read
};

Result<HashAlg> parse_hash(std::string_view text, char flag) {
    std::string name = to_lower(text);
    std::erase(name, '-');
    for (HashAlg hash : {HashAlg::sha1, HashAlg::sha256, HashAlg::sha384, HashAlg::sha512}) {
        std::string known = to_lower(crypto::hash_name(hash));
        std::erase(known, '-');
        if (name == known) return hash;
    }
    return fail(Code::invalid, "'-{} {}' is no hash: sha1, sha256, sha384 or sha512", flag, text);
}

// take_secret moves a value out of the command line.
SecretBytes take_secret(char* value) {
    const size_t size = std::strlen(value);
    SecretBytes out = SecretBytes::copy_of(std::string_view(value, size));
    wipe({reinterpret_cast<uint8_t*>(value), size});
    return out;
}

// SkrReader keeps what only the end of the words decides.
struct SkrReader {
    SkrCommand command;
    std::string key;
    std::optional<SkrAction> action;
    std::optional<SecretBytes> value;

    Result<void> take(const ShortFlag& flag) {
        switch (flag.name) {
            case 'a':
                if (*flag.value != '\0') command.url = flag.value;
                return {};
            case 'n':
                command.nonce = flag.value;
                return {};
            case 'k':
                key = flag.value;
                return {};
            case 'c':
                return take_credential(flag.value);
            case 's':
                value = take_secret(flag.value);
                return {};
            case 'B':
                command.batch = flag.value;
                action = SkrAction::batch;
                return {};
            case 'H':
                command.rules.oaep = TRY(parse_hash(flag.value, 'H'));
                return {};
            case 'G':
                command.rules.mgf1 = TRY(parse_hash(flag.value, 'G'));
                return {};
            case 'r':
                action = SkrAction::release;
                return {};
            case 'w':
                action = SkrAction::wrap;
                return {};
            default:
                action = SkrAction::unwrap;
                return {};
        }
    }

    Result<void> take_credential(std::string_view word) {
        if (word != "imds" && word != "sp") {
            return fail(Code::invalid,
                        "'-c {}': write imds (this machine's identity) or sp (an application's)",
                        word);
        }
        command.service_principal = word == "sp";
        return {};
    }

    Result<void> take_value() {
        const bool wraps = *action == SkrAction::wrap;
        if (!wraps && *action != SkrAction::unwrap) return {};
        if (!value || value->empty()) {
            return fail(Code::invalid, "say with -s what to {}",
                        wraps ? "wrap" : "unwrap (base64)");
        }
        if (wraps) {
            command.value = std::move(*value);
            return {};
        }
        auto decoded = decode_base64_any(value->expose_text());
        if (!decoded) return fail(Code::invalid, "the value of -s is no base64");
        command.value = SecretBytes::copy_of(*decoded);
        return {};
    }

    Result<SkrCommand> finish() {
        if (!action) return fail(Code::invalid, "say what to do: -r, -w, -u or -B");
        if (key.empty()) return fail(Code::invalid, "say with -k which key");
        command.key = TRY(KeyId::parse(key));
        TRY(command.key.resource());
        TRY(attestation_origin(command.url));
        if (!is_utf8(command.nonce)) return fail(Code::invalid, "the value of -n is no UTF-8 text");
        command.action = *action;
        TRY(take_value());
        return std::move(command);
    }
};

// pkcs1_data_key opens PKCS #1 v1.5 around a key for AES. Whoever sees this fail learns something
// about the padding; that it must hold a key of one of three sizes too makes it very little, and
// each attempt costs an attestation and a release, which are recorded.
//
// Both functions give bytes that only look like a plaintext where the padding does not hold, made
// in two different ways: they agree only about a real one.
Result<SecretBytes> pkcs1_data_key(const crypto::PrivateKey& key, ByteView wrapped) {
    SecretBytes any = TRY(key.decrypt_pkcs1_any(wrapped));
    constexpr size_t kAesKeys[] = {16, 24, 32};
    for (size_t size : kAesKeys) {
        if (any.size() != size) continue;
        SecretBytes same = TRY(key.decrypt_pkcs1(wrapped, size));
        if (equal_ct(any.expose(), same.expose())) return any;
    }
    return fail(Code::bad_evidence, "the ciphertext does not open with this key");
}

void append_line(std::string& out, std::string_view indent, std::string_view name,
                 std::string_view value, bool more) {
    out += fmt::format("{}\"{}\": ", indent, name);
    write_text_quick(out, value);
    out += more ? ",\n" : "\n";
}

Result<void> require_rsa(const crypto::PrivateKey& key) {
    if (key.type() == crypto::KeyType::rsa) return {};
    return fail(Code::unsupported, "the key is no RSA key: it cannot wrap or unwrap");
}

Result<SecretBytes> unwrap_item(const crypto::PrivateKey& key, const UnwrapRules& rules,
                                const BatchItem& item) {
    if (!item.wrapped) return fail(Code::invalid, "\"wrapped\" is missing, or no base64");
    SecretBytes plain = TRY(unwrap_value(key, rules, *item.wrapped));
    if (is_utf8(plain.expose_text())) return plain;
    return fail(Code::unsupported, "the plaintext is no UTF-8 text: unwrap it with -u");
}

void append_result(std::string& out, const BatchItem& item, const Result<SecretBytes>& plain) {
    constexpr std::string_view kIndent = "      ";
    out += "\n    {\n";
    if (!plain) append_line(out, kIndent, "error", plain.error().message, true);
    append_line(out, kIndent, "id", item.id, plain.has_value());
    if (plain) append_line(out, kIndent, "unwrapped", plain->expose_text(), false);
    out += "    }";
}

}  // namespace

Result<AttestationClientCommand> parse_attestation_client(std::span<char* const> words) {
    AttestationClientCommand out;
    ShortFlags flags(words, "a:n:o:");
    while (auto flag = TRY(flags.next())) {
        const std::string value = flag->value;
        if (flag->name == 'a' && !value.empty()) out.url = value;
        if (flag->name == 'n') out.nonce = value;
        if (flag->name != 'o') continue;
        out.print_token = equal_ignore_case(value, "token");
        if (!out.print_token && !value.empty() && !equal_ignore_case(value, "bool")) {
            return fail(Code::invalid,
                        "'-o {}': write token (prints the token) or bool (prints true or false)",
                        value);
        }
    }
    TRY(attestation_origin(out.url));
    return out;
}

Result<SkrCommand> parse_skr(std::span<char* const> words) {
    SkrReader reader;
    ShortFlags flags(words, "a:n:k:c:s:uwrB:H:G:");
    // To the end even after a failure: a secret may come behind it.
    Result<void> good;
    while (true) {
        auto flag = flags.next();
        if (!flag && good) good = fail(flag.error());
        if (!flag) continue;
        if (!*flag) break;
        Result<void> taken = reader.take(**flag);
        if (!taken && good) good = std::move(taken);
    }
    TRY(std::move(good));
    return reader.finish();
}

Result<std::string> attestation_origin(std::string_view url) {
    const size_t scheme = url.find("://");
    if (scheme != std::string_view::npos) url.remove_prefix(scheme + 3);
    auto parsed = net::Url::parse(fmt::format("https://{}", url.substr(0, url.find('/'))));
    if (parsed) return parsed->origin();
    return fail(Code::invalid,
                "the value of -a is no attestation service: write https://NAME.attest.azure.net");
}

Result<SecretBytes> unwrap_value(const crypto::PrivateKey& key, const UnwrapRules& rules,
                                 ByteView wrapped) {
    TRY(require_rsa(key));
    const HashAlg oaep = rules.oaep.value_or(HashAlg::sha256);
    auto opened = crypto::decrypt_oaep(key, oaep, rules.mgf1.value_or(oaep), wrapped);
    if (opened || rules.oaep || rules.mgf1) return opened;
    return pkcs1_data_key(key, wrapped);
}

Result<std::vector<BatchItem>> parse_batch(std::string_view text) {
    Json json = TRY(parse_json_object(text));
    const Json* keys = find_member(json, "keys");
    if (keys == nullptr || !keys->is_array()) {
        return fail(Code::invalid, "there is no array \"keys\"");
    }
    std::vector<BatchItem> out;
    for (const Json& entry : *keys) {
        if (!entry.is_object()) return fail(Code::invalid, "keys[{}] is no object", out.size());
        BatchItem item;
        auto id = TRY(
            with_context(json_optional_string(entry, "id"), fmt::format("keys[{}]", out.size())));
        item.id = id.value_or(std::to_string(out.size()));
        const Json* wrapped = find_member(entry, "wrapped");
        if (wrapped != nullptr && wrapped->is_string()) {
            auto decoded = decode_base64_any(wrapped->get_ref<const std::string&>());
            if (decoded) item.wrapped = std::move(*decoded);
        }
        out.push_back(std::move(item));
    }
    return out;
}

Result<BatchAnswer> unwrap_batch(const crypto::PrivateKey& key, const UnwrapRules& rules,
                                 std::span<const BatchItem> items) {
    constexpr size_t kLongestEscape = 6;  // of a character: "\u0000"
    constexpr size_t kAround = 192;       // names, indent and the longest reason
    TRY(require_rsa(key));
    BatchAnswer out;
    std::vector<Result<SecretBytes>> opened;
    size_t room = kAround;
    for (const BatchItem& item : items) {
        opened.push_back(unwrap_item(key, rules, item));
        const size_t size = opened.back() ? opened.back()->size() : 0;
        room += kAround + kLongestEscape * (size + item.id.size());
        if (opened.back()) ++out.opened;
    }
    // It never moves while it grows, so that one place is to be wiped.
    std::string text;
    text.reserve(room);
    text += "{\n  \"results\": [";
    for (size_t i = 0; i < items.size(); ++i) {
        if (i > 0) text += ',';
        append_result(text, items[i], opened[i]);
    }
    text += items.empty() ? "]\n}" : "\n  ]\n}";
    out.text = SecretBytes::copy_of(text);
    wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
    return out;
}

}  // namespace vouchsafe::guest
