#include "vouchsafe/attest/claims/claims.h"

#include <algorithm>

#include "vouchsafe/attest/claims/boot_claims.h"
#include "vouchsafe/attest/claims/secure_boot_keys.h"
#include "vouchsafe/attest/claims/trust_vector.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/random.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest {

namespace {

constexpr size_t kJtiBytes = 32;

// Features of Windows' boot manager. A Linux guest has none of them; these are the values Azure
// gives it (azure-api C.3.2, Linux sample).
void add_boot_manager_claims(Json& claims) {
    claims["x-ms-azurevm-bootdebug-enabled"] = false;
    claims["x-ms-azurevm-debuggersdisabled"] = true;
    claims["x-ms-azurevm-elam-enabled"] = false;
    claims["x-ms-azurevm-flightsigning-enabled"] = false;
    claims["x-ms-azurevm-hvci-policy"] = 0;
    claims["x-ms-azurevm-hypervisordebug-enabled"] = false;
    claims["x-ms-azurevm-kerneldebug-enabled"] = false;
    claims["x-ms-azurevm-signingdisabled"] = true;
    claims["x-ms-azurevm-testsigning-enabled"] = false;
}

void add_os_claims(Json& claims, const OsDescription& os) {
    claims["x-ms-azurevm-ostype"] = os.type;
    claims["x-ms-azurevm-osdistro"] = os.distro;
    claims["x-ms-azurevm-osbuild"] = os.build;
    claims["x-ms-azurevm-osversion-major"] = os.version_major;
    claims["x-ms-azurevm-osversion-minor"] = os.version_minor;
    claims["x-ms-azurevm-is-windows"] = os.type == "Windows";
    if (os.type == "Linux") add_boot_manager_claims(claims);
}

void add_snp_claims(Json& claims, const evidence::VerifiedSnpReport& verified,
                    const Config& config) {
    const evidence::SnpReport& report = verified.report();
    evidence::SnpTcb tcb = verified.reported_tcb();
    claims["x-ms-attestation-type"] = "sevsnpvm";
    if (is_compliant(report, config)) claims["x-ms-compliance-status"] = "azure-compliant-cvm";
    claims["x-ms-sevsnpvm-authorkeydigest"] = encode_hex(report.author_key_digest);
    claims["x-ms-sevsnpvm-bootloader-svn"] = tcb.bootloader;
    claims["x-ms-sevsnpvm-familyId"] = encode_hex(report.family_id);
    claims["x-ms-sevsnpvm-guestsvn"] = report.guest_svn;
    claims["x-ms-sevsnpvm-hostdata"] = encode_hex(report.host_data);
    claims["x-ms-sevsnpvm-idkeydigest"] = encode_hex(report.id_key_digest);
    claims["x-ms-sevsnpvm-imageId"] = encode_hex(report.image_id);
    claims["x-ms-sevsnpvm-is-debuggable"] = report.policy.debug_allowed();
    claims["x-ms-sevsnpvm-launchmeasurement"] = encode_hex(report.measurement);
    claims["x-ms-sevsnpvm-microcode-svn"] = tcb.microcode;
    claims["x-ms-sevsnpvm-migration-allowed"] = report.policy.migration_allowed();
    claims["x-ms-sevsnpvm-reportdata"] = encode_hex(report.report_data);
    claims["x-ms-sevsnpvm-reportid"] = encode_hex(report.report_id);
    claims["x-ms-sevsnpvm-smt-allowed"] = report.policy.smt_allowed();
    claims["x-ms-sevsnpvm-snpfw-svn"] = tcb.snp;
    claims["x-ms-sevsnpvm-tee-svn"] = tcb.tee;
    claims["x-ms-sevsnpvm-vmpl"] = report.vmpl;
    claims["x-vouchsafe-snp-product"] = evidence::product_name(verified.product());
    claims["x-vouchsafe-snp-report-version"] = report.version;
    if (tcb.fmc) claims["x-vouchsafe-snp-fmc-svn"] = *tcb.fmc;
}

void add_td_report_claims(Json& claims, const evidence::TdReport& report) {
    const evidence::TdAttributes& attributes = report.td_attributes;
    claims["dbgstat"] = attributes.debug() ? "enabled" : "disabled";
    claims["tdx_mrtd"] = encode_hex(report.mrtd);
    claims["tdx_mrseam"] = encode_hex(report.mrseam);
    claims["tdx_mrsignerseam"] = encode_hex(report.mrsignerseam);
    claims["tdx_mrconfigid"] = encode_hex(report.mrconfigid);
    claims["tdx_mrowner"] = encode_hex(report.mrowner);
    claims["tdx_mrownerconfig"] = encode_hex(report.mrownerconfig);
    for (size_t i = 0; i < report.rtmr.size(); ++i) {
        claims[fmt::format("tdx_rtmr{}", i)] = encode_hex(report.rtmr[i]);
    }
    claims["tdx_report_data"] = encode_hex(report.report_data);
    claims["tdx_tee_tcb_svn"] = encode_hex(report.tee_tcb_svn);
    claims["tdx_seam_attributes"] = encode_hex(report.seam_attributes);
    // As they stand in the quote, least significant byte first, like Azure's.
    claims["tdx_xfam"] = encode_hex(Writer().u64_le(report.xfam).take());
    claims["tdx_td_attributes"] = encode_hex(Writer().u64_le(attributes.raw).take());
    claims["tdx_seamsvn"] = report.tee_tcb_svn[0];
    claims["tdx_td_attributes_debug"] = attributes.debug();
    claims["tdx_td_attributes_key_locker"] = attributes.key_locker();
    claims["tdx_td_attributes_perfmon"] = attributes.perfmon();
    claims["tdx_td_attributes_protection_keys"] = attributes.protection_keys();
    claims["tdx_td_attributes_septve_disable"] = attributes.sept_ve_disable();
}

void add_td_claims(Json& claims, const evidence::VerifiedTdQuote& quote) {
    add_td_report_claims(claims, quote.report());
    const auto* tcb = whole_judgement(quote.tcb(), quote.not_checked());
    if (tcb == nullptr) return;
    claims["attester_tcb_status"] = evidence::tcb_status_name(tcb->status);
    claims["x-vouchsafe-tdx-advisories"] = tcb->advisories;
    claims["x-vouchsafe-tdx-evaluation"] = tcb->evaluation;
}

Json ephemeral_key_claim(const crypto::PublicKey& key) {
    Json jwk = jose::encode_jwk(key);
    jwk["kid"] = "TpmEphemeralEncryptionKey";
    jwk["key_ops"] = Json::array({"encrypt"});
    return jwk;
}

Json attested_pcrs(const evidence::PcrBank& pcrs) {
    Json out = Json::array();
    for (const auto& [index, value] : pcrs.values) out.push_back(index);
    return out;
}

// tpm_guest_claims are those about a guest's vTPM, its boot and what the guest says of itself.
Json tpm_guest_claims(const AzureGuestRequest& request, const evidence::VerifiedGuestTpm& tpm) {
    Json runtime = {{"keys", Json::array({ephemeral_key_claim(tpm.encryption_public_key())})}};
    if (request.client_payload) runtime["client-payload"] = *request.client_payload;

    Json claims = {{"x-ms-attestation-type", "azurevm"},
                   {"x-ms-azurevm-attestation-protocol-ver", request.protocol_version},
                   {"x-ms-azurevm-attested-pcrs", attested_pcrs(tpm.pcrs())},
                   {"x-ms-runtime", std::move(runtime)},
                   {"secureboot", tpm.secure_boot() == evidence::SecureBoot::on}};
    add_os_claims(claims, request.os);
    SecureBootKeys keys = tpm.boot() ? read_secure_boot_keys(*tpm.boot()) : SecureBootKeys{};
    claims["x-ms-azurevm-dbvalidated"] = keys.db_well_formed;
    claims["x-ms-azurevm-dbxvalidated"] = keys.dbx_well_formed;
    claims["x-ms-azurevm-default-securebootkeysvalidated"] = keys.only_default_keys;
    claims["x-vouchsafe-pcrs"] = pcr_claim(tpm.pcrs());
    if (tpm.boot()) add_boot_claims(claims, *tpm.boot());
    return claims;
}

// guest_claims are those of a guest with a vTPM, around what its hardware says.
template <typename Guest>
Json guest_claims(const AzureGuestRequest& request, const Guest& guest, Json isolation,
                  std::vector<std::string> not_checked) {
    isolation["x-ms-runtime"] = *guest.runtime().document;
    Json claims = tpm_guest_claims(request, guest.tpm());
    claims["x-ms-isolation-tee"] = std::move(isolation);
    if (const auto& vm_id = guest.runtime().vm.vm_unique_id) {
        claims["x-ms-azurevm-vmid"] = *vm_id;
    }
    claims["x-vouchsafe-trust-tier"] = evidence::tier_name(guest.tier());
    // Who issues AK certificates publishes lists that nobody brings here.
    if (guest.tpm().ak_certificate()) not_checked.emplace_back("ak-revocation");
    add_not_checked(claims, not_checked);
    return claims;
}

bool is_listed(ByteView digest, const std::vector<std::string>& known) {
    std::string hex = encode_hex(digest);
    return std::ranges::any_of(known,
                               [&](const std::string& one) { return equal_ignore_case(one, hex); });
}

}  // namespace

Json pcr_claim(const evidence::PcrBank& pcrs) {
    Json out = Json::array();
    for (const auto& [index, value] : pcrs.values) {
        out.push_back(fmt::format("{}:{}", index, encode_hex(value)));
    }
    return out;
}

void add_bound_claims(Json& claims, const BoundMembers& bound) {
    if (bound.runtime_data && bound.runtime_data->json) {
        claims["x-ms-runtime"] = *bound.runtime_data->json;
    }
    if (bound.init_data && bound.init_data->json) {
        claims["x-ms-inittime"] = *bound.init_data->json;
    }
    if (bound.nonce) claims["nonce"] = *bound.nonce;
}

void add_not_checked(Json& claims, const std::vector<std::string>& names) {
    bool left_out = std::find(names.begin(), names.end(), "revocation") != names.end();
    claims["x-vouchsafe-revocation"] = left_out ? "not-checked" : "checked";
    claims["x-vouchsafe-not-checked"] = names;
}

bool is_compliant(const evidence::SnpReport& report, const Config& config) {
    return is_listed(report.id_key_digest, config.compliant_id_keys);
}

bool is_compliant(const evidence::TdReport& report, const Config& config) {
    return is_listed(report.mrtd, config.compliant_td_measurements);
}

Json azure_guest_claims(const AzureGuestRequest& request, const evidence::VerifiedAzureGuest& guest,
                        const Config& config, std::vector<std::string> not_checked) {
    Json isolation = Json::object();
    add_snp_claims(isolation, guest.snp(), config);
    return guest_claims(request, guest, std::move(isolation), std::move(not_checked));
}

Json td_guest_claims(const AzureGuestRequest& request, const evidence::VerifiedTdGuest& guest,
                     const Config& config) {
    Json isolation = {{"x-ms-attestation-type", "tdxvm"}};
    if (is_compliant(guest.td().report(), config)) {
        isolation["x-ms-compliance-status"] = "azure-compliant-cvm";
    }
    add_td_claims(isolation, guest.td());
    return guest_claims(request, guest, std::move(isolation), guest.td().not_checked());
}

Json trusted_launch_claims(const AzureGuestRequest& request,
                           const evidence::VerifiedGuestTpm& tpm) {
    Json claims = tpm_guest_claims(request, tpm);
    claims["x-vouchsafe-trusted-launch"] = true;
    claims["x-vouchsafe-trust-tier"] = evidence::tier_name(tpm.ak_certificate()->tier());
    add_not_checked(claims, {"revocation", "ak-revocation"});
    return claims;
}

Json snp_vm_claims(const BoundMembers& bound, const evidence::VerifiedSnpReport& report,
                   const Config& config, const std::vector<std::string>& not_checked) {
    Json claims = Json::object();
    add_snp_claims(claims, report, config);
    add_bound_claims(claims, bound);
    claims["x-vouchsafe-trust-tier"] = evidence::tier_name(report.tier());
    add_not_checked(claims, not_checked);
    return claims;
}

Json tdx_vm_claims(const BoundMembers& bound, const evidence::VerifiedTdQuote& quote) {
    Json claims = {{"x-ms-attestation-type", "tdxvm"},
                   {"eat_profile", "https://aka.ms/maa-eat-profile-tdxvm"},
                   {"intuse", "generic"}};
    add_td_claims(claims, quote);
    add_bound_claims(claims, bound);
    claims["x-vouchsafe-trust-tier"] = evidence::tier_name(quote.tier());
    add_not_checked(claims, quote.not_checked());
    return claims;
}

void add_freshness_claims(Json& claims, const std::string& challenge,
                          const std::optional<crypto::PublicKey>& key) {
    claims["x-vouchsafe-challenge"] = challenge;
    if (key) claims["cnf"] = {{"jkt", encode_base64url(jose::thumbprint(*key))}};
}

void add_token_claims(Json& claims, const Config& config, Seconds lifetime, Time now) {
    claims["iss"] = config.issuer;
    claims["iat"] = to_unix(now);
    claims["nbf"] = to_unix(now);
    claims["exp"] = to_unix(now + lifetime);
    claims["jti"] = crypto::random_hex(kJtiBytes);
    claims["x-ms-ver"] = "1.0";
}

void add_check_claims(Json& claims, const std::vector<Check>& checks) {
    std::vector<std::string_view> codes;
    for (const Check& check : checks) {
        const std::string_view code = check.code;
        if (std::ranges::find(codes, code) == codes.end()) codes.push_back(code);
    }
    claims["x-vouchsafe-checks"] = codes;
}

}  // namespace vouchsafe::attest
