#include "vouchsafe/lab/vm_keys.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/lab/machine.h"
#include "vouchsafe/net/client.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::lab {

namespace {

using cloud::Outcome;
using cloud::refuse;

constexpr std::string_view kPlainFile = "state.key";
constexpr std::string_view kWrappedFile = "state.key.json";
constexpr std::string_view kAlgorithm = "RSA-OAEP-256";
constexpr std::string_view kVaultResource = "https://vault.azure.net";
constexpr std::string_view kVaultVersion = "7.4";
constexpr size_t kMaxFile = 16 << 10;

SecretBytes new_state_key() {
    SecretBytes key(kStateKeySize);
    crypto::fill_random(key.expose_mutable());
    return key;
}

Result<SecretBytes> open_plain(const Path& file) {
    auto kept = read_file(file, kMaxFile);
    if (!kept && kept.error().code == Code::not_found) {
        SecretBytes made = new_state_key();
        TRY(write_file(file, made.expose(), Overwrite::no, 0600));
        return made;
    }
    Bytes bytes = TRY(std::move(kept));
    SecretBytes key = SecretBytes::copy_of(bytes);
    wipe(bytes);
    if (key.size() != kStateKeySize) return fail(Code::io, "{} holds no key", file.string());
    return key;
}

// EncryptionSet is what a resource says of one.
struct EncryptionSet {
    std::string id, name, key_url;
};

Outcome<EncryptionSet> find_set(const VmKeysWorld& world, const std::string& id) {
    auto found = world.find(id);
    if (!found && found.error().code == Code::not_found) {
        return refuse(400, "InvalidResourceReference", "The disk encryption set {} was not found.",
                      id);
    }
    const Json resource = TRY(std::move(found));
    const Json* properties = find_member(resource, "properties");
    const Json* key = properties == nullptr ? nullptr : find_member(*properties, "activeKey");
    EncryptionSet out{text_or_empty(resource, "id"), text_or_empty(resource, "name"),
                      key == nullptr ? "" : text_or_empty(*key, "keyUrl")};
    if (out.key_url.empty()) {
        return refuse(400, "InvalidParameter", "The disk encryption set {} has no active key.", id);
    }
    return out;
}

tl::unexpected<cloud::Problem> no_access(const EncryptionSet& set, const std::string& key,
                                         std::string_view why) {
    return refuse(403, "KeyVaultAccessForbidden",
                  "Unable to access key vault resource '{}' to enable encryption at rest. Please "
                  "grant get, wrap and unwrap key permissions to disk encryption set '{}'. {}",
                  key, set.name, why);
}

Outcome<SecretBytes> token_of(const VmKeysWorld& world, const EncryptionSet& set) {
    for (const identity::Principal& principal : TRY(world.identity.principals())) {
        if (!equal_ignore_case(principal.resource_id, set.id)) continue;
        auto issued =
            world.identity.issue_managed_identity_token(principal.client_id, kVaultResource);
        return TRY(std::move(issued)).token;
    }
    return no_access(set, set.key_url, "It has no system-assigned identity.");
}

// UsedKey is what the vault answered: the key that did it, with its version, and the value.
struct UsedKey {
    std::string key;
    SecretBytes value;
};

// use_key has the vault wrap or unwrap `value` with the rights of the set's identity.
Outcome<UsedKey> use_key(const VmKeysWorld& world, const EncryptionSet& set,
                         const std::string& key_url, std::string_view operation, ByteView value) {
    const net::Url url = TRY(net::Url::parse(key_url));
    net::Request request;
    request.method = "POST";
    request.target = fmt::format("{}/{}?api-version={}", url.target, operation, kVaultVersion);
    net::Target target = TRY(net::parse_target(request.target));
    request.path = std::move(target.path);
    request.query = std::move(target.query);
    request.host = url.host;
    request.remote = "127.0.0.1";
    request.tls = true;
    const SecretBytes token = TRY(token_of(world, set));
    request.headers.set("Authorization", fmt::format("Bearer {}", token.expose_text()));
    request.headers.set("Content-Type", "application/json");
    request.body =
        fmt::format(R"({{"alg":"{}","value":"{}"}})", kAlgorithm, encode_base64url(value));
    net::Response response = world.vault(request);
    const auto wipe_text = [](std::string& text) {
        wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
    };
    wipe_text(request.body);

    Json answer = TRY(parse_json_object(response.body));
    wipe_text(response.body);
    if (response.status == 200) {
        std::string text = TRY(json_string(answer, "value"));
        wipe_text(answer["value"].get_ref<std::string&>());
        Bytes decoded = TRY(decode_base64url(text));
        wipe_text(text);
        UsedKey out{TRY(json_string(answer, "kid")), SecretBytes::copy_of(decoded)};
        wipe(decoded);
        return out;
    }
    const Json* error = find_member(answer, "error");
    const std::string why = error == nullptr ? "" : text_or_empty(*error, "message");
    if (response.status == 401 || response.status == 403) return no_access(set, key_url, why);
    if (response.status == 404) {
        return refuse(400, "KeyVaultKeyNotFound",
                      "The key '{}' of disk encryption set '{}' was not found: {}", key_url,
                      set.name, why);
    }
    return refuse(response.status >= 500 ? 503 : 400, "KeyVaultOperationFailed",
                  "The key '{}' of disk encryption set '{}' cannot {}: {}", key_url, set.name,
                  operation, why);
}

// A wrapped state key as it lies in its file.
struct WrappedKey {
    std::string key;  // with version
    Bytes value;
    std::string asked;  // the set's active key when it was wrapped
};

Result<std::optional<WrappedKey>> read_wrapped(const Path& file) {
    auto text = read_text_file(file, kMaxFile);
    if (!text && text.error().code == Code::not_found) return std::optional<WrappedKey>();
    const Json json = TRY(with_context(parse_json_object(TRY(std::move(text))), file.string()));
    WrappedKey out;
    out.key = TRY(json_string(json, "key"));
    out.value = TRY(decode_base64url(TRY(json_string(json, "wrapped"))));
    out.asked = TRY(json_string(json, "active_key"));
    return std::optional(std::move(out));
}

Outcome<void> wrap_into(const VmKeysWorld& world, const EncryptionSet& set, const SecretBytes& key,
                        const Path& file) {
    const UsedKey wrapped = TRY(use_key(world, set, set.key_url, "wrapkey", key.expose()));
    const Json json = {{"set", set.id},
                       {"key", wrapped.key},
                       {"active_key", set.key_url},
                       {"alg", kAlgorithm},
                       {"wrapped", encode_base64url(wrapped.value.expose())}};
    TRY(write_file(file, as_bytes(dump_json_pretty(json) + "\n"), Overwrite::yes, 0600));
    return {};
}

Outcome<SecretBytes> open_wrapped(const VmKeysWorld& world, const VmSpec& machine,
                                  const Path& file) {
    const EncryptionSet set = TRY(find_set(world, machine.encryption_set));
    const std::optional<WrappedKey> kept = TRY(read_wrapped(file));
    if (!kept) {
        SecretBytes made = new_state_key();
        TRY(wrap_into(world, set, made, file));
        return made;
    }
    UsedKey opened = TRY(use_key(world, set, kept->key, "unwrapkey", kept->value));
    if (opened.value.size() != kStateKeySize) {
        return fail(Code::io, "{} holds no wrapped key", file.string());
    }
    if (kept->asked != set.key_url) TRY(wrap_into(world, set, opened.value, file));
    return std::move(opened.value);
}

}  // namespace

Outcome<SecretBytes> open_state_key(const VmKeysWorld& world, const Path& folder,
                                    const VmSpec& machine) {
    if (!machine.encryption_set.empty()) {
        return open_wrapped(world, machine, folder / kWrappedFile);
    }
    return TRY(open_plain(folder / kPlainFile));
}

}  // namespace vouchsafe::lab
