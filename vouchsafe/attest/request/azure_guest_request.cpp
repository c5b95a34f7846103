#include "vouchsafe/attest/request/azure_guest_request.h"

#include "vouchsafe/attest/challenges.h"
#include "vouchsafe/attest/request/json_fields.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::attest {

namespace {

// Limits on decoded sizes: a few times what real clients send.
constexpr size_t kMaxOsText = 256;
constexpr size_t kMaxEventLog = 512 << 10;
constexpr size_t kMaxCertificate = 16 << 10;  // NV indices have 2048 or 4096 bytes
constexpr size_t kMaxPublicArea = 4 << 10;
constexpr size_t kMaxAttestation = 4 << 10;
constexpr size_t kMaxSignature = 2 << 10;
constexpr size_t kMaxPcrs = 24;  // PCs have no more (TCG PC Client Platform TPM Profile)
constexpr size_t kPcrSize = 32;  // SHA-256 bank
constexpr size_t kMaxSnpReport = 4 << 10;
constexpr size_t kMaxChain = 64 << 10;
constexpr size_t kMaxTdQuote = 64 << 10;  // what TdxQuote::parse takes
constexpr size_t kMaxClientPayload = 32 << 10;
constexpr std::string_view kProtocolVersion = "2.0";

Result<OsDescription> parse_os(const JsonFields& info) {
    OsDescription os;
    os.type = TRY(info.encoded_text("OSType", kMaxOsText));
    os.distro = TRY(info.encoded_text("OSDistro", kMaxOsText));
    os.build = TRY(info.encoded_text("OSBuild", kMaxOsText));
    os.version_major = TRY(info.whole_number("OSVersionMajor"));
    os.version_minor = TRY(info.whole_number("OSVersionMinor"));
    return os;
}

Result<uint32_t> parse_pcr_index(const Json& value, const std::string& path) {
    if (!value.is_number_unsigned() || value.get<uint64_t>() >= kMaxPcrs) {
        return fail(Code::invalid, "{} must be a register number from 0 to {}", path, kMaxPcrs - 1);
    }
    return value.get<uint32_t>();
}

Result<const Json*> require_list(const JsonFields& fields, std::string_view name) {
    const Json* list = TRY(fields.require(name));
    if (!list->is_array() || list->empty() || list->size() > kMaxPcrs) {
        return fail(Code::invalid, "{} must be a list of 1 to {} entries", fields.path_of(name),
                    kMaxPcrs);
    }
    return list;
}

Result<std::vector<uint32_t>> parse_pcr_set(const JsonFields& tpm) {
    std::vector<uint32_t> indices;
    const std::string path = tpm.path_of("PcrSet");
    for (const Json& entry : *TRY(require_list(tpm, "PcrSet"))) {
        indices.push_back(TRY(parse_pcr_index(entry, path)));
    }
    return indices;
}

Result<std::vector<evidence::PcrValue>> parse_pcr_values(const JsonFields& tpm) {
    std::vector<evidence::PcrValue> values;
    const std::string path = tpm.path_of("PCRs");
    const std::string path_of_index = path + ".Index";
    for (const Json& entry : *TRY(require_list(tpm, "PCRs"))) {
        JsonFields fields = TRY(JsonFields::of(entry, path));
        evidence::PcrValue value;
        value.index = TRY(parse_pcr_index(*TRY(fields.require("Index")), path_of_index));
        value.digest = TRY(fields.bytes("Digest", kPcrSize));
        if (value.digest.size() != kPcrSize) {
            return fail(Code::invalid, "{} must have {} bytes", fields.path_of("Digest"), kPcrSize);
        }
        values.push_back(std::move(value));
    }
    return values;
}

Result<void> parse_tpm(const JsonFields& info, evidence::AzureGuestEvidence& out) {
    JsonFields tpm = TRY(info.object("TpmInfo"));
    out.ak_certificate = TRY(tpm.bytes("AikCert", kMaxCertificate));
    out.ak_public = TRY(tpm.bytes("AikPub", kMaxPublicArea));
    out.quote = TRY(tpm.bytes("PcrQuote", kMaxAttestation));
    out.quote_signature = TRY(tpm.bytes("PcrSignature", kMaxSignature));
    out.pcr_set = TRY(parse_pcr_set(tpm));
    out.pcr_values = TRY(parse_pcr_values(tpm));
    out.encryption_key = TRY(tpm.bytes("EncKeyPub", kMaxPublicArea));
    out.certify_info = TRY(tpm.bytes("EncKeyCertifyInfo", kMaxAttestation));
    out.certify_signature = TRY(tpm.bytes("EncKeyCertifyInfoSignature", kMaxSignature));
    return {};
}

// parse_isolation reads the hardware evidence of "SevSnp" and "Tdx". Other types carry other
// evidence, or none: they are named, and the verifier refuses them by that name.
Result<void> parse_isolation(const JsonFields& info, evidence::AzureGuestEvidence& out) {
    JsonFields isolation = TRY(info.object("IsolationInfo"));
    out.isolation_type = TRY(isolation.string("Type", kMaxOsText));
    const bool tdx = out.isolation_type == "Tdx";
    if (!tdx && out.isolation_type != "SevSnp") return {};
    JsonFields hardware = TRY(isolation.object("Evidence"));
    out.runtime_data = TRY(hardware.bytes("RunTimeData", kMaxRuntimeJson));
    if (tdx) {
        out.td_quote = TRY(hardware.bytes("Proof", kMaxTdQuote));
        return {};
    }
    Json proof_json = TRY(hardware.encoded_json("Proof", kMaxProof));
    SnpProof proof = TRY(SnpProof::parse(proof_json, hardware.path_of("Proof")));
    out.snp_report = std::move(proof.report);
    out.vcek_chain = std::move(proof.chain);
    return {};
}

Result<std::shared_ptr<const Json>> parse_client_payload(const JsonFields& info) {
    const Json* payload = TRY(info.find("ClientPayload"));
    if (payload == nullptr) return std::shared_ptr<const Json>{};
    if (dump_json(*payload).size() > kMaxClientPayload) {
        return fail(Code::invalid, "ClientPayload is longer than {} bytes", kMaxClientPayload);
    }
    return std::make_shared<const Json>(*payload);
}

}  // namespace

Result<SnpProof> SnpProof::parse(const Json& json, std::string path) {
    JsonFields fields = TRY(JsonFields::of(json, std::move(path)));
    SnpProof proof;
    proof.report = TRY(fields.bytes("SnpReport", kMaxSnpReport));
    proof.chain = TRY(fields.bytes("VcekCertChain", kMaxChain));
    return proof;
}

Result<AzureGuestRequest> AzureGuestRequest::parse(std::string_view body, size_t max_size) {
    Json outer = TRY(parse_json(body, {.max_bytes = max_size}));
    JsonFields request = TRY(JsonFields::of(outer, ""));
    Json inner = TRY(request.encoded_json("AttestationInfo", max_size));
    JsonFields info = TRY(JsonFields::of(inner, ""));

    AzureGuestRequest out;
    out.protocol_version = TRY(info.string("AttestationProtocolVersion", kMaxOsText));
    if (out.protocol_version != kProtocolVersion) {
        return fail(Code::invalid, "AttestationProtocolVersion is '{}', expected '{}'",
                    out.protocol_version, kProtocolVersion);
    }
    out.os = TRY(parse_os(info));
    out.evidence.event_log = TRY(info.bytes("TcgLogs", kMaxEventLog));
    out.draft_policy = TRY(parse_draft_policy(request));
    out.challenge = TRY(request.optional_string("challenge", kMaxChallenge));
    out.client_payload = TRY(parse_client_payload(info));
    TRY(parse_tpm(info, out.evidence));
    TRY(parse_isolation(info, out.evidence));
    return out;
}

}  // namespace vouchsafe::attest
