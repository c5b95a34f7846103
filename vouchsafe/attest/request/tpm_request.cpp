#include "vouchsafe/attest/request/tpm_request.h"

#include <algorithm>

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/request/raw_json.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest {

using crypto::HashAlg;
using evidence::PcrBank;

namespace {

// Limits on decoded sizes: a few times what clients send.
constexpr size_t kMaxInit = 4 << 10;  // bytes of a body
constexpr size_t kMaxTcgLog = 512 << 10;
constexpr size_t kMaxImaLog = 512 << 10;
constexpr size_t kMaxAikCert = 16 << 10;
constexpr size_t kMaxTpmStructure = 4 << 10;
constexpr size_t kMaxDigest = 64;
constexpr size_t kMaxNonceBytes = 64;
constexpr size_t kMaxRpData = 4 << 10;
constexpr size_t kMaxBanks = 4;
constexpr size_t kMaxBankValues = 24;
constexpr size_t kMaxOtherKeys = 2;
constexpr size_t kMaxWord = 32;  // characters of names

// list reads an array of at most `most` elements; an absent one is empty.
Result<std::vector<JsonFields>> list(const JsonFields& fields, std::string_view name, size_t most) {
    std::vector<JsonFields> out;
    const Json* found = TRY(fields.find(name));
    if (found == nullptr) return out;
    if (!found->is_array() || found->size() > most) {
        return fail(Code::invalid, "{} must be a list of at most {} entries", fields.path_of(name),
                    most);
    }
    for (const Json& entry : *found) {
        out.push_back(TRY(JsonFields::of(entry, fields.path_of(name))));
    }
    return out;
}

Result<Bytes> optional_bytes(const JsonFields& fields, std::string_view name, size_t most) {
    if (TRY(fields.find(name)) == nullptr) return Bytes{};
    return fields.bytes(name, most);
}

Result<crypto::PublicKey> key_of(const JsonFields& fields, std::string_view name) {
    return with_context(jose::parse_jwk(*TRY(fields.require(name))), fields.path_of(name));
}

Result<PcrBank> parse_pcr_bank(const JsonFields& fields) {
    int64_t algorithm = TRY(fields.whole_number("algorithm"));
    auto hash = algorithm <= UINT16_MAX
                    ? evidence::hash_from_tpm_alg(static_cast<uint16_t>(algorithm))
                    : std::nullopt;
    if (!hash) {
        return fail(Code::invalid, "{} {} is no hash known here", fields.path_of("algorithm"),
                    algorithm);
    }
    PcrBank out{*hash, {}};
    for (const JsonFields& value : TRY(list(fields, "values", kMaxBankValues))) {
        auto index = TRY(value.whole_number("index"));
        Bytes digest = TRY(value.bytes("digest", kMaxDigest));
        bool fits = index < static_cast<int64_t>(kMaxBankValues) &&
                    digest.size() == crypto::hash_size(*hash) &&
                    !out.values.contains(static_cast<uint32_t>(index));
        if (!fits) {
            return fail(Code::invalid, "{} must be one digest of {} bytes for a register below {}",
                        fields.path_of("values"), crypto::hash_size(*hash), kMaxBankValues);
        }
        out.values[static_cast<uint32_t>(index)] = std::move(digest);
    }
    return out;
}

Result<std::vector<PcrBank>> parse_banks(const JsonFields& fields) {
    std::vector<PcrBank> out;
    for (const JsonFields& entry : TRY(list(fields, "pcrs", kMaxBanks))) {
        PcrBank bank = TRY(parse_pcr_bank(entry));
        if (std::ranges::find(out, bank.hash, &PcrBank::hash) != out.end()) {
            return fail(Code::invalid, "{} has a bank twice", fields.path_of("pcrs"));
        }
        out.push_back(std::move(bank));
    }
    return out;
}

// One log of each kind: a firmware's, and the kernel's.
Result<void> parse_logs(const JsonFields& fields, evidence::TpmMachineEvidence& out) {
    for (const JsonFields& entry : TRY(list(fields, "logs", 2))) {
        std::string type = TRY(entry.string("type", kMaxWord));
        bool tcg = equal_ignore_case(type, "TCG");
        if (!tcg && !equal_ignore_case(type, "IMA")) {
            return fail(Code::invalid, "{} must be TCG or IMA", entry.path_of("type"));
        }
        Bytes& log = tcg ? out.event_log : out.ima_list;
        if (!log.empty()) {
            return fail(Code::invalid, "{} has more than one {} log, which is not built here",
                        fields.path_of("logs"), tcg ? "TCG" : "IMA");
        }
        log = TRY(entry.bytes("log", tcg ? kMaxTcgLog : kMaxImaLog));
        if (log.empty()) return fail(Code::invalid, "{} is empty", entry.path_of("log"));
    }
    return {};
}

Result<evidence::TpmMachineEvidence> parse_evidence(const JsonFields& data) {
    JsonFields tpm = TRY(data.object("tpm_att_data"));
    JsonFields now = TRY(tpm.object("current_attestation"));
    evidence::TpmMachineEvidence out{TRY(key_of(now, "aik_pub")), {}, {}, {}, {}, {}, {}};
    out.ak_certificate = TRY(optional_bytes(now, "aik_cert", kMaxAikCert));
    out.quote = TRY(now.bytes("quote", kMaxTpmStructure));
    out.quote_signature = TRY(now.bytes("signature", kMaxTpmStructure));
    out.values = TRY(parse_banks(now));
    TRY(parse_logs(now, out));
    return out;
}

Result<HashAlg> parse_hash_name(const JsonFields& fields) {
    std::string name = TRY(fields.string("hash_alg", kMaxWord));
    if (equal_ignore_case(name, "sha-256")) return HashAlg::sha256;
    if (equal_ignore_case(name, "sha-384")) return HashAlg::sha384;
    if (equal_ignore_case(name, "sha-512")) return HashAlg::sha512;
    return fail(Code::invalid, "{} must be sha-256, sha-384 or sha-512",
                fields.path_of("hash_alg"));
}

Result<TpmKey> parse_key(const JsonFields& fields) {
    TpmKey out{TRY(key_of(fields, "jwk")), "", std::nullopt, std::nullopt};
    if (TRY(fields.find("info")) == nullptr) return out;
    JsonFields info = TRY(fields.object("info"));
    if (TRY(info.find("tpm_quote")) != nullptr) {
        out.quote_hash = TRY(parse_hash_name(TRY(info.object("tpm_quote"))));
    }
    if (TRY(info.find("tpm_certify")) != nullptr) {
        JsonFields certify = TRY(info.object("tpm_certify"));
        evidence::KeyCertification made;
        made.public_area = TRY(certify.bytes("public", kMaxTpmStructure));
        made.attest = TRY(certify.bytes("certification", kMaxTpmStructure));
        made.signature = TRY(certify.bytes("signature", kMaxTpmStructure));
        out.certification = std::move(made);
    }
    if (out.quote_hash && out.certification) {
        return fail(Code::invalid, "{} binds the key in two ways", fields.path_of("info"));
    }
    return out;
}

Result<std::vector<TpmKey>> parse_other_keys(const JsonFields& data) {
    std::vector<TpmKey> out;
    for (const JsonFields& entry : TRY(list(data, "other_keys", kMaxOtherKeys))) {
        TpmKey key = TRY(parse_key(entry));
        if (key.quote_hash) {
            return fail(Code::invalid, "{} has a key bound by the quote, as only request_key can",
                        data.path_of("other_keys"));
        }
        out.push_back(std::move(key));
    }
    return out;
}

Result<std::string> parse_rp_data(const JsonFields& data) {
    std::string text = TRY(data.optional_string("rp_data", 2 * kMaxRpData)).value_or("");
    if (!text.empty()) TRY(data.bytes("rp_data", kMaxRpData));
    return text;
}

// check_kind: what this service does not read is named.
Result<void> check_kind(const jose::Jws& jws, const JsonFields& payload) {
    std::string type = text_or_empty(jws.header, "typ");
    if (!equal_ignore_case(type, "attReqV2")) {
        return fail(Code::invalid, "the request's typ is {}: only attReqV2 is built here",
                    show_json(type));
    }
    std::string kind = TRY(payload.string("att_type", kMaxWord));
    if (!equal_ignore_case(kind, "basic")) {
        return fail(Code::invalid, "att_type is {}: only basic is built here", show_json(kind));
    }
    return {};
}

}  // namespace

Result<TpmMessage> TpmMessage::open(std::string_view body, size_t max_size) {
    Json outer = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(outer, ""));
    TpmMessage out{TRY(request.encoded_json("data", max_size))};
    JsonFields data = TRY(JsonFields::of(out.content, "data"));
    const Json* payload = TRY(data.find("payload"));
    if (payload == nullptr) return out;
    TRY(JsonFields::of(*payload, "data.payload"));
    return TpmMessage{Json(*payload), true};
}

Json tpm_answer(Json content, bool in_payload) {
    Json message = in_payload ? Json{{"payload", std::move(content)}} : std::move(content);
    return {{"data", encode_base64url(as_bytes(dump_json(message)))}};
}

std::optional<TpmMessage> read_tpm_init(std::string_view body) {
    if (body.size() > kMaxInit) return std::nullopt;
    auto message = TpmMessage::open(body, kMaxInit);
    if (!message) return std::nullopt;
    auto fields = JsonFields::of(message->content, "");
    auto type = fields->optional_string("type", kMaxWord);
    if (!type || *type != "aikcert") return std::nullopt;
    return std::move(*message);
}

Result<TpmRequest> TpmRequest::parse(std::string_view body, size_t max_size) {
    TpmMessage message = TRY(TpmMessage::open(body, max_size));
    JsonFields outer = TRY(JsonFields::of(message.content, ""));
    jose::Jws jws = TRY(
        with_context(jose::parse_jws(TRY(outer.string("request", max_size)), max_size), "request"));
    Json json = TRY(
        with_context(parse_json_object(as_text(jws.payload), {.max_bytes = max_size}), "request"));
    JsonFields payload = TRY(JsonFields::of(json, ""));
    TRY(check_kind(jws, payload));
    JsonFields data = TRY(payload.object("att_data"));
    TpmKey request_key = TRY(parse_key(TRY(data.object("request_key"))));
    constexpr std::string_view kJwk[] = {"att_data", "request_key", "jwk"};
    request_key.jwk = TRY(find_raw(as_text(jws.payload), kJwk));

    auto machine = TRY(parse_evidence(data));

    TpmRequest out{message.in_payload, std::move(jws), {}, "", "", std::move(request_key), {},
                   std::move(machine)};
    out.challenge = TRY(data.bytes("challenge", kMaxNonceBytes));
    out.service_context = encode_base64url(TRY(data.bytes("service_context", kMaxChallenge)));
    out.rp_data = TRY(parse_rp_data(data));
    out.other_keys = TRY(parse_other_keys(data));
    return out;
}

std::optional<Bytes> TpmRequest::qualifying_data() const {
    if (request_key.certification) return challenge;
    if (!request_key.quote_hash) return std::nullopt;
    Bytes input = to_bytes(request_key.jwk);
    input.push_back(0);
    append(input, challenge);
    return crypto::hash(*request_key.quote_hash, input);
}

}  // namespace vouchsafe::attest
