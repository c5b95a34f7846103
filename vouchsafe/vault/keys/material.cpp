#include "vouchsafe/vault/keys/material.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMaxPart = 4096 / 8 + 8;  // octets of a number, some leading zeros included
constexpr size_t kRsaSizes[] = {2048, 3072, 4096};
constexpr size_t kOctSizes[] = {16, 24, 32, 48, 64};

struct ImportCurve {
    std::string_view name;
    crypto::Curve curve;
};
constexpr ImportCurve kImportCurves[] = {{"P-256", crypto::Curve::p256},
                                         {"P-384", crypto::Curve::p384},
                                         {"P-521", crypto::Curve::p521},
                                         {"P-256K", crypto::Curve::p256k}};

KeyMaterial material_of(const KeySpec& spec, const crypto::PrivateKey& key) {
    return {spec, key.to_pkcs8(), key.public_key().spki()};
}

Result<const std::string*> jwk_text(const Json& jwk, std::string_view name) {
    const Json* found = find_member_ignore_case(jwk, name);
    if (found == nullptr || !found->is_string()) {
        return fail(Code::invalid, "key.{} is missing or no string", name);
    }
    return &found->get_ref<const std::string&>();
}

Result<Bytes> jwk_octets(const Json& jwk, std::string_view name) {
    const std::string* text = TRY(jwk_text(jwk, name));
    if (text->size() > kMaxPart * 4 / 3 + 4) {
        return fail(Code::invalid, "key.{} has at most {} octets", name, kMaxPart);
    }
    Result<Bytes> out = decode_base64_any(*text);
    if (!out || out->empty()) return fail(Code::invalid, "key.{} is not base64url", name);
    return out;
}

Result<SecretBytes> jwk_secret(const Json& jwk, std::string_view name) {
    Bytes octets = TRY(jwk_octets(jwk, name));
    SecretBytes out = SecretBytes::copy_of(octets);
    wipe(octets);
    return out;
}

Result<KeyMaterial> import_rsa(const Json& jwk) {
    crypto::RsaPrivateParts parts;
    parts.modulus = TRY(jwk_octets(jwk, "n"));
    parts.exponent = TRY(jwk_octets(jwk, "e"));
    parts.d = TRY(jwk_secret(jwk, "d"));
    parts.p = TRY(jwk_secret(jwk, "p"));
    parts.q = TRY(jwk_secret(jwk, "q"));
    parts.dp = TRY(jwk_secret(jwk, "dp"));
    parts.dq = TRY(jwk_secret(jwk, "dq"));
    parts.qi = TRY(jwk_secret(jwk, "qi"));
    // Sizes first: checking the primes of a large key takes long.
    const auto half = TRY(crypto::PublicKey::from_rsa(parts.modulus, parts.exponent));
    if (std::ranges::find(kRsaSizes, half.bits()) == std::end(kRsaSizes)) {
        return fail(Code::invalid, "an RSA key has 2048, 3072 or 4096 bits, not {}", half.bits());
    }
    return material_of({KeyFamily::rsa, half.bits(), {}}, TRY(crypto::PrivateKey::from_rsa(parts)));
}

Result<KeyMaterial> import_ec(const Json& jwk) {
    const std::string* crv = TRY(jwk_text(jwk, "crv"));
    const auto* curve = std::ranges::find(kImportCurves, *crv, &ImportCurve::name);
    if (curve == std::end(kImportCurves)) {
        return fail(Code::invalid, "key.crv is P-256, P-384, P-521 or P-256K");
    }
    crypto::EcPrivateParts parts;
    parts.point.curve = curve->curve;
    parts.point.x = TRY(jwk_octets(jwk, "x"));
    parts.point.y = TRY(jwk_octets(jwk, "y"));
    parts.d = TRY(jwk_secret(jwk, "d"));
    return material_of({KeyFamily::ec, 0, curve->curve}, TRY(crypto::PrivateKey::from_ec(parts)));
}

Result<KeyMaterial> import_oct(const Json& jwk) {
    SecretBytes k = TRY(jwk_secret(jwk, "k"));
    if (std::ranges::find(kOctSizes, k.size()) == std::end(kOctSizes)) {
        return fail(Code::invalid,
                    "key.k has 16, 24 or 32 octets, or 48 or 64 for a key that only signs");
    }
    const size_t bits = k.size() * 8;
    return KeyMaterial{{KeyFamily::oct, bits, {}}, std::move(k), {}};
}

Result<KeyMaterial> import_any(const Json& jwk) {
    if (!jwk.is_object()) return fail(Code::invalid, "key is missing or no object");
    if (find_member_ignore_case(jwk, "key_hsm") != nullptr) {
        return fail(Code::unsupported,
                    "key.key_hsm is a key wrapped for a hardware security module, and this vault "
                    "has none: import the key itself");
    }
    const std::string* kty = TRY(jwk_text(jwk, "kty"));
    if (*kty == "RSA" || *kty == "RSA-HSM") return import_rsa(jwk);
    if (*kty == "EC" || *kty == "EC-HSM") return import_ec(jwk);
    if (*kty == "oct" || *kty == "oct-HSM") return import_oct(jwk);
    return fail(Code::invalid, "key.kty is RSA, EC or oct, or one of these with -HSM");
}

}  // namespace

Result<KeyMaterial> generate_material(const KeySpec& spec) {
    switch (spec.family) {
        case KeyFamily::rsa:
            return material_of(spec, TRY(crypto::PrivateKey::generate_rsa(spec.bits)));
        case KeyFamily::ec:
            return material_of(spec, TRY(crypto::PrivateKey::generate_ec(spec.curve)));
        case KeyFamily::oct:
            break;
    }
    return KeyMaterial{spec, crypto::random_secret(spec.bits / 8), {}};
}

Result<KeyMaterial> import_material(Json& jwk) {
    Result<KeyMaterial> out = import_any(jwk);
    if (jwk.is_object()) {
        for (auto& [name, value] : jwk.items()) {
            if (!value.is_string() || equal_ignore_case(name, "kty")) continue;
            auto& text = value.get_ref<std::string&>();
            wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
        }
    }
    return out;
}

}  // namespace vouchsafe::vault
