#include "vouchsafe/jose/signing_key.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::jose {

namespace {
constexpr size_t kModulusBits = 2048;
constexpr size_t kMaxCommonName = 64;  // X.520, ub-common-name

bool fits(crypto::SigAlg alg, const crypto::PublicKey& key) {
    if (alg != crypto::SigAlg::es256) return key.type() == crypto::KeyType::rsa;
    auto point = key.ec();
    return point && point->curve == crypto::Curve::p256;
}

// A key signs its certificate with nothing weaker than its tokens.
crypto::CertSignature certificate_signature(crypto::SigAlg alg) {
    if (alg == crypto::SigAlg::es256) return crypto::CertSignature::ecdsa_sha256;
    return alg == crypto::SigAlg::ps256 ? crypto::CertSignature::rsa_pss_sha384
                                        : crypto::CertSignature::rsa_pkcs1_sha256;
}

std::string x5t_of(const crypto::Certificate& certificate) {
    return encode_base64url(certificate.sha1_fingerprint());
}

Json entry_of(const crypto::PublicKey& key, const crypto::Certificate& certificate,
              crypto::SigAlg alg, std::string_view kid) {
    Json out = encode_jwk(key);
    out["kid"] = kid;
    out["use"] = "sig";
    out["alg"] = crypto::sig_alg_name(alg);
    out["x5t"] = x5t_of(certificate);
    out["x5c"] = Json::array({encode_base64(certificate.der())});
    return out;
}

}  // namespace

Result<crypto::SigAlg> signing_algorithm(std::string_view name) {
    auto alg = crypto::sig_alg_from_name(name);
    if (!alg || std::ranges::find(kSigningAlgorithms, *alg) == kSigningAlgorithms.end()) {
        return fail(Code::unsupported, "{} is not RS256, PS256 or ES256", show_json(name));
    }
    return *alg;
}

Result<Json> key_entry(const crypto::Certificate& certificate, crypto::SigAlg alg,
                       std::string_view kid) {
    crypto::PublicKey key = TRY(certificate.public_key());
    if (!fits(alg, key)) {
        return fail(Code::bad_evidence, "the key is not one for {}", crypto::sig_alg_name(alg));
    }
    return entry_of(key, certificate, alg, kid);
}

Result<SigningKey> SigningKey::generate(const std::string& common_name, Time now, Seconds lifetime,
                                        crypto::SigAlg alg) {
    TRY(signing_algorithm(crypto::sig_alg_name(alg)));
    if (common_name.empty() || common_name.size() > kMaxCommonName) {
        return fail(Code::invalid,
                    "'{}' cannot name a certificate: 1 to {} characters are possible", common_name,
                    kMaxCommonName);
    }
    crypto::PrivateKey key = alg == crypto::SigAlg::es256
                                 ? TRY(crypto::PrivateKey::generate_ec(crypto::Curve::p256))
                                 : TRY(crypto::PrivateKey::generate_rsa(kModulusBits));
    crypto::CertificateSpec spec;
    spec.subject = {{"CN", common_name}};
    spec.not_before = now - kSigningKeyBackdate;
    spec.not_after = now + lifetime;
    crypto::Certificate certificate = TRY(crypto::issue_certificate(
        spec, key.public_key(), nullptr, key, certificate_signature(alg)));
    return SigningKey(std::move(key), std::move(certificate), alg);
}

Bytes SigningKey::to_record(const crypto::RootKey& root, std::string_view context) const {
    SecretBytes pkcs8 = key_.to_pkcs8();
    Json record = {{"certificate", encode_base64(certificate_.der())},
                   {"sealed", encode_base64(root.seal(context, pkcs8.expose()))}};
    if (alg_ != crypto::SigAlg::rs256) record["alg"] = crypto::sig_alg_name(alg_);
    return to_bytes(dump_json(record));
}

Result<SigningKey> SigningKey::from_record(ByteView record, const crypto::RootKey& root,
                                           std::string_view context) {
    Json json = TRY(parse_json_object(as_text(record)));
    Bytes der = TRY(decode_base64(TRY(json_string(json, "certificate"))));
    Bytes sealed = TRY(decode_base64(TRY(json_string(json, "sealed"))));
    crypto::SigAlg alg = crypto::SigAlg::rs256;  // of records from before there was a choice
    if (find_member(json, "alg") != nullptr) {
        alg = TRY(signing_algorithm(TRY(json_string(json, "alg"))));
    }
    crypto::Certificate certificate = TRY(crypto::Certificate::parse_der(der));
    SecretBytes pkcs8 = TRY(root.open(context, sealed));
    crypto::PrivateKey key = TRY(crypto::PrivateKey::from_pkcs8(pkcs8.expose()));
    if (!(TRY(certificate.public_key()) == key.public_key())) {
        return fail(Code::bad_evidence, "the stored certificate belongs to another key");
    }
    if (!fits(alg, key.public_key())) {
        return fail(Code::bad_evidence, "the stored key is not one for {}",
                    crypto::sig_alg_name(alg));
    }
    return SigningKey(std::move(key), std::move(certificate), alg);
}

std::string SigningKey::x5t() const {
    return x5t_of(certificate_);
}

Json SigningKey::jwk(std::string_view kid) const {
    return entry_of(key_.public_key(), certificate_, alg_, kid);
}

}  // namespace vouchsafe::jose
