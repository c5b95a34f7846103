#include "vouchsafe/jose/signing_key.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::jose {

namespace {
constexpr size_t kModulusBits = 2048;
constexpr size_t kMaxCommonName = 64;  // X.520, ub-common-name
constexpr Seconds kBackdate{86400};    // for clients whose clock is behind
}  // namespace

Result<SigningKey> SigningKey::generate(const std::string& common_name, Time now,
                                        Seconds lifetime) {
    if (common_name.empty() || common_name.size() > kMaxCommonName) {
        return fail(Code::invalid,
                    "'{}' cannot name a certificate: 1 to {} characters are possible", common_name,
                    kMaxCommonName);
    }
    crypto::PrivateKey key = TRY(crypto::PrivateKey::generate_rsa(kModulusBits));
    crypto::CertificateSpec spec;
    spec.subject = {{"CN", common_name}};
    spec.not_before = now - kBackdate;
    spec.not_after = now + lifetime;
    crypto::Certificate certificate = TRY(crypto::issue_certificate(
        spec, key.public_key(), nullptr, key, crypto::CertSignature::rsa_pkcs1_sha256));
    return SigningKey(std::move(key), std::move(certificate));
}

Bytes SigningKey::to_record(const crypto::RootKey& root, std::string_view context) const {
    SecretBytes pkcs8 = key_.to_pkcs8();
    Json record = {{"certificate", encode_base64(certificate_.der())},
                   {"sealed", encode_base64(root.seal(context, pkcs8.expose()))}};
    return to_bytes(dump_json(record));
}

Result<SigningKey> SigningKey::from_record(ByteView record, const crypto::RootKey& root,
                                           std::string_view context) {
    Json json = TRY(parse_json_object(as_text(record)));
    Bytes der = TRY(decode_base64(TRY(json_string(json, "certificate"))));
    Bytes sealed = TRY(decode_base64(TRY(json_string(json, "sealed"))));
    crypto::Certificate certificate = TRY(crypto::Certificate::parse_der(der));
    SecretBytes pkcs8 = TRY(root.open(context, sealed));
    crypto::PrivateKey key = TRY(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    if (!(TRY(certificate.public_key()) == key.public_key())) {
        return fail(Code::bad_evidence, "the stored certificate belongs to another key");
    }
    return SigningKey(std::move(key), std::move(certificate));
}

std::string SigningKey::x5t() const {
    return encode_base64url(certificate_.sha1_fingerprint());
}

Json SigningKey::jwk(std::string_view kid) const {
    Json out = encode_jwk(key_.public_key());
    out["kid"] = kid;
    out["use"] = "sig";
    out["alg"] = "RS256";
    out["x5t"] = x5t();
    out["x5c"] = Json::array({encode_base64(certificate_.der())});
    return out;
}

}  // namespace vouchsafe::jose
