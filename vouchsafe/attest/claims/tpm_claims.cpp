#include "vouchsafe/attest/claims/tpm_claims.h"

#include "vouchsafe/attest/claims/boot_claims.h"
#include "vouchsafe/attest/claims/claims.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest {

using crypto::HashAlg;

namespace {

constexpr int kTpmMajor = 2;  // TPMS_ATTEST is a structure of TPM 2.0

// bank_name is "SHA256": what Azure's samples of policies say.
std::string bank_name(HashAlg hash) {
    std::string out(crypto::hash_name(hash));
    std::erase(out, '-');
    return out;
}

Json pcrs_claim(const evidence::PcrBank& bank) {
    Json list = Json::array();
    for (const auto& [pcr, value] : bank.values) {
        list.push_back({{"Index", pcr}, {"Digests", {{bank_name(bank.hash), encode_hex(value)}}}});
    }
    return {{"PCRs", std::move(list)}};
}

std::string upper(std::string text) {
    for (char& c : text) {
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    return text;
}

bool is_variable(uint32_t type) {
    using namespace evidence;
    return type == kEvEfiVariableDriverConfig || type == kEvEfiVariableBoot ||
           type == kEvEfiVariableBoot2 || type == kEvEfiVariableAuthority;
}

// variable_data is what a digest covers of a variable's event: all of it, or, as most firmware
// measures boot options, the value alone; null if it covers neither.
Json variable_data(const evidence::LogEvent& event, HashAlg bank, const Bytes& digest) {
    auto variable = evidence::UefiVariable::parse(event.data);
    if (!variable) return nullptr;
    bool whole = equal(crypto::hash(bank, event.data), digest);
    if (!whole && !equal(crypto::hash(bank, variable->data), digest)) return nullptr;
    return {{"UnicodeName", variable->name},
            {"VariableGuid", upper(evidence::guid_text(variable->vendor))},
            {"VariableData", encode_base64url(variable->data)}};
}

void add_events(const evidence::ReplayedLog& replayed, Json& out) {
    uint16_t alg = evidence::tpm_alg_from_hash(replayed.bank());
    size_t sequence = 0;
    for (const evidence::LogEvent& event : replayed.log().events()) {
        size_t number = sequence++;
        auto digest = event.digests.find(alg);
        bool extended = event.type != evidence::kEvNoAction && digest != event.digests.end();
        if (!extended || !replayed.confirmed(event.pcr)) continue;
        Json one = {{"EventSeq", number},
                    {"PcrIndex", event.pcr},
                    {"EventTypeString", evidence::event_type_name(event.type)},
                    {"Digests", {{bank_name(replayed.bank()), encode_hex(digest->second)}}}};
        Json data = is_variable(event.type) ? variable_data(event, replayed.bank(), digest->second)
                                            : Json();
        if (!data.is_null()) one["ProcessedData"] = std::move(data);
        out.push_back(std::move(one));
    }
}

std::string text_of(ByteView bytes) {
    std::string text = to_text(bytes);
    return is_utf8(text) ? text : encode_hex(bytes);
}

void add_ima_events(const evidence::ReplayedImaList& list, Json& out) {
    size_t sequence = out.empty() ? 0 : out.back()["EventSeq"].get<size_t>() + 1;
    for (const evidence::ImaEntry& entry : list.entries()) {
        size_t number = sequence++;
        if (entry.violation()) continue;  // nothing of it is covered
        Json data = {{"FileName", text_of(as_bytes(entry.file))},
                     {"FileDigest", encode_hex(entry.file_digest)},
                     {"FileDigestAlgorithm", entry.hash_name}};
        if (entry.file == "kernel_version") data["KernelVersion"] = text_of(entry.buffer);
        out.push_back({{"EventSeq", number},
                       {"PcrIndex", evidence::kImaPcr},
                       {"EventTypeString", "IMA_MEASUREMENT_EVENT"},
                       {"ProcessedData", std::move(data)}});
    }
}

Json confirmed_pcrs(const evidence::VerifiedTpmMachine& machine) {
    Json out = Json::array();
    if (!machine.log()) return out;
    for (const auto& [pcr, value] : machine.log()->confirmed_pcrs()) out.push_back(pcr);
    return out;
}

Json key_object(const AppraisedTpmKey& appraised) {
    Json out = {{"jwk", jose::encode_jwk(appraised.key->key)}};
    if (appraised.key->quote_hash) {
        out["info"]["tpm_quote"]["hash_alg"] =
            to_lower(crypto::hash_name(*appraised.key->quote_hash));
    }
    if (appraised.held) {
        const evidence::TpmPublic& area = appraised.held->public_area();
        Json& certify = out["info"]["tpm_certify"];
        certify = {{"name_alg", area.name_alg}, {"obj_attr", area.attributes}};
        if (!area.auth_policy.empty()) certify["auth_policy"] = encode_base64url(area.auth_policy);
    }
    return out;
}

}  // namespace

Json tpm_claims(const TpmRequest& request, const evidence::VerifiedTpmMachine& machine) {
    bool known = machine.ak_certificate().has_value();
    Json claims = {
        {"x-ms-attestation-type", "tpm"},
        {"aikValidated", known},
        {"aikPubHash", encode_base64(crypto::sha256(machine.ak().key.spki()))},
        {"tpmVersion", kTpmMajor},
        {"secureBootEnabled", machine.secure_boot() == evidence::SecureBoot::on},
        {"vbsReportPresent", false},
        {"cnf",
         {{"jwk", jose::encode_jwk(request.request_key.key)},
          {"jkt", encode_base64url(jose::thumbprint(request.request_key.key))}}},
        {"x-vouchsafe-challenge", request.service_context},
        {"x-vouchsafe-pcrs", pcr_claim(machine.pcrs())},
        {"x-vouchsafe-trust-tier",
         known ? evidence::tier_name(machine.ak_certificate()->tier()) : "none"},
        // Who issues AK certificates publishes lists that nobody brings here.
        {"x-vouchsafe-revocation", "not-checked"},
        {"x-vouchsafe-not-checked", Json::array({known ? "ak-revocation" : "ak-certificate"})}};
    if (!request.rp_data.empty()) claims["rp_data"] = request.rp_data;
    if (machine.boot()) add_boot_claims(claims, *machine.boot());
    return claims;
}

Json tpm_rule_claims(const evidence::VerifiedTpmMachine& machine,
                     const AppraisedTpmKey& request_key,
                     const std::vector<AppraisedTpmKey>& other_keys) {
    Json events = Json::array();
    if (machine.log()) add_events(*machine.log(), events);
    if (machine.ima()) add_ima_events(*machine.ima(), events);
    Json out = {{"pcrs", pcrs_claim(machine.pcrs())},
                {"events", {{"Events", std::move(events)}}},
                {"x-vouchsafe-confirmed-pcrs", confirmed_pcrs(machine)},
                {"x-vouchsafe-ima-verified", machine.ima().has_value()},
                {"x-ms-tpm-request-key", key_object(request_key)}};
    Json others = Json::array();
    for (const AppraisedTpmKey& key : other_keys) {
        // Without a certification it is anybody's: a rule must not take it for this TPM's.
        if (key.held) others.push_back(key_object(key));
    }
    if (!others.empty()) out["x-ms-tpm-other-keys"] = std::move(others);
    return out;
}

}  // namespace vouchsafe::attest
