#include "vouchsafe/guest/attestation_client.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/aead.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/guest/remote_error.h"

namespace vouchsafe::guest {

namespace {

constexpr std::string_view kAad = "Transport Key";  // guest-protocol 4.3
constexpr size_t kMaxChallenge = 128;               // characters

Result<void> require_text(const Json& params, std::string_view name, std::string_view expected) {
    std::string found = TRY(json_string(params, name));
    if (found == expected) return {};
    return fail(Code::unsupported, "the sealed token has {} '{}', expected '{}'", name, found,
                expected);
}

Result<SecretBytes> open_token(const Json& envelope, const SecretBytes& key) {
    const Json* params = TRY(json_object(envelope, "EncryptionParams"));
    TRY(require_text(*params, "Cipher", "AES"));
    TRY(require_text(*params, "BlockMode", "ChainingModeGCM"));
    Bytes nonce = TRY(decode_base64_any(TRY(json_string(*params, "Iv"))));
    Bytes tag = TRY(decode_base64_any(TRY(json_string(envelope, "AuthenticationData"))));
    Bytes ciphertext = TRY(decode_base64_any(TRY(json_string(envelope, "Jwt"))));
    if (nonce.size() != crypto::kGcmNonceSize || tag.size() != crypto::kGcmTagSize) {
        return fail(Code::invalid, "the sealed token has a nonce or tag of the wrong size");
    }
    crypto::AesGcm cipher = TRY(crypto::AesGcm::create_any(key.expose()));
    SecretBytes token(ciphertext.size());
    TRY(cipher.open(nonce, as_bytes(kAad), ciphertext, tag, token.expose_mutable()));
    return token;
}

// fetch_challenge returns nullopt if the service has none: Azure's answers that it knows no such
// path.
Result<std::optional<std::string>> fetch_challenge(net::Client& client, const std::string& origin) {
    net::ClientRequest request;
    request.method = "POST";
    request.url = origin + "/challenge";
    auto response = TRY(with_context(client.send(request), "attestation service"));
    if (response.status == 404 || response.status == 405) return std::optional<std::string>{};
    if (response.status != 200) return fail(remote_error("the attestation service", response));
    Json body = TRY(with_context(parse_json_object(response.body), "challenge"));
    std::string text = TRY(with_context(json_string(body, "challenge"), "challenge"));
    if (text.empty() || text.size() > kMaxChallenge) {
        return fail(Code::invalid, "the attestation service's challenge has {} characters",
                    text.size());
    }
    return std::optional<std::string>{std::move(text)};
}

}  // namespace

Result<SecretBytes> open_envelope(std::string_view sealed, const InnerKeyOpener& decrypt) {
    Bytes text = TRY(decode_base64_any(sealed));
    Json envelope = TRY(parse_json_object(as_text(text)));
    Bytes wrapped = TRY(decode_base64_any(TRY(json_string(envelope, "EncryptedInnerKey"))));
    SecretBytes key = TRY(decrypt(wrapped));
    auto token = open_token(envelope, key);
    if (token) return token;
    return fail(token.error().code, "the sealed token does not open: {}", token.error().message);
}

Result<Attested> attest(device::Tpm& tpm, const Machine& machine, MetadataClient& metadata,
                        net::Client& client, const AttestOptions& options) {
    net::Url service = TRY(net::Url::parse(options.url));
    std::optional<std::string> challenge;
    if (options.challenge) challenge = TRY(fetch_challenge(client, service.origin()));
    Bytes qualifying;
    if (challenge) qualifying = crypto::hash(crypto::HashAlg::sha256, as_bytes(*challenge));
    CollectedEvidence collected =
        TRY(collect_azure_guest(tpm, machine, metadata, options.nonce, qualifying));

    net::ClientRequest request;
    request.method = "POST";
    request.url = service.origin() + "/attest/AzureGuest?api-version=2020-10-01";
    if (options.receipt) request.url += "&receipt=true";
    request.headers.set("Content-Type", "application/json");
    std::string inner = dump_json(collected.attestation_info);
    Json outer{{"AttestationInfo", encode_base64url(as_bytes(inner))}};
    if (challenge) outer["challenge"] = *challenge;
    request.body = dump_json(outer);

    auto response = TRY(with_context(client.send(request), "attestation service"));
    if (response.status != 200) return fail(remote_error("the attestation service", response));
    Json body = TRY(with_context(parse_json_object(response.body), "attestation service"));
    std::string sealed = TRY(with_context(json_string(body, "token"), "attestation service"));
    Attested out;
    if (options.receipt) out.receipt = text_or_empty(body, "x-vouchsafe-receipt");
    if (options.receipt && out.receipt.empty()) {
        return fail(Code::unsupported, "the attestation service gives no receipts");
    }
    out.token = TRY(open_envelope(sealed, [&](ByteView wrapped) -> Result<SecretBytes> {
        return tpm.ephemeral_decrypt(machine.pcrs, device::DecryptScheme::rsaes, wrapped);
    }));
    return out;
}

}  // namespace vouchsafe::guest
