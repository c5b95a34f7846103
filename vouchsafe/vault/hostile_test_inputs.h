// Access tokens and request bodies that every route refuses.
#pragma once

#include "vouchsafe/vault/test_support.h"

namespace vouchsafe::vault::test {

using BadTokens = std::vector<std::pair<std::string, std::string>>;  // what is bad, header line

inline std::string bearer(const std::string& token) {
    return "Authorization: Bearer " + token;
}

inline std::string officer_with(const Json& change) {
    Json claims = access_claims(kOfficer);
    claims.merge_patch(change);
    return bearer(keys().login.token(claims));
}

// with_header replaces the header of a token and leaves the rest.
inline std::string with_header(const std::string& token, const Json& header) {
    return encode_base64url(as_bytes(dump_json(header))) + token.substr(token.find('.'));
}

inline BadTokens bad_tokens() {
    const std::string good = access_token(kOfficer);
    const Json claims = access_claims(kOfficer);
    std::string flipped = good;
    flipped[flipped.size() - 20] = flipped[flipped.size() - 20] == 'A' ? 'B' : 'A';
    const TestIssuer thief{keys().login.kid, keys().stranger.key};
    const int64_t now = to_unix(kNow);
    BadTokens out = {
        {"empty", "Authorization: Bearer "},
        {"another scheme", "Authorization: Basic b2ZmaWNlcjpwYXNzd29yZA=="},
        {"no scheme", "Authorization: " + good},
        {"no token", bearer("x")},
        {"three empty parts", bearer("..")},
        {"a changed signature", bearer(flipped)},
        {"no signature", bearer(good.substr(0, good.rfind('.') + 1))},
        {"alg none",
         bearer(jose::unsigned_jws({{"kid", keys().login.kid}}, as_bytes(dump_json(claims))))},
        {"alg none, signature left",
         bearer(with_header(good, {{"alg", "none"}, {"kid", keys().login.kid}}))},
        {"alg HS256", bearer(with_header(good, {{"alg", "HS256"}, {"kid", keys().login.kid}}))},
        {"a critical header",
         bearer(
             with_header(good, {{"alg", "RS256"}, {"kid", keys().login.kid}, {"crit", {"exp"}}}))},
        {"of a thief of the kid", bearer(thief.token(claims))},
        {"of an unknown kid", bearer(keys().stranger.token(claims))},
        {"of the attestation service", bearer(keys().attestation.token(attestation_claims()))},
        {"huge", bearer(good + std::string(12 << 10, 'A'))},
        {"twice", bearer(good) + "\r\n" + bearer(good)},
        {"with a line folded in", bearer(good.substr(0, 40)) + "\r\n " + good.substr(40)},
    };
    const std::pair<const char*, Json> changes[] = {
        {"wrong audience", {{"aud", "https://management.azure.com"}}},
        {"no audience", {{"aud", nullptr}}},
        {"issuer of another tenant",
         {{"iss", fmt::format("https://sts.windows.net/{}/", kNobody)}}},
        {"another issuer", {{"iss", "https://evil.example/"}}},
        {"no issuer", {{"iss", nullptr}}},
        {"another tenant", {{"tid", kNobody}}},
        {"no tenant", {{"tid", nullptr}}},
        {"expired", {{"exp", now - 301}}},
        {"exp that wraps", {{"exp", -1}}},
        {"exp beyond time", {{"exp", 9223372036854775807}}},
        {"exp as text", {{"exp", std::to_string(now + 3600)}}},
        {"exp with a fraction", {{"exp", 1.9e9 + 0.5}}},
        {"no exp", {{"exp", nullptr}}},
        {"not yet valid", {{"nbf", now + 301}}},
        {"no oid", {{"oid", nullptr}}},
        {"oid that is a path", {{"oid", std::string(kOfficer) + "/.."}}},
        {"oid as a list", {{"oid", Json::array({kOfficer})}}},
    };
    for (const auto& [what, change] : changes) out.emplace_back(what, officer_with(change));
    return out;
}

// each_member calls `use` with every place in a document below its root.
inline void each_member(Json& at, const std::function<void(Json&)>& use) {
    for (Json& child : at) {
        use(child);
        if (child.is_structured()) each_member(child, use);
    }
}

// bad_bodies are made of a valid one.
inline std::vector<std::string> bad_bodies(const Json& valid) {
    const std::string text = dump_json(valid);
    std::vector<std::string> out = {
        "",
        " ",
        "null",
        "[]",
        "17",
        "true",
        "\"text\"",
        "{",
        "}",
        text + "x",
        text + text,
        "[" + text + "]",
        text.substr(0, text.size() - 1),
        "{\"\xff\":1}",
        text.substr(0, text.size() - 1) + ",\"z\":\"\xc3\x28\"}",
        text.substr(0, text.size() - 1) + ",\"z\":\"\xed\xa0\x80\"}",
        text.substr(0, text.size() - 1) + ",\"z\":1e999}",
        text + std::string(1, '\0'),
        "{\"z\":" + std::string(20'000, '[') + std::string(20'000, ']') + "}",
        text + std::string(5 << 20, ' ')};
    const std::string long_name = dump_json(std::string(100 << 10, 'n')) + ":1,";
    out.push_back("{" + long_name + long_name + text.substr(1));
    for (const auto& [name, value] : valid.items()) {
        const std::string member = dump_json(name) + ":" + dump_json(value);
        out.push_back("{" + member + "," + text.substr(1));
        // Names are matched without case, so this one is there twice as well.
        std::string capitals = name;
        std::ranges::transform(capitals, capitals.begin(),
                               [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
        out.push_back("{" + dump_json(capitals) + ":" + dump_json(value) + "," + text.substr(1));
    }
    Json changed = valid;
    each_member(changed, [&](Json& place) {
        const Json others[] = {17,
                               1.5,
                               -1,
                               18446744073709551615ULL,
                               true,
                               "text",
                               Json::array(),
                               Json::array({Json::array()}),
                               Json::object()};
        for (const Json& other : others) {
            const bool number = place.is_number() && other.is_number();
            const bool same = place.type() == other.type() || (number && other == 17);
            if (same) continue;
            Json before = std::exchange(place, other);
            out.push_back(dump_json(changed));
            place = std::move(before);
        }
        if (place.is_string()) {
            Json before = std::exchange(place, std::string(100 << 10, 'A'));
            out.push_back(dump_json(changed));
            place = std::move(before);
        }
    });
    return out;
}

}  // namespace vouchsafe::vault::test
