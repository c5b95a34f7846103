#include "vouchsafe/vault/secrets/secret_wire.h"

#include "vouchsafe/vault/body.h"

namespace vouchsafe::vault::secrets {

namespace {

// WipedBody wipes the texts at the top of a request body after use: one of them is the value.
struct WipedBody {
    Json json;

    explicit WipedBody(Json parsed) : json(std::move(parsed)) {}
    WipedBody(const WipedBody&) = delete;
    WipedBody& operator=(const WipedBody&) = delete;
    ~WipedBody() {
        for (auto& [name, value] : json.items()) {
            if (!value.is_string()) continue;
            std::string& text = value.get_ref<std::string&>();
            wipe({reinterpret_cast<uint8_t*>(text.data()), text.size()});
        }
    }
};

Result<SecretBytes> parse_value(const Json& json) {
    const Json* value = member(json, "value");
    if (value == nullptr || !value->is_string()) return wrong_type("value", "a string");
    const std::string& text = value->get_ref<const std::string&>();
    if (text.size() > kMaxSecretValue) {
        return fail(Code::invalid, "value has at most {} bytes", kMaxSecretValue);
    }
    return SecretBytes::copy_of(text);
}

Result<void> parse_properties(const Json& json, SecretBody& out) {
    out.content_type = TRY(text_member(json, "contentType"));
    if (out.content_type && out.content_type->size() > kMaxSecretContentType) {
        return fail(Code::invalid, "contentType has at most {} characters", kMaxSecretContentType);
    }
    if (const Json* attributes = member(json, "attributes")) {
        out.attributes = TRY(parse_attributes(*attributes));
    }
    if (const Json* tags = member(json, "tags")) {
        out.tags = TRY(parse_tags(*tags, kMaxSecretTagText));
    }
    return {};
}

Json encode_secret_attributes(const Call& call, const SecretVersion& version) {
    Json out = Json::object();
    out["enabled"] = version.enabled;
    out["created"] = version.created;
    out["updated"] = version.updated;
    add_recovery(out, *call.vault);
    if (version.not_before) out["nbf"] = *version.not_before;
    if (version.expires) out["exp"] = *version.expires;
    return out;
}

}  // namespace

Result<SecretBody> parse_set_body(const std::string& text) {
    const WipedBody body(TRY(parse_body(text)));
    SecretBody out;
    out.value = TRY(parse_value(body.json));
    TRY(parse_properties(body.json, out));
    return out;
}

Result<SecretBody> parse_update_body(const std::string& text) {
    const WipedBody body(TRY(parse_body(text)));
    SecretBody out;
    TRY(parse_properties(body.json, out));
    return out;
}

Result<void> apply(SecretVersion& version, const SecretBody& body) {
    if (body.content_type) version.content_type = *body.content_type;
    if (body.tags) version.tags = *body.tags;
    if (body.attributes.enabled) version.enabled = *body.attributes.enabled;
    if (body.attributes.not_before) version.not_before = body.attributes.not_before;
    if (body.attributes.expires) version.expires = body.attributes.expires;
    if (version.not_before && version.expires && *version.not_before >= *version.expires) {
        return fail(Code::invalid, "attributes.nbf must be before attributes.exp");
    }
    return {};
}

Json encode_secret_item(const Call& call, const Secret& secret, bool versioned) {
    const std::string_view version = versioned ? std::string_view(secret.version.version) : "";
    Json out = Json::object();
    out["id"] = object_id(call.address.base, "secrets", secret.record.name, version);
    out["attributes"] = encode_secret_attributes(call, secret.version);
    if (!secret.version.content_type.empty()) out["contentType"] = secret.version.content_type;
    if (!secret.version.tags.empty()) out["tags"] = secret.version.tags;
    return out;
}

Json encode_secret(const Call& call, const Secret& secret) {
    Json out = encode_secret_item(call, secret, true);
    // Since api-version 2025-07-01, which lies behind 7.6 (A.9).
    if (call.version->at_least_7(7) && !secret.version.previous.empty()) {
        out["previousVersion"] = secret.version.previous;
    }
    return out;
}

}  // namespace vouchsafe::vault::secrets
