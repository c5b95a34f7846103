#include "vouchsafe/jose/jwk.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/kept_signatures.h"

namespace vouchsafe::jose {

namespace {

constexpr size_t kMaxKeys = 64;

struct CurveName {
    crypto::Curve curve;
    std::string_view name;  // RFC 7518, 6.2.1.1
    size_t width;           // of a coordinate in bytes
};
constexpr CurveName kCurves[] = {
    {crypto::Curve::p256, "P-256", 32},
    {crypto::Curve::p384, "P-384", 48},
    {crypto::Curve::p521, "P-521", 66},
    {crypto::Curve::p256k, "P-256K", 32},  // Azure's name; RFC 8812 says secp256k1
};

Result<Bytes> number(const Json& jwk, std::string_view name) {
    std::string text = TRY(json_string(jwk, name));
    Bytes bytes = TRY(with_context(decode_base64_any(text), name));
    if (bytes.empty()) return fail(Code::invalid, "the member '{}' is empty", name);
    return bytes;
}

Result<crypto::PublicKey> parse_ec(const Json& jwk) {
    std::string name = TRY(json_string(jwk, "crv"));
    auto curve = std::find_if(std::begin(kCurves), std::end(kCurves),
                              [&](const CurveName& known) { return known.name == name; });
    if (curve == std::end(kCurves)) {
        return fail(Code::unsupported, "the curve {} is not supported", show_json(name));
    }
    Bytes x = TRY(number(jwk, "x"));
    Bytes y = TRY(number(jwk, "y"));
    if (x.size() != curve->width || y.size() != curve->width) {  // RFC 7518, 6.2.1.2
        return fail(Code::invalid, "x and y of {} must have {} bytes", name, curve->width);
    }
    return crypto::PublicKey::from_ec(curve->curve, x, y);
}

Result<crypto::PublicKey> parse_certificate(const Json& jwk, crypto::KeyType type) {
    const Json* chain = TRY(json_array(jwk, "x5c"));
    if (chain->empty() || !(*chain)[0].is_string()) {
        return fail(Code::invalid, "x5c holds no certificate");
    }
    Bytes der = TRY(with_context(decode_base64((*chain)[0].get<std::string>()), "x5c"));
    crypto::Certificate leaf = TRY(with_context(crypto::Certificate::parse_der(der), "x5c"));
    crypto::PublicKey key = TRY(with_context(leaf.public_key(), "x5c"));
    if (key.type() != type)
        return fail(Code::invalid, "the key in x5c is of another type than kty");
    return key;
}

bool may_verify(const Json& jwk) {
    const Json* use = find_member(jwk, "use");
    if (use != nullptr && *use != "sig") return false;
    const Json* ops = find_member(jwk, "key_ops");
    if (ops == nullptr) return true;
    return ops->is_array() && std::find(ops->begin(), ops->end(), "verify") != ops->end();
}

}  // namespace

Result<crypto::PublicKey> parse_jwk(const Json& jwk) {
    if (!jwk.is_object()) return fail(Code::invalid, "a JWK must be an object");
    std::string kty = TRY(json_string(jwk, "kty"));
    bool rsa = kty == "RSA" || kty == "RSA-HSM";
    if (!rsa && kty != "EC" && kty != "EC-HSM") {
        return fail(Code::unsupported, "keys of type {} are not supported", show_json(kty));
    }
    crypto::KeyType type = rsa ? crypto::KeyType::rsa : crypto::KeyType::ec;
    bool certified = find_member(jwk, "x5c") != nullptr;
    bool bare = find_member(jwk, rsa ? "n" : "x") != nullptr;
    if (!bare && certified) return parse_certificate(jwk, type);
    crypto::PublicKey key =
        rsa ? TRY(crypto::PublicKey::from_rsa(TRY(number(jwk, "n")), TRY(number(jwk, "e"))))
            : TRY(parse_ec(jwk));
    if (certified && !(TRY(parse_certificate(jwk, type)) == key)) {
        return fail(Code::invalid, "the key in x5c is another than the one beside it");
    }
    return key;
}

Json encode_jwk(const crypto::PublicKey& key) {
    if (key.type() == crypto::KeyType::rsa) {
        crypto::RsaPublicParts parts = MUST(key.rsa());
        return {{"kty", "RSA"},
                {"n", encode_base64url(parts.modulus)},
                {"e", encode_base64url(parts.exponent)}};
    }
    crypto::EcPublicParts parts = MUST(key.ec());
    return {{"kty", "EC"},
            {"crv", kCurves[static_cast<size_t>(parts.curve)].name},
            {"x", encode_base64url(parts.x)},
            {"y", encode_base64url(parts.y)}};
}

Bytes thumbprint(const crypto::PublicKey& key) {
    // encode_jwk gives exactly the required members, dump_json sorts them: RFC 7638, 3.
    return crypto::hash(crypto::HashAlg::sha256, as_bytes(dump_json(encode_jwk(key))));
}

Result<JwkSet> JwkSet::parse(const Json& json) {
    const Json* keys = TRY(json_array(json, "keys"));
    JwkSet out;
    for (const Json& jwk : *keys) {
        if (out.entries_.size() == kMaxKeys) break;
        auto key = parse_jwk(jwk);
        if (!key) continue;
        Entry entry{text_or_empty(jwk, "kid"), *key, text_or_empty(jwk, "alg"), may_verify(jwk),
                    std::make_shared<KeptSignatures>()};
        bool ambiguous =
            std::any_of(out.entries_.begin(), out.entries_.end(), [&](const Entry& known) {
                return !entry.kid.empty() && known.kid == entry.kid && !(known.key == entry.key);
            });
        if (ambiguous) {
            return fail(Code::invalid, "the key set has two keys with the kid {}",
                        show_json(entry.kid));
        }
        out.entries_.push_back(std::move(entry));
    }
    return out;
}

const JwkSet::Entry* JwkSet::find_entry(std::string_view kid) const {
    for (const Entry& entry : entries_) {
        if (!entry.signs) continue;
        if (kid.empty() ? entries_.size() == 1 : entry.kid == kid) return &entry;
    }
    return nullptr;
}

const crypto::PublicKey* JwkSet::find(std::string_view kid) const {
    const Entry* entry = find_entry(kid);
    return entry == nullptr ? nullptr : &entry->key;
}

}  // namespace vouchsafe::jose
