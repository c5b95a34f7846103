#include "vouchsafe/evidence/facts.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/evidence/tpm/ak_cert_use.h"

namespace vouchsafe::evidence {

namespace {

std::string version_text(const SnpFirmwareVersion& version) {
    return fmt::format("{}.{}.{}", version.major, version.minor, version.build);
}

Json tcb_facts(const RawTcb& raw, std::optional<SnpProduct> product) {
    Json out{{"raw", encode_hex(raw)}};
    if (!product) return out;
    SnpTcb tcb = decode_tcb(raw, *product);
    if (tcb.fmc) out["fmc"] = *tcb.fmc;
    out["bootloader"] = tcb.bootloader;
    out["tee"] = tcb.tee;
    out["snp"] = tcb.snp;
    out["microcode"] = tcb.microcode;
    return out;
}

Json policy_facts(const SnpPolicy& policy) {
    return {{"raw", fmt::format("0x{:x}", policy.raw)},
            {"abi", fmt::format("{}.{}", policy.abi_major(), policy.abi_minor())},
            {"debug_allowed", policy.debug_allowed()},
            {"migration_allowed", policy.migration_allowed()},
            {"smt_allowed", policy.smt_allowed()},
            {"single_socket_required", policy.single_socket_required()},
            {"cxl_allowed", policy.cxl_allowed()},
            {"aes256_xts_required", policy.aes256_xts_required()},
            {"rapl_disabled_required", policy.rapl_disabled_required()},
            {"ciphertext_hiding_required", policy.ciphertext_hiding_required()},
            {"page_swap_disabled", policy.page_swap_disabled()}};
}

Json platform_facts(const SnpPlatformInfo& platform) {
    return {{"raw", fmt::format("0x{:x}", platform.raw)},
            {"smt", platform.smt_enabled()},
            {"tsme", platform.tsme_enabled()},
            {"ecc", platform.ecc_enabled()},
            {"rapl_disabled", platform.rapl_disabled()},
            {"ciphertext_hiding", platform.ciphertext_hiding_enabled()},
            {"alias_check_complete", platform.alias_check_complete()},
            {"tio", platform.tio_enabled()}};
}

template <typename T>
void put_if(Json& out, const char* name, const std::optional<T>& value) {
    if (value) out[name] = *value;
}

std::string bank_name(uint16_t alg) {
    auto hash = hash_from_tpm_alg(alg);
    return hash ? std::string(tpm_hash_label(*hash)) : fmt::format("0x{:04x}", alg);
}

std::string key_text(const crypto::PublicKey& key) {
    return fmt::format("{} {} bits", key.type() == crypto::KeyType::rsa ? "RSA" : "EC", key.bits());
}

// What the key is for, and whose TPM holds it.
void put_use(Json& out, const CertificateUse& use) {
    if (use.key_usage) out["key_usage"] = key_usage_names(*use.key_usage);
    if (!use.purposes.empty()) {
        Json purposes = Json::array();
        for (const std::string& oid : use.purposes) {
            purposes.push_back(oid == kPurposeEk   ? oid + " (tcg-kp-EKCertificate)"
                               : oid == kPurposeAk ? oid + " (tcg-kp-AIKCertificate)"
                                                   : oid);
        }
        out["extended_key_usage"] = purposes;
    }
    if (!use.tpm_manufacturer) return;
    Json tpm{{"manufacturer", *use.tpm_manufacturer}};
    put_if(tpm, "model", use.tpm_model);
    put_if(tpm, "version", use.tpm_version);
    out["tpm"] = tpm;
}

}  // namespace

Json facts_of(const SnpReport& report, std::optional<SnpProduct> product) {
    Json out{{"version", report.version},
             {"guest_svn", report.guest_svn},
             {"vmpl", report.vmpl},
             {"signature_algorithm", report.signature_algorithm},
             {"signer", signer_name(report.signer)},
             {"chip_key_masked", report.chip_key_masked},
             {"author_key_enabled", report.author_key_enabled},
             {"current_firmware", version_text(report.current_firmware)},
             {"committed_firmware", version_text(report.committed_firmware)}};
    out["policy"] = policy_facts(report.policy);
    out["platform"] = platform_facts(report.platform);
    const auto hex = [&](const char* name, ByteView bytes) { out[name] = encode_hex(bytes); };
    hex("report_data", report.report_data);
    hex("measurement", report.measurement);
    hex("host_data", report.host_data);
    hex("id_key_digest", report.id_key_digest);
    hex("author_key_digest", report.author_key_digest);
    hex("family_id", report.family_id);
    hex("image_id", report.image_id);
    hex("report_id", report.report_id);
    hex("report_id_ma", report.report_id_ma);
    hex("chip_id", report.chip_id);
    out["current_tcb"] = tcb_facts(report.current_tcb, product);
    out["reported_tcb"] = tcb_facts(report.reported_tcb, product);
    out["committed_tcb"] = tcb_facts(report.committed_tcb, product);
    out["launch_tcb"] = tcb_facts(report.launch_tcb, product);
    if (product) out["product"] = product_name(*product);
    if (report.cpuid) {
        out["cpuid"] = Json{{"family", report.cpuid->family},
                            {"model", report.cpuid->model},
                            {"stepping", report.cpuid->stepping}};
    }
    put_if(out, "launch_mitigation_vector", report.launch_mitigation_vector);
    put_if(out, "current_mitigation_vector", report.current_mitigation_vector);
    return out;
}

Json facts_of(const TdxQuote& quote) {
    const TdReport& body = quote.body;
    Json rtmrs = Json::array();
    for (const auto& rtmr : body.rtmr) rtmrs.push_back(encode_hex(rtmr));
    Json attributes{{"raw", fmt::format("0x{:016x}", body.td_attributes.raw)},
                    {"debug", body.td_attributes.debug()},
                    {"sept_ve_disable", body.td_attributes.sept_ve_disable()},
                    {"migratable", body.td_attributes.migratable()},
                    {"protection_keys", body.td_attributes.protection_keys()},
                    {"key_locker", body.td_attributes.key_locker()},
                    {"perfmon", body.td_attributes.perfmon()}};
    Json out{{"version", quote.version},
             {"td_attributes", attributes},
             {"xfam", fmt::format("0x{:016x}", body.xfam)},
             {"rtmr", rtmrs},
             {"qe_isvsvn", quote.qe_report.isvsvn}};
    const auto hex = [&](const char* name, ByteView bytes) { out[name] = encode_hex(bytes); };
    hex("tee_tcb_svn", body.tee_tcb_svn);
    hex("mrseam", body.mrseam);
    hex("mrsignerseam", body.mrsignerseam);
    hex("mrtd", body.mrtd);
    hex("mrconfigid", body.mrconfigid);
    hex("mrowner", body.mrowner);
    hex("mrownerconfig", body.mrownerconfig);
    hex("report_data", body.report_data);
    hex("user_data", quote.user_data);
    if (body.tee_tcb_svn2) hex("tee_tcb_svn2", *body.tee_tcb_svn2);
    if (body.mrservicetd) hex("mrservicetd", *body.mrservicetd);
    return out;
}

Json facts_of(const SgxQuote& quote) {
    const EnclaveReport& body = quote.body;
    Json out{{"version", quote.version},
             {"debug", body.debug()},
             {"key_separation", body.key_separation()},
             {"miscselect", fmt::format("0x{:08x}", body.miscselect)},
             {"isv_prod_id", body.isvprodid},
             {"isv_svn", body.isvsvn},
             {"config_svn", body.config_svn},
             {"qe_isvsvn", quote.qe_report.isvsvn}};
    const auto hex = [&](const char* name, ByteView bytes) { out[name] = encode_hex(bytes); };
    hex("cpusvn", body.cpusvn);
    hex("attributes", body.attributes);
    hex("mrenclave", body.mrenclave);
    hex("mrsigner", body.mrsigner);
    hex("isv_ext_prod_id", body.isv_ext_prod_id);
    hex("isv_family_id", body.isv_family_id);
    hex("config_id", body.config_id);
    hex("report_data", body.report_data);
    hex("user_data", quote.user_data);
    return out;
}

Json facts_of(const HclReport& report) {
    return {{"unsigned_header",
             {{"header_version", report.header_version},
              {"report_size", report.report_size},
              {"request_type", report.request_type}}},
            {"report_type", report_type_name(report.type)},
            {"hash", tpm_hash_label(report.hash)},
            {"runtime_data_size", report.runtime_data.size()},
            {"runtime_data_digest", encode_hex(crypto::hash(report.hash, report.runtime_data))}};
}

Json facts_of(const RuntimeClaims& claims) {
    Json keys = Json::array();
    for (const RuntimeKey& key : claims.keys) {
        keys.push_back({{"kid", key.kid}, {"key_ops", key.operations}, {"key", key_text(key.key)}});
    }
    Json vm = Json::object();
    put_if(vm, "secure_boot", claims.vm.secure_boot);
    put_if(vm, "tpm_enabled", claims.vm.tpm_enabled);
    put_if(vm, "tpm_persisted", claims.vm.tpm_persisted);
    put_if(vm, "console_enabled", claims.vm.console_enabled);
    put_if(vm, "vm_unique_id", claims.vm.vm_unique_id);
    put_if(vm, "root_cert_thumbprint", claims.vm.root_cert_thumbprint);
    put_if(vm, "current_time", claims.vm.current_time);
    Json out{{"keys", keys}, {"vm_configuration", vm}};
    if (claims.user_data) out["user_data"] = encode_hex(*claims.user_data);
    return out;
}

Json facts_of(const TpmAttest& attest) {
    Json out{{"magic", fmt::format("0x{:08x}", attest.magic)},
             {"type", fmt::format("0x{:04x}", attest.type)},
             {"qualified_signer", encode_hex(attest.qualified_signer)},
             {"nonce", encode_hex(attest.extra_data)},
             {"clock_ms", attest.clock.clock},
             {"reset_count", attest.clock.reset_count},
             {"restart_count", attest.clock.restart_count},
             {"clock_safe", attest.clock.safe},
             {"firmware_version", fmt::format("0x{:016x}", attest.firmware_version)}};
    if (attest.type == kTpmStAttestQuote) {
        out["pcr_selection"] = describe(attest.pcr_selection);
        out["pcr_digest"] = encode_hex(attest.pcr_digest);
    }
    if (attest.type == kTpmStAttestCertify) {
        out["name"] = encode_hex(attest.name);
        out["qualified_name"] = encode_hex(attest.qualified_name);
    }
    return out;
}

Json facts_of(const TpmPublic& key) {
    Json attributes = Json::array();
    constexpr std::pair<uint32_t, const char*> kNames[] = {
        {kTpmaFixedTpm, "fixedTPM"},
        {kTpmaStClear, "stClear"},
        {kTpmaFixedParent, "fixedParent"},
        {kTpmaSensitiveDataOrigin, "sensitiveDataOrigin"},
        {kTpmaUserWithAuth, "userWithAuth"},
        {kTpmaAdminWithPolicy, "adminWithPolicy"},
        {kTpmaNoDa, "noDA"},
        {kTpmaRestricted, "restricted"},
        {kTpmaDecrypt, "decrypt"},
        {kTpmaSign, "sign"}};
    for (const auto& [bit, name] : kNames) {
        if (key.has(bit)) attributes.push_back(name);
    }
    Json out{{"type", key.type == kTpmAlgRsa ? "RSA" : "ECC"},
             {"name_algorithm", bank_name(key.name_alg)},
             {"attributes", attributes},
             {"attributes_raw", fmt::format("0x{:08x}", key.attributes)},
             {"auth_policy", encode_hex(key.auth_policy)},
             {"scheme", fmt::format("0x{:04x}", key.scheme)},
             {"name", encode_hex(key.name())}};
    if (key.type == kTpmAlgRsa) {
        out["bits"] = key.key_bits;
    } else {
        out["curve"] = fmt::format("0x{:04x}", key.ecc_curve);
    }
    return out;
}

Json facts_of(const crypto::Certificate& certificate) {
    Json out{{"subject", certificate.subject()},
             {"issuer", certificate.issuer()},
             {"serial", certificate.serial_hex()},
             {"not_before", format_rfc3339(certificate.not_before())},
             {"not_after", format_rfc3339(certificate.not_after())},
             {"ca", certificate.is_ca()},
             {"sha256", encode_hex(certificate.sha256_fingerprint())}};
    if (auto key = certificate.public_key()) out["key"] = key_text(*key);
    if (auto use = CertificateUse::parse(certificate)) put_use(out, *use);
    return out;
}

Json facts_of(const PcrBank& bank) {
    Json out = Json::object();
    for (const auto& [pcr, value] : bank.values) out[std::to_string(pcr)] = encode_hex(value);
    return out;
}

}  // namespace vouchsafe::evidence
