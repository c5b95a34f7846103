#include "vouchsafe/guest/vault_client.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/crypto/wrap.h"
#include "vouchsafe/guest/remote_error.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::guest {

namespace {

constexpr std::string_view kApiVersion = "7.4";
constexpr std::string_view kEnc = "RSA_AES_KEY_WRAP_256";
constexpr size_t kTpmModulus = 256;  // bytes: the ephemeral key is RSA-2048

// Hosts that are vaults, by suffix, and what tokens for them are for (azure-api A.1).
constexpr std::pair<std::string_view, std::string_view> kSuffixes[] = {
    {".vault.azure.net", "https://vault.azure.net"},
    {".managedhsm.azure.net", "https://managedhsm.azure.net"},
    {".vault.azure.cn", "https://vault.azure.cn"},
    {".managedhsm.azure.cn", "https://managedhsm.azure.cn"},
    {".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net"},
    {".managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net"},
};

Result<VaultKey> read_key(Json bundle) {
    const Json* jwk = TRY(json_object(bundle, "key"));
    std::string kid = TRY(json_string(*jwk, "kid"));
    std::string type = TRY(json_string(*jwk, "kty"));
    crypto::PublicKey key = TRY(jose::parse_jwk(*jwk));
    return VaultKey{std::move(kid), std::move(type), std::move(key), std::move(bundle)};
}

}  // namespace

std::vector<std::string> path_parts(std::string_view target) {
    std::vector<std::string> parts;
    while (!target.empty()) {
        const size_t slash = target.find('/');
        if (slash != 0) parts.emplace_back(target.substr(0, slash));
        target = slash == std::string_view::npos ? std::string_view() : target.substr(slash + 1);
    }
    return parts;
}

bool is_vault_object_name(std::string_view text) {
    return !text.empty() && text.size() <= 127 &&
           text.find_first_not_of(
               "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") ==
               std::string_view::npos;
}

Result<std::string> vault_resource(std::string_view host) {
    for (auto [suffix, resource] : kSuffixes) {
        if (host.ends_with(suffix)) return std::string(resource);
    }
    return fail(Code::invalid, "{} is no vault's host name, so no access token is sent to it",
                host);
}

Result<KeyId> KeyId::parse(std::string_view text) {
    auto bad = [&] {
        return fail(Code::invalid,
                    "'{}' is no key identifier: write https://VAULT.vault.azure.net/keys/NAME or "
                    ".../keys/NAME/VERSION",
                    text);
    };
    auto url = net::Url::parse(text);
    if (!url || url->scheme != "https") return bad();
    const std::vector<std::string> parts = path_parts(url->target);
    if (parts.size() < 2 || parts.size() > 3 || !equal_ignore_case(parts[0], "keys")) return bad();
    if (!is_vault_object_name(parts[1])) return bad();
    if (parts.size() == 3 && !is_vault_object_name(parts[2])) return bad();
    KeyId out;
    out.name = parts[1];
    if (parts.size() == 3) out.version = parts[2];
    out.url = std::move(*url);
    return out;
}

std::string KeyId::text() const {
    return fmt::format("{}/keys/{}{}{}", url.origin(), name, version.empty() ? "" : "/", version);
}

Result<std::string> KeyId::resource() const {
    return vault_resource(url.host);
}

Result<Json> VaultClient::call(const KeyId& id, std::string_view method, std::string_view operation,
                               const Json* body) {
    const std::string path = id.text().substr(id.url.origin().size());
    return send(id, method, fmt::format("{}{}{}", path, operation.empty() ? "" : "/", operation),
                body);
}

Result<Json> VaultClient::send(const KeyId& vault, std::string_view method, std::string_view path,
                               const Json* body) {
    std::string resource = TRY(vault.resource());
    SecretBytes token = TRY(credential_.token(resource));
    net::ClientRequest request;
    request.method = std::string(method);
    request.url = fmt::format("{}{}?api-version={}", vault.url.origin(), path, kApiVersion);
    request.bearer = &token;
    if (body != nullptr) {
        request.headers.set("Content-Type", "application/json");
        request.body = dump_json(*body);
    }
    auto response = TRY(with_context(client_.send(request), "vault"));
    if (response.status != 200) return fail(remote_error("the vault", response));
    return with_context(parse_json_object(response.body), "vault");
}

Result<VaultKey> VaultClient::get_key(const KeyId& id) {
    return read_key(TRY(call(id, "GET", "", nullptr)));
}

Result<VaultKey> VaultClient::create_key(const KeyId& id, const Json& request) {
    KeyId unversioned = id;
    unversioned.version.clear();
    return read_key(TRY(call(unversioned, "POST", "create", &request)));
}

Result<SecretBytes> VaultClient::unwrap_key(const KeyId& id, std::string_view algorithm,
                                            ByteView wrapped) {
    Json body{{"alg", algorithm}, {"value", encode_base64url(wrapped)}};
    Json answer = TRY(call(id, "POST", "unwrapkey", &body));
    Bytes value = TRY(decode_base64url(TRY(json_string(answer, "value"))));
    SecretBytes key = SecretBytes::copy_of(value);
    wipe(value);
    return key;
}

Result<ReleasedKey> VaultClient::release_key(const KeyId& id, device::Tpm& tpm,
                                             const std::vector<uint32_t>& pcrs,
                                             const SecretBytes& token,
                                             const std::vector<crypto::Certificate>& trusted,
                                             Time now, Checks& checks) {
    VerifiedRelease release =
        TRY(ask_release(id, token, crypto::random_hex(16), trusted, now, checks));
    return open_release(release, tpm, pcrs, checks);
}

Result<VerifiedRelease> VaultClient::ask_release(const KeyId& id, const SecretBytes& token,
                                                 const std::string& nonce,
                                                 const std::vector<crypto::Certificate>& trusted,
                                                 Time now, Checks& checks) {
    ReleaseExpectation expected{id.text(), nonce, id.url.host, trusted, now};
    if (expected.trusted.empty()) expected.trusted = TRY(system_roots());
    Json body{{"target", token.expose_text()}, {"nonce", nonce}, {"enc", kEnc}};
    Json answer = TRY(call(id, "POST", "release", &body));
    return verify_release(TRY(json_string(answer, "value")), expected, checks);
}

Result<ReleasedKey> open_release(const VerifiedRelease& release, device::Tpm& tpm,
                                 const std::vector<uint32_t>& pcrs, Checks& checks) {
    bool sized = release.enc() == kEnc && release.ciphertext().size() > kTpmModulus;
    TRY(checks.require(sized, "RELEASE-FORMAT", "key_hsm", fmt::format("{} ciphertext", kEnc),
                       fmt::format("{}, {} bytes", release.enc(), release.ciphertext().size())));
    ByteView wrapped = release.ciphertext();
    SecretBytes transport = TRY(tpm.ephemeral_decrypt(pcrs, device::DecryptScheme::oaep_sha256,
                                                      wrapped.first(kTpmModulus)));
    SecretBytes pkcs8 =
        TRY(crypto::aes_kwp_unwrap(transport.expose(), wrapped.subspan(kTpmModulus)));
    crypto::PrivateKey key = TRY(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    bool belongs = key.public_key() == release.public_key();
    TRY(checks.require(belongs, "RELEASE-KEY-PAIR", "key", "the private half of the answered key",
                       belongs ? "it" : "another key"));
    return ReleasedKey{release.kid(), std::move(key)};
}

Result<std::vector<crypto::Certificate>> system_roots() {
    constexpr std::string_view kEnd = "-----END CERTIFICATE-----";
    std::string pem =
        TRY(with_context(read_text_file("/etc/ssl/certs/ca-certificates.crt", 4 << 20),
                         "this machine's root certificates (package ca-certificates)"));
    // One by one: a store has hundreds, and one that cannot be read must not cost the others.
    std::vector<crypto::Certificate> roots;
    for (size_t start = 0; start < pem.size();) {
        size_t end = pem.find(kEnd, start);
        if (end == std::string::npos) break;
        end += kEnd.size();
        auto root =
            crypto::Certificate::parse_pem(std::string_view(pem).substr(start, end - start));
        if (root) roots.push_back(std::move(*root));
        start = end;
    }
    return roots;
}

}  // namespace vouchsafe::guest
