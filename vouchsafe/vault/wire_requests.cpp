#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/policy/release/release_policy.h"
#include "vouchsafe/vault/body.h"

namespace vouchsafe::vault {

namespace {

constexpr size_t kMaxValue = 1024;  // bytes of `value`: the modulus of RSA-8192
constexpr std::string_view kPolicyContentType = "application/json; charset=utf-8";

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

Result<KeyBody> parse_key_body(const std::string& text, KeyBodyKind kind) {
    const Json json = TRY(parse_body(text));
    KeyBody out;
    if (kind == KeyBodyKind::create) {
        out.kty = TRY(required_text(json, "kty"));
        out.key_size = TRY(number_member(json, "key_size", 1 << 16));
        out.crv = TRY(text_member(json, "crv"));
        if (member(json, "public_exponent") != nullptr) {
            return fail(Code::invalid, "public_exponent cannot be chosen in a vault");
        }
    }
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
    const std::string value = TRY(required_text(json, "value"));
    if (value.size() > kMaxValue * 4 / 3 + 4) {
        return fail(Code::invalid, "value has at most {} bytes", kMaxValue);
    }
    out.value = TRY(with_context(decode_base64_any(value), "value"));
    return out;
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
