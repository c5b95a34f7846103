#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/release_answer.h"

namespace vouchsafe::guest {

namespace {

// decoded is base64url JSON as what it says; nullopt if it is none.
std::optional<Json> decoded(const Json* text) {
    if (text == nullptr || !text->is_string()) return std::nullopt;
    auto bytes = decode_base64_any(text->get<std::string>());
    auto json = bytes ? parse_json(as_text(*bytes)) : fail(bytes.error());
    if (!json) return std::nullopt;
    return *json;
}

// member follows a path of objects; nullptr if it does not go on.
const Json* member(const Json& from, std::initializer_list<std::string_view> path) {
    const Json* out = &from;
    for (std::string_view name : path) {
        if (out != nullptr) out = find_member(*out, name);
    }
    return out;
}

// readable_times writes a key's dates (azure-api A.4) for people.
Json readable_times(Json attributes) {
    for (const char* name : {"created", "updated", "exp", "nbf"}) {
        auto seconds = json_integer(attributes, name);
        if (seconds && *seconds >= 0 && *seconds <= UINT32_MAX) {
            attributes[name] = format_rfc3339(from_unix(*seconds));
        }
    }
    return attributes;
}

Json certificate_facts(const crypto::Certificate& certificate) {
    return {{"subject", certificate.subject()},
            {"sha256", encode_hex(certificate.sha256_fingerprint())},
            {"valid_from", format_rfc3339(certificate.not_before())},
            {"valid_to", format_rfc3339(certificate.not_after())}};
}

}  // namespace

Json facts_of(const VerifiedReleaseAnswer& answer) {
    const Json& response = *member(answer.body(), {"response", "key"});
    Json key = *member(response, {"key"});
    key.erase("key_hsm");
    Json out{{"vault", answer.host()}, {"key", std::move(key)}};
    out["request"] = *member(answer.body(), {"request"});
    if (const Json* attributes = member(response, {"attributes"})) {
        out["attributes"] = readable_times(*attributes);
    }
    if (const Json* policy = member(response, {"release_policy"})) {
        out["release_policy"] = decoded(member(*policy, {"data"})).value_or("not readable");
        const Json* immutable = member(*policy, {"immutable"});
        out["release_policy_immutable"] = immutable != nullptr ? *immutable : Json(false);
    }
    Json wrapped = decoded(member(response, {"key", "key_hsm"})).value_or(Json::object());
    wrapped.erase("ciphertext");
    wrapped["ciphertext_bytes"] = answer.ciphertext().size();
    out["key_hsm"] = std::move(wrapped);
    out["signer"] = certificate_facts(answer.chain().front());
    out["signer"]["names"] = answer.chain().front().dns_names();
    out["root"] = certificate_facts(answer.chain().back());
    return out;
}

}  // namespace vouchsafe::guest
