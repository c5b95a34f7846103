#include "vouchsafe/evidence/azure/guest.h"

#include <algorithm>

#include "vouchsafe/evidence/azure/trusted_launch.h"

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr uint32_t kPcrCount = 24;
constexpr size_t kMinKeyBits = 2048;
constexpr std::string_view kAkKid = "HCLAkPub";

// Which kind of evidence this is, by what it says and by what it is.
Result<void> check_isolation(const AzureGuestEvidence& evidence, Checks& checks) {
    TRY(checks.require(evidence.isolation_type != "TrustedLaunch", "HCL-ISOLATION",
                       "isolation type", "SevSnp", evidence.isolation_type));
    TRY(checks.require(evidence.isolation_type == "SevSnp", "HCL-TEE", "isolation type", "SevSnp",
                       evidence.isolation_type.empty() ? "none" : evidence.isolation_type));
    bool td_report = looks_like_td_report(evidence.snp_report);
    return checks.require(!td_report, "HCL-TEE", "hardware report", "an SEV-SNP report",
                          td_report ? "an Intel TDREPORT labelled SevSnp" : "no TDREPORT");
}

Result<TpmPublic> parse_ak(ByteView bytes, Checks& checks) {
    auto ak = TpmPublic::parse_prefix(bytes);
    TRY(checks.require(ak.has_value(), "AK-FORM", "AK public area", "a TPM2B_PUBLIC",
                       ak ? "well formed" : ak.error().message));
    return ak;
}

// The key that the hardware vouches for is mostly that of the TPM: then it is made once, and if the
// runtime data was kept so was what verifying with it needs.
Result<TpmSigningKey> read_signing_key(const TpmPublic& ak, const RuntimeClaims* runtime) {
    const RuntimeKey* vouched = runtime == nullptr ? nullptr : runtime->find_key(kAkKid);
    if (vouched == nullptr || !ak.is_rsa(vouched->numbers)) return ak.signing_key();
    return ak.signing_key(vouched->key);
}

Result<TpmSigningKey> signing_key(const TpmPublic& ak, const RuntimeClaims* runtime,
                                  Checks& checks) {
    auto key = read_signing_key(ak, runtime);
    bool strong =
        key && (key->key.type() != crypto::KeyType::rsa || key->key.bits() >= kMinKeyBits);
    TRY(checks.require(
        strong, "AK-FORM", "AK", "a signing key with its own scheme, RSA from 2048 bits",
        key ? fmt::format("{} with {} bits", crypto::sig_alg_name(key->alg), key->key.bits())
            : key.error().message));
    return key;
}

// The only link between the hardware report and the TPM: the paravisor's word, in measured claims,
// that this AK is the AK of this machine's TPM.
Result<void> check_ak_binding(const RuntimeClaims& runtime, const crypto::PublicKey& ak,
                              Checks& checks) {
    const RuntimeKey* key = runtime.find_key(kAkKid);
    std::string found = key == nullptr ? "no such key" : key->key == ak ? "the AK" : "another key";
    return checks.require(key != nullptr && key->key == ak, "HCL-AK", "runtime key HCLAkPub",
                          "the AK that signed the quote", std::move(found));
}

Result<PcrBank> read_pcr_values(const AzureGuestEvidence& evidence, Checks& checks) {
    PcrBank out{HashAlg::sha256, {}};
    for (const PcrValue& value : evidence.pcr_values) {
        bool fits = value.index < kPcrCount && !out.values.contains(value.index) &&
                    value.digest.size() == crypto::hash_size(HashAlg::sha256);
        TRY(checks.require(fits, "TPM-PCR-VALUES", fmt::format("pcr {} (sha256)", value.index),
                           "one value of 32 bytes for a register below 24",
                           fits ? "one value"
                                : fmt::format("{} bytes, {}", value.digest.size(),
                                              out.values.contains(value.index) ? "a second value"
                                                                               : "first value")));
        out.values[value.index] = value.digest;
    }
    std::vector<uint32_t> set = evidence.pcr_set;
    std::sort(set.begin(), set.end());
    bool same = set.size() == out.values.size() &&
                std::equal(set.begin(), set.end(), out.values.begin(),
                           [](uint32_t pcr, const auto& value) { return pcr == value.first; });
    std::vector<uint32_t> given;
    for (const auto& value : out.values) given.push_back(value.first);
    TRY(checks.require(same && !set.empty(), "TPM-PCR-VALUES", "PcrSet",
                       fmt::format("the registers with values: {}", fmt::join(given, ",")),
                       fmt::format("{}", fmt::join(set, ","))));
    return out;
}

// The registers every verdict here rests on: firmware, boot configuration, Secure Boot.
std::vector<uint32_t> required_pcrs(const PcrBank& values) {
    std::vector<uint32_t> out{0, 1, 2, 3, 4, 5, 6, 7};
    for (const auto& [pcr, value] : values.values) {
        if (pcr >= out.size()) out.push_back(pcr);
    }
    return out;
}

Result<VerifiedQuote> check_quote(const AzureGuestEvidence& evidence, const TpmSigningKey& ak,
                                  const AzureGuestRules& rules, Checks& checks) {
    PcrBank values = TRY(read_pcr_values(evidence, checks));
    QuoteExpectation expected{required_pcrs(values), HashAlg::sha256, rules.nonce};
    std::array<PcrBank, 1> banks{std::move(values)};
    return verify_quote(evidence.quote, evidence.quote_signature, ak, banks, expected, checks);
}

struct ConfirmedBoot {
    std::optional<BootFacts> facts;
    std::map<uint32_t, std::vector<Bytes>> measured;
};

Result<ConfirmedBoot> check_boot(const AzureGuestEvidence& evidence, const PcrBank& pcrs,
                                 const AzureGuestRules& rules, Checks& checks) {
    if (evidence.event_log.empty() && !rules.require_secure_boot) return ConfirmedBoot{};
    TRY(check_log_present(evidence.event_log, {{pcrs}}, checks));
    EventLog log = TRY(EventLog::parse(evidence.event_log, checks));
    ReplayedLog replayed = TRY(verify_event_log(std::move(log), pcrs, checks));
    BootFacts facts = TRY(read_boot_facts(replayed, checks));
    if (rules.require_secure_boot) TRY(check_secure_boot(facts, checks));
    return ConfirmedBoot{std::move(facts), replayed.digests()};
}

struct EncryptionKey {
    VerifiedTpmKey key;
    crypto::PublicKey public_key;
};

Result<EncryptionKey> check_encryption_key(const AzureGuestEvidence& evidence,
                                           const TpmSigningKey& ak, const VerifiedQuote& quote,
                                           Checks& checks) {
    auto area = TpmPublic::parse(evidence.encryption_key);
    TRY(checks.require(area.has_value(), "TPM-KEY-FORM", "encryption key", "a TPM2B_PUBLIC",
                       area ? "well formed" : area.error().message));
    auto key = area->public_key();
    bool usable = key && key->type() == crypto::KeyType::rsa && key->bits() >= kMinKeyBits &&
                  area->scheme == kTpmAlgNull;
    TRY(checks.require(usable, "TPM-KEY-FORM", "encryption key",
                       "RSA from 2048 bits, scheme chosen at each use",
                       key ? fmt::format("{} bits, scheme {:#06x}", key->bits(), area->scheme)
                           : key.error().message));
    VerifiedTpmKey verified = TRY(verify_certify(evidence.certify_info, evidence.certify_signature,
                                                 ak, std::move(*area), checks));
    TRY(check_ephemeral_key(verified, quote, checks));
    return EncryptionKey{std::move(verified), std::move(*key)};
}

Result<std::optional<VerifiedAkCertificate>> check_ak_certificate(
    const AzureGuestEvidence& evidence, const crypto::PublicKey& ak, AkEndorser& endorser,
    const AzureGuestRules& rules, Time now, Checks& checks) {
    bool absent = all_zero(evidence.ak_certificate);  // an index that was never written
    if (absent && !rules.require_ak_certificate) return std::optional<VerifiedAkCertificate>{};
    TRY(checks.require(!absent, "AK-CERT-PRESENT", "AK certificate", "present",
                       absent ? "none" : "present"));
    VerifiedAkCertificate verified =
        TRY(endorser.endorse(evidence.ak_certificate, ak, now, checks));
    return std::optional<VerifiedAkCertificate>(std::move(verified));
}

}  // namespace

struct GuestTpmVerifier {
    // `runtime`: what hardware vouched for, or nullptr where there is none.
    static Result<VerifiedGuestTpm> verify(const AzureGuestEvidence& evidence,
                                           const RuntimeClaims* runtime, AkEndorser& endorser,
                                           const AzureGuestRules& rules, Time now, Checks& checks) {
        TpmPublic ak = TRY(parse_ak(evidence.ak_public, checks));
        TRY(check_ak_attributes(ak, checks));
        TpmSigningKey key = TRY(signing_key(ak, runtime, checks));
        if (runtime != nullptr) TRY(check_ak_binding(*runtime, key.key, checks));
        std::optional<VerifiedAkCertificate> certificate =
            TRY(check_ak_certificate(evidence, key.key, endorser, rules, now, checks));
        // Then what the TPM says about the boot, and the key that is good only in this state.
        VerifiedQuote quote = TRY(check_quote(evidence, key, rules, checks));
        ConfirmedBoot boot = TRY(check_boot(evidence, quote.banks().front(), rules, checks));
        EncryptionKey encryption = TRY(check_encryption_key(evidence, key, quote, checks));
        return VerifiedGuestTpm(std::move(ak), std::move(certificate), std::move(quote),
                                std::move(encryption.key), std::move(encryption.public_key),
                                std::move(boot.facts), std::move(boot.measured));
    }
};

Result<VerifiedGuestTpm> verify_guest_tpm(const AzureGuestEvidence& evidence,
                                          const RuntimeClaims& runtime, AkEndorser& endorser,
                                          const AzureGuestRules& rules, Time now, Checks& checks) {
    return GuestTpmVerifier::verify(evidence, &runtime, endorser, rules, now, checks);
}

Result<VerifiedGuestTpm> verify_trusted_launch(const AzureGuestEvidence& evidence,
                                               AkEndorser& endorser, AzureGuestRules rules,
                                               Time now, Checks& checks) {
    TRY(checks.require(evidence.isolation_type == "TrustedLaunch", "HCL-ISOLATION",
                       "isolation type", "TrustedLaunch", evidence.isolation_type));
    rules.require_ak_certificate = true;
    return GuestTpmVerifier::verify(evidence, nullptr, endorser, rules, now, checks);
}

struct AzureGuestVerifier {
    // bound verifies a report, and that it vouches for the runtime data.
    static Result<VerifiedSnpReport> bound(ByteView report, ByteView chain, ByteView runtime_data,
                                           SnpEndorser& endorser, const SnpRules& rules, Time now,
                                           Checks& checks) {
        VerifiedSnpReport snp = TRY(verify_snp(report, chain, endorser, rules, now, checks));
        TRY(check_runtime_binding(snp.report().report_data, runtime_data, HashAlg::sha256, checks));
        return snp;
    }

    static Result<VerifiedSnpPlatform> platform(ByteView report, ByteView chain,
                                                ByteView runtime_data, SnpEndorser& endorser,
                                                const SnpRules& rules, Time now, Checks& checks) {
        VerifiedSnpReport snp =
            TRY(bound(report, chain, runtime_data, endorser, rules, now, checks));
        RuntimeClaims runtime = TRY(RuntimeClaims::parse(runtime_data, checks));
        return VerifiedSnpPlatform(std::move(snp), std::move(runtime));
    }

    static Result<VerifiedAzureGuest> guest(const AzureGuestEvidence& evidence,
                                            SnpEndorser& processors, AkEndorser& aks,
                                            const AzureGuestRules& rules, Time now,
                                            Checks& checks) {
        TRY(check_isolation(evidence, checks));
        // The hardware first: without it nothing else means anything.
        VerifiedSnpReport snp =
            TRY(bound(evidence.snp_report, evidence.vcek_chain, evidence.runtime_data, processors,
                      rules.snp, now, checks));
        // Then the TPM that the hardware vouches for.
        RuntimeClaims runtime = TRY(aks.read_runtime(evidence.runtime_data, checks));
        VerifiedGuestTpm tpm = TRY(verify_guest_tpm(evidence, runtime, aks, rules, now, checks));
        return VerifiedAzureGuest(std::move(snp), std::move(runtime), std::move(tpm));
    }
};

Result<VerifiedAzureGuest> verify_azure_guest(const AzureGuestEvidence& evidence,
                                              SnpEndorser& processors, AkEndorser& aks,
                                              const AzureGuestRules& rules, Time now,
                                              Checks& checks) {
    return AzureGuestVerifier::guest(evidence, processors, aks, rules, now, checks);
}

Result<VerifiedAzureGuest> verify_azure_guest(const AzureGuestEvidence& evidence,
                                              const TrustAnchors& anchors,
                                              const AzureGuestRules& rules, Time now,
                                              Checks& checks) {
    FreshSnpEndorser processors(anchors, rules.crls);
    FreshAkEndorser aks(anchors);
    return verify_azure_guest(evidence, processors, aks, rules, now, checks);
}

Result<VerifiedSnpPlatform> verify_snp_platform(ByteView report, ByteView chain,
                                                ByteView runtime_data, const TrustAnchors& anchors,
                                                const SnpRules& rules, Time now, Checks& checks) {
    const std::vector<crypto::Crl> none;
    FreshSnpEndorser endorser(anchors, none);
    return AzureGuestVerifier::platform(report, chain, runtime_data, endorser, rules, now, checks);
}

}  // namespace vouchsafe::evidence
