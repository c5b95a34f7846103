#include "vouchsafe/base/encoding.h"
#include "vouchsafe/vault/key_rules.h"
#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

namespace {

enum class Padding { pkcs1, oaep_sha1, oaep_sha256 };

// parse_alg accepts the RSA encryption algorithms (azure-api A.5).
Result<Padding> parse_alg(const std::string& alg, const KeyVersion& version) {
    if (!version.is_rsa()) {
        return fail(Code::invalid, "a key of type {} cannot encrypt or wrap", version.kty);
    }
    if (alg == "RSA1_5") return Padding::pkcs1;
    if (alg == "RSA-OAEP") return Padding::oaep_sha1;
    if (alg == "RSA-OAEP-256") return Padding::oaep_sha256;
    return fail(Code::invalid, "alg for a key of type {} is RSA1_5, RSA-OAEP or RSA-OAEP-256",
                version.kty);
}

Json answer(const Call& call, const Key& key, ByteView value) {
    return {{"kid", key_id(call.address.base, key.record.name, key.version.version)},
            {"value", encode_base64url(value)}};
}

Result<Bytes> encrypt(const crypto::PublicKey& key, Padding padding, ByteView plaintext) {
    Result<Bytes> out = padding == Padding::pkcs1 ? key.encrypt_pkcs1(plaintext)
                                                  : key.encrypt_oaep(padding == Padding::oaep_sha1
                                                                         ? crypto::HashAlg::sha1
                                                                         : crypto::HashAlg::sha256,
                                                                     plaintext);
    if (!out) return fail(Code::invalid, "value is too long for this key and alg");
    return out;
}

// decrypt says nothing about why it failed. The caller may decrypt with this key anyway, so RSA1_5
// is no oracle for it; others learn nothing because the answer is theirs alone.
Result<SecretBytes> decrypt(const crypto::PrivateKey& key, Padding padding, ByteView ciphertext) {
    Result<SecretBytes> out =
        padding == Padding::pkcs1
            ? key.decrypt_pkcs1_any(ciphertext)
            : key.decrypt_oaep(
                  padding == Padding::oaep_sha1 ? crypto::HashAlg::sha1 : crypto::HashAlg::sha256,
                  ciphertext);
    if (!out) return fail(Code::invalid, "value does not decrypt with this key and alg");
    return out;
}

// use_public is encrypt and wrapkey: anybody who may read the key could do the same.
Result<Json> use_public(Core& core, Call& call, std::string_view operation) {
    const CryptoBody body = TRY(parse_crypto_body(call.request.body));
    const Key key = TRY(load_key(core, call));
    TRY(check_use(key.version, operation, true, core.clock.now(), call.checks));
    const Padding padding = TRY(parse_alg(body.alg, key.version));
    const auto public_key = TRY(crypto::PublicKey::from_spki(key.version.spki));
    return answer(call, key, TRY(encrypt(public_key, padding, body.value)));
}

// use_private is decrypt and unwrapkey: recorded before the plaintext leaves.
Result<Json> use_private(Core& core, Call& call, std::string_view operation) {
    const CryptoBody body = TRY(parse_crypto_body(call.request.body));
    const Key key = TRY(load_key(core, call));
    TRY(check_use(key.version, operation, false, core.clock.now(), call.checks));
    const Padding padding = TRY(parse_alg(body.alg, key.version));
    const SecretBytes pkcs8 = TRY(open_private(core, call, key));
    const auto private_key = TRY(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    const SecretBytes plaintext = TRY(decrypt(private_key, padding, body.value));
    call.details["alg"] = body.alg;
    call.details["version"] = key.version.version;
    TRY(core.store.run([&](store::Transaction& tx) { return append_success(core, tx, call); }));
    return answer(call, key, plaintext.expose());
}

}  // namespace

Result<Json> encrypt_with_key(Core& core, Call& call) {
    return use_public(core, call, "encrypt");
}

Result<Json> wrap_with_key(Core& core, Call& call) {
    return use_public(core, call, "wrapKey");
}

Result<Json> decrypt_with_key(Core& core, Call& call) {
    return use_private(core, call, "decrypt");
}

Result<Json> unwrap_with_key(Core& core, Call& call) {
    return use_private(core, call, "unwrapKey");
}

}  // namespace vouchsafe::vault
