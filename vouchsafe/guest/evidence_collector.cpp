#include "vouchsafe/guest/evidence_collector.h"

#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/azure/hcl.h"

namespace vouchsafe::guest {

namespace {

// What the TPM alone says.
struct TpmEvidence {
    std::optional<evidence::HclReport> hcl;  // of a confidential VM
    Bytes ak_certificate;
    Bytes ak_public;
    device::Quote quote;
    device::CertifiedKey key;
};

Result<TpmEvidence> collect_from_tpm(device::Tpm& tpm, const Machine& machine,
                                     ByteView qualifying) {
    TpmEvidence out;
    auto report = tpm.nv_read(device::kNvHclReport);
    // Only the TPM's word that there is no such index makes a Trusted Launch machine.
    if (report) {
        out.hcl = TRY(evidence::HclReport::parse(*report));
    } else if (report.error().code != Code::not_found) {
        return fail(report.error());
    }
    out.ak_certificate =
        TRY(with_context(tpm.nv_read(device::kNvAkCertificate), "attestation key certificate"));
    out.ak_public = TRY(with_context(tpm.read_public(device::kAkHandle), "attestation key"));
    out.quote = TRY(tpm.quote(device::kAkHandle, machine.pcrs, qualifying));
    out.key = TRY(tpm.certify_ephemeral_key(machine.pcrs));
    return out;
}

struct OsRelease {
    std::string name = "Linux";
    int major = 1;
    int minor = 0;
};

int leading_number(std::string_view text, int otherwise) {
    int value = otherwise;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

std::string unquoted(std::string_view value) {
    if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
        value.back() == value.front()) {
        value = value.substr(1, value.size() - 2);
    }
    return std::string(value);
}

// os_release reads what os-release(5) says; a machine without it is "Linux 1.0", as Azure's client
// has it.
OsRelease os_release() {
    OsRelease out;
    auto text = read_text_file("/etc/os-release", 64 << 10);
    if (!text) return out;
    std::string_view left = *text;
    while (!left.empty()) {
        size_t end = left.find('\n');
        std::string_view line = left.substr(0, end);
        left = end == std::string_view::npos ? std::string_view() : left.substr(end + 1);
        if (line.starts_with("NAME=")) out.name = unquoted(line.substr(5));
        if (!line.starts_with("VERSION_ID=")) continue;
        std::string version = unquoted(line.substr(11));
        size_t dot = version.find('.');
        out.major = leading_number(version, 1);
        if (dot != std::string::npos) out.minor = leading_number(version.substr(dot + 1), 0);
    }
    return out;
}

std::string base64(ByteView bytes) {
    return encode_base64(bytes);
}
std::string base64(std::string_view text) {
    return encode_base64(as_bytes(text));
}

Json tpm_info(const Machine& machine, const TpmEvidence& tpm) {
    Json values = Json::array();
    for (const auto& [index, digest] : tpm.quote.values.values) {
        values.push_back({{"Index", index}, {"Digest", base64(digest)}});
    }
    return {{"AikCert", base64(tpm.ak_certificate)},
            {"AikPub", base64(tpm.ak_public)},
            {"PcrQuote", base64(tpm.quote.attest)},
            {"PcrSignature", base64(tpm.quote.signature)},
            {"EncKeyPub", base64(tpm.key.public_area)},
            {"EncKeyCertifyInfo", base64(tpm.key.certify_info)},
            {"EncKeyCertifyInfoSignature", base64(tpm.key.signature)},
            {"PcrSet", machine.pcrs},
            {"PCRs", values}};
}

Result<Json> isolation_info(const std::optional<evidence::HclReport>& hcl,
                            MetadataClient& metadata) {
    if (!hcl) return Json{{"Type", "TrustedLaunch"}};
    if (hcl->type != evidence::HclReportType::snp) {
        return fail(Code::unsupported,
                    "this machine's hardware report is {}: only SEV-SNP is built",
                    evidence::report_type_name(hcl->type));
    }
    std::string vcek_chain = TRY(metadata.vcek_chain());
    Json proof{{"SnpReport", encode_base64url(hcl->hardware_report)},
               {"VcekCertChain", base64(vcek_chain)}};
    return Json{
        {"Type", "SevSnp"},
        {"Evidence",
         {{"Proof", base64(dump_json(proof))}, {"RunTimeData", base64(hcl->runtime_data)}}}};
}

}  // namespace

Result<device::Tpm> open_tpm(const Machine& machine) {
    if (!machine.tcti.empty()) return device::Tpm::open(machine.tcti);
    // The kernel's resource manager comes first: it serves many at once.
    for (const char* device : {"/dev/tpmrm0", "/dev/tpm0"}) {
        std::error_code ignored;
        if (!std::filesystem::exists(device, ignored)) continue;
        return device::Tpm::open(fmt::format("device:{}", device));
    }
    return fail(Code::unavailable,
                "this machine has no TPM (neither /dev/tpmrm0 nor /dev/tpm0), so it is not a "
                "confidential VM: run this inside one, or say with a site file where the TPM is");
}

Result<CollectedEvidence> collect_azure_guest(device::Tpm& device, const Machine& machine,
                                              MetadataClient& metadata, std::string_view nonce,
                                              ByteView qualifying) {
    TpmEvidence tpm = TRY(collect_from_tpm(device, machine, qualifying));
    Json isolation = TRY(isolation_info(tpm.hcl, metadata));
    std::optional<Bytes> log = TRY(device::read_event_log(machine.event_log));

    OsRelease os = os_release();
    CollectedEvidence out;
    out.has_event_log = log.has_value();
    out.confidential = tpm.hcl.has_value();
    out.attestation_info = {
        {"AttestationProtocolVersion", "2.0"}, {"OSType", base64("Linux")},
        {"OSDistro", base64(os.name)},         {"OSVersionMajor", os.major},
        {"OSVersionMinor", os.minor},          {"OSBuild", base64("NotApplication")},
        {"TcgLogs", log ? base64(*log) : ""},  {"ClientPayload", {{"nonce", base64(nonce)}}},
        {"TpmInfo", tpm_info(machine, tpm)},   {"IsolationInfo", isolation}};
    return out;
}

}  // namespace vouchsafe::guest
