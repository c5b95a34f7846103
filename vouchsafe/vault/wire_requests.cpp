#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/body.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMaxValue = 64 << 10;  // bytes of `value`, `aad` and the like
constexpr int64_t kMaxRandom = 128;     // A.5
constexpr std::string_view kPolicyContentType = "application/json; charset=utf-8";

Result<std::optional<Bytes>> bytes_member(const Json& object, std::string_view name) {
    const auto text = TRY(text_member(object, name));
    if (!text) return std::optional<Bytes>();
    if (text->size() > kMaxValue * 4 / 3 + 4) {
        return fail(Code::invalid, "{} has at most {} bytes", name, kMaxValue);
    }
    return std::optional(TRY(with_context(decode_base64_any(*text), name)));
}

Result<std::vector<std::string>> parse_key_ops(const Json& json) {
    if (!json.is_array() || json.size() > kMaxKeyOps) {
        return wrong_type("key_ops", fmt::format("a list of at most {} strings", kMaxKeyOps));
    }
    std::vector<std::string> out;
    for (const Json& op : json) {
        if (!op.is_string()) return wrong_type("key_ops", "a list of strings");
        if (std::find(out.begin(), out.end(), op) == out.end()) {
            out.push_back(op.get<std::string>());
        }
    }
    return out;
}

}  // namespace

Result<PolicyEnvelope> parse_policy_envelope(const Json& json) {
    if (!json.is_object()) return wrong_type("release_policy", "an object");
    PolicyEnvelope out;
    out.content_type = TRY(text_member(json, "contentType")).value_or("");
    if (out.content_type.empty()) out.content_type = kPolicyContentType;
    if (out.content_type.size() > kMaxContentType) {
        return fail(Code::invalid, "release_policy.contentType has at most {} characters",
                    kMaxContentType);
    }
    out.immutable = TRY(flag_member(json, "immutable")).value_or(false);
    const std::string data = TRY(text_member(json, "data")).value_or("");
    if (data.size() > policy::kMaxPolicyBytes * 4 / 3 + 4) {
        return fail(Code::invalid, "a release policy has at most {} bytes",
                    policy::kMaxPolicyBytes);
    }
    if (Result<Bytes> decoded = decode_base64_any(data)) out.data = to_text(*decoded);
    return out;
}

namespace {

// parse_imported reads what an import says about the key itself: `key`, a JWK with kty and key_ops,
// and whether it shall be of an HSM kind, which clients write "Hsm" or "hsm" (A.3).
Result<void> parse_imported(Json& json, KeyBody& out) {
    const Json* found = member(json, "key");
    if (found == nullptr || !found->is_object()) return wrong_type("key", "an object");
    // Ours to change: the body was parsed for this request.
    Json& jwk = const_cast<Json&>(*found);
    out.material = TRY(import_material(jwk));
    out.kty = TRY(required_text(jwk, "kty"));
    if (TRY(flag_member(json, "hsm")).value_or(false) && !out.kty.ends_with("-HSM")) {
        out.kty += "-HSM";
    }
    if (const Json* ops = member(jwk, "key_ops")) out.key_ops = TRY(parse_key_ops(*ops));
    return {};
}

}  // namespace

Result<KeyBody> parse_key_body(const std::string& text, KeyBodyKind kind) {
    Json json = TRY(parse_body(text));
    KeyBody out;
    if (kind == KeyBodyKind::create) {
        out.kty = TRY(required_text(json, "kty"));
        out.key_size = TRY(number_member(json, "key_size", 1 << 16));
        out.crv = TRY(text_member(json, "crv"));
        if (member(json, "public_exponent") != nullptr) {
            return fail(Code::invalid, "public_exponent cannot be chosen in a vault");
        }
    }
    if (kind == KeyBodyKind::import) TRY(parse_imported(json, out));
    if (const Json* ops = member(json, "key_ops")) out.key_ops = TRY(parse_key_ops(*ops));
    if (const Json* attributes = member(json, "attributes")) {
        out.attributes = TRY(parse_attributes(*attributes));
    }
    if (const Json* tags = member(json, "tags")) out.tags = TRY(parse_tags(*tags));
    if (const Json* policy = member(json, "release_policy")) {
        out.release_policy = TRY(parse_policy_envelope(*policy));
    }
    return out;
}

Result<CryptoBody> parse_crypto_body(const std::string& text) {
    const Json json = TRY(parse_body(text));
    CryptoBody out;
    out.alg = TRY(required_text(json, "alg"));
    auto value = TRY(bytes_member(json, "value"));
    if (!value) return fail(Code::invalid, "value is missing");
    out.value = std::move(*value);
    out.iv = TRY(bytes_member(json, "iv"));
    out.aad = TRY(bytes_member(json, "aad"));
    out.tag = TRY(bytes_member(json, "tag"));
    out.digest = TRY(bytes_member(json, "digest"));
    return out;
}

Result<size_t> parse_random_body(const std::string& text) {
    const Json json = TRY(parse_body(text));
    const auto count = TRY(number_member(json, "count", kMaxRandom));
    if (!count || *count < 1) return wrong_type("count", "a whole number from 1 to 128");
    return static_cast<size_t>(*count);
}

Result<ReleaseBody> parse_release_body(const std::string& text) {
    const Json json = TRY(parse_body(text));
    ReleaseBody out;
    out.target = TRY(required_text(json, "target"));
    out.nonce = TRY(text_member(json, "nonce"));
    if (out.nonce && out.nonce->size() > kMaxNonce) {
        return fail(Code::invalid, "nonce has at most {} bytes", kMaxNonce);
    }
    out.enc = TRY(text_member(json, "enc")).value_or("CKM_RSA_AES_KEY_WRAP");
    return out;
}

Result<Page> parse_page(const net::Request& request) {
    Page out;
    if (const std::string* text = request.query_value("maxresults")) {
        const char* end = text->data() + text->size();
        auto [stop, error] = std::from_chars(text->data(), end, out.limit);
        if (error != std::errc() || stop != end || out.limit == 0 || out.limit > kMaxPage) {
            return fail(Code::invalid, "maxresults must be a number from 1 to {}", kMaxPage);
        }
    }
    if (const std::string* token = request.query_value("$skiptoken")) {
        Result<Bytes> decoded = decode_base64url(*token);
        if (!decoded || !is_object_name(as_text(*decoded))) {
            return fail(Code::invalid, "$skiptoken is not one of ours");
        }
        out.after = to_text(*decoded);
    }
    return out;
}

std::string next_link(std::string_view base, std::string_view path, const ApiVersion& version,
                      const Page& page, std::string_view last) {
    return fmt::format("{}{}?api-version={}&$skiptoken={}&maxresults={}", base, path,
                       encode_percent(version.text()), encode_base64url(as_bytes(last)),
                       page.limit);
}

}  // namespace vouchsafe::vault
