#include "vouchsafe/evidence/azure/hcl.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::evidence {

namespace {

constexpr uint32_t kRequestDataHeaderSize = 20;
constexpr uint32_t kNewestHeaderVersion = 2;
constexpr uint32_t kRequestDataVersion = 1;
constexpr size_t kUserDataSize = 64;
constexpr size_t kMaxRuntimeKeys = 16;

struct RequestData {
    uint32_t size = 0;
    uint32_t version = 0;
    uint32_t type = 0;
    uint32_t hash = 0;
    uint32_t runtime_size = 0;
};

Result<RequestData> read_request_data(Reader& in) {
    RequestData out;
    out.size = TRY(in.u32_le("request data size"));
    out.version = TRY(in.u32_le("request data version"));
    out.type = TRY(in.u32_le("report type"));
    out.hash = TRY(in.u32_le("hash type"));
    out.runtime_size = TRY(in.u32_le("runtime data size"));
    return out;
}

struct Parts {
    HclReport report;
    RequestData request;
    ByteView area;
    ByteView runtime;
    bool padding_zero = false;
};

// The lengths are the host's word; nothing is read beyond the bytes that came.
Result<Parts> read_parts(ByteView nv) {
    Reader in(nv, "HCL report");
    Parts out;
    TRY(in.skip(4, "signature"));
    out.report.header_version = TRY(in.u32_le("header version"));
    out.report.report_size = TRY(in.u32_le("report size"));
    out.report.request_type = TRY(in.u32_le("request type"));
    TRY(in.skip(16, "header"));  // status and reserved words, covered by nothing
    out.area = TRY(in.take(kHclReportAreaSize, "hardware report"));
    out.request = TRY(read_request_data(in));
    if (out.report.header_version == 0 || out.report.header_version > kNewestHeaderVersion) {
        return fail(Code::invalid, "header version {}", out.report.header_version);
    }
    if (out.request.version != kRequestDataVersion) {
        return fail(Code::invalid, "request data version {}", out.request.version);
    }
    if (out.request.runtime_size > kMaxRuntimeData) {
        return fail(Code::invalid, "runtime data of {} bytes, over {}", out.request.runtime_size,
                    kMaxRuntimeData);
    }
    if (out.request.size != kRequestDataHeaderSize + out.request.runtime_size) {
        return fail(Code::invalid, "request data of {} bytes with {} bytes of runtime data",
                    out.request.size, out.request.runtime_size);
    }
    if (out.report.report_size != kHclHeaderSize + kHclReportAreaSize + out.request.size) {
        return fail(Code::invalid, "a report of {} bytes with {} bytes of request data",
                    out.report.report_size, out.request.size);
    }
    out.runtime = TRY(in.take(out.request.runtime_size, "runtime data"));
    out.padding_zero = all_zero(TRY(in.rest("padding")));
    return out;
}

Result<crypto::HashAlg> hash_from_hcl(uint32_t type) {
    switch (type) {
        case 1:
            return crypto::HashAlg::sha256;
        case 2:
            return crypto::HashAlg::sha384;
        case 3:
            return crypto::HashAlg::sha512;
        default:
            return fail(Code::unsupported, "hash type {}", type);
    }
}

Result<RuntimeKey> parse_runtime_key(const Json& jwk) {
    std::string kid = TRY(json_string(jwk, "kid"));
    std::string type = TRY(json_string(jwk, "kty"));
    if (type != "RSA") return fail(Code::unsupported, "key {} is of type {}", kid, type);
    std::string modulus = TRY(json_string(jwk, "n"));
    std::string exponent = TRY(json_string(jwk, "e"));
    Bytes n = TRY(decode_base64url(modulus));
    Bytes e = TRY(decode_base64url(exponent));
    crypto::PublicKey key = TRY(crypto::PublicKey::from_rsa(n, e));
    crypto::RsaPublicParts numbers = TRY(key.rsa());
    RuntimeKey out{std::move(kid), {}, std::move(numbers), std::move(key)};
    const Json* operations = find_member(jwk, "key_ops");
    if (operations == nullptr) return out;
    if (!operations->is_array()) return fail(Code::invalid, "key_ops is no array");
    for (const Json& operation : *operations) {
        if (!operation.is_string()) return fail(Code::invalid, "key_ops holds no strings");
        out.operations.push_back(operation.get<std::string>());
    }
    return out;
}

Result<std::vector<RuntimeKey>> parse_runtime_keys(const Json& document) {
    const Json* array = TRY(json_array(document, "keys"));
    if (array->size() > kMaxRuntimeKeys) return fail(Code::invalid, "{} keys", array->size());
    std::vector<RuntimeKey> out;
    for (const Json& jwk : *array) {
        RuntimeKey key = TRY(parse_runtime_key(jwk));
        bool twice = std::any_of(out.begin(), out.end(),
                                 [&](const RuntimeKey& other) { return other.kid == key.kid; });
        if (twice) return fail(Code::invalid, "two keys are called {}", key.kid);
        out.push_back(std::move(key));
    }
    return out;
}

Result<VmConfiguration> parse_vm_configuration(const Json& document) {
    VmConfiguration out;
    if (find_member(document, "vm-configuration") == nullptr) return out;
    const Json* vm = TRY(json_object(document, "vm-configuration"));
    out.console_enabled = TRY(json_optional_bool(*vm, "console-enabled"));
    out.secure_boot = TRY(json_optional_bool(*vm, "secure-boot"));
    out.tpm_enabled = TRY(json_optional_bool(*vm, "tpm-enabled"));
    out.tpm_persisted = TRY(json_optional_bool(*vm, "tpm-persisted"));
    out.vm_unique_id = TRY(json_optional_string(*vm, "vmUniqueId"));
    out.root_cert_thumbprint = TRY(json_optional_string(*vm, "root-cert-thumbprint"));
    out.current_time = TRY(json_optional_integer(*vm, "current-time"));
    return out;
}

Result<RuntimeClaims> parse_runtime(ByteView json) {
    if (json.size() > kMaxRuntimeData) {
        return fail(Code::invalid, "{} bytes, over {}", json.size(), kMaxRuntimeData);
    }
    Json document = TRY(parse_json_object(as_text(json)));
    RuntimeClaims out;
    out.keys = TRY(parse_runtime_keys(document));
    out.vm = TRY(parse_vm_configuration(document));
    std::optional<std::string> user_data = TRY(json_optional_string(document, "user-data"));
    if (user_data) {
        Bytes bytes = TRY(decode_hex(to_lower(*user_data)));
        if (bytes.size() != kUserDataSize) {
            return fail(Code::invalid, "user-data has {} bytes, expected {}", bytes.size(),
                        kUserDataSize);
        }
        out.user_data = std::move(bytes);
    }
    out.document = std::make_shared<const Json>(std::move(document));
    return out;
}

}  // namespace

std::string_view report_type_name(HclReportType type) {
    switch (type) {
        case HclReportType::invalid:
            return "invalid";
        case HclReportType::vbs:
            return "VBS";
        case HclReportType::snp:
            return "SEV-SNP";
        case HclReportType::trusted_vm:
            return "Trusted VM";
        case HclReportType::tdx:
            return "TDX";
    }
    return "unknown";
}

Result<HclReport> HclReport::parse(ByteView nv, Checks& checks) {
    bool magic = nv.size() >= 4 && as_text(nv.first(4)) == "HCLA";
    TRY(checks.require(magic, "HCL-MAGIC", "signature", "HCLA",
                       magic ? "HCLA" : encode_hex(nv.first(std::min<size_t>(nv.size(), 4)))));
    auto parts = read_parts(nv);
    TRY(checks.require(parts.has_value(), "HCL-FORM", "HCL report", "an HCL report",
                       parts ? "well formed" : parts.error().message));
    TRY(checks.require(parts->padding_zero, "HCL-FORM", "bytes behind the runtime data", "zero",
                       parts->padding_zero ? "zero" : "not zero"));
    auto type = static_cast<HclReportType>(parts->request.type);
    TRY(checks.require(type == HclReportType::snp || type == HclReportType::tdx, "HCL-REPORT-TYPE",
                       "report type", "2 (SEV-SNP) or 4 (TDX)",
                       fmt::format("{} ({})", parts->request.type, report_type_name(type))));
    auto hash = hash_from_hcl(parts->request.hash);
    TRY(checks.require(hash.has_value(), "HCL-HASH-TYPE", "hash type",
                       "1 (SHA-256), 2 (SHA-384) or 3 (SHA-512)",
                       fmt::format("{}", parts->request.hash)));
    size_t used = type == HclReportType::tdx ? kTdReportSize : kHclReportAreaSize;
    bool rest_zero = all_zero(parts->area.subspan(used));
    TRY(checks.require(rest_zero, "HCL-FORM", "bytes behind the TDREPORT", "zero",
                       rest_zero ? "zero" : "not zero"));
    HclReport out = std::move(parts->report);
    out.type = type;
    out.hash = TRY(std::move(hash));
    out.hardware_report = to_bytes(parts->area.first(used));
    out.runtime_data = to_bytes(parts->runtime);
    return out;
}

Result<HclReport> HclReport::parse(ByteView nv) {
    Checks checks;
    return parse(nv, checks);
}

Result<RuntimeClaims> RuntimeClaims::parse(ByteView json, Checks& checks) {
    auto parsed = parse_runtime(json);
    TRY(checks.require(parsed.has_value(), "HCL-RUNTIME-JSON", "runtime data",
                       "an object with unique keys and a VM configuration",
                       parsed ? "well formed" : parsed.error().message));
    return parsed;
}

const RuntimeKey* RuntimeClaims::find_key(std::string_view kid) const {
    auto found = std::find_if(keys.begin(), keys.end(),
                              [&](const RuntimeKey& key) { return key.kid == kid; });
    return found == keys.end() ? nullptr : &*found;
}

Result<void> check_runtime_binding(ByteView report_data, ByteView runtime_data,
                                   crypto::HashAlg hash, Checks& checks) {
    Bytes expected = crypto::hash(hash, runtime_data);
    expected.resize(report_data.size());  // zeros behind the hash
    bool same = report_data.size() >= crypto::hash_size(hash) && equal(report_data, expected);
    return checks.require(same, "HCL-BINDING", "report_data",
                          fmt::format("{} of the runtime data, then zeros: {}",
                                      crypto::hash_name(hash), encode_hex(expected)),
                          encode_hex(report_data));
}

}  // namespace vouchsafe::evidence
