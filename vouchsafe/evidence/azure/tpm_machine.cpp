#include "vouchsafe/evidence/azure/tpm_machine.h"

#include <algorithm>

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr uint32_t kAllPcrs = 24;        // as far as a mask goes
constexpr uint32_t kPcrsOfFirmware = 8;  // PFP, "PCR Usage"
constexpr size_t kMinAkBits = 2048;
// The attester chooses what is quoted. Firmware that leaves an active bank alone (CVE-2021-42299)
// leaves it to the operating system to extend by whatever it likes, so the bank is not his choice:
// this one is what every firmware of such machines extends.
constexpr HashAlg kAppraisedBank = HashAlg::sha256;

// A key in a JWK says nothing of its scheme: the signature names it.
Result<TpmSigningKey> ak_of(const TpmMachineEvidence& evidence, Checks& checks) {
    auto key = signing_key_for(evidence.ak, evidence.quote_signature);
    bool strong = key && (key->key.type() != crypto::KeyType::rsa || key->key.bits() >= kMinAkBits);
    TRY(checks.require(
        strong, "AK-FORM", "AK", "a key that signs with SHA-256 or better, RSA from 2048 bits",
        key ? fmt::format("{} with {} bits", crypto::sig_alg_name(key->alg), key->key.bits())
            : key.error().message));
    return key;
}

Result<std::optional<VerifiedAkCertificate>> certificate_of(const TpmMachineEvidence& evidence,
                                                            const TrustAnchors& anchors,
                                                            const TpmMachineRules& rules, Time now,
                                                            Checks& checks) {
    bool absent = all_zero(evidence.ak_certificate);
    if (rules.require_ak_certificate) {
        TRY(checks.require(!absent, "AK-CERT-PRESENT", "AK certificate", "present",
                           absent ? "none" : "present"));
        return std::optional<VerifiedAkCertificate>(
            TRY(verify_ak_certificate(evidence.ak_certificate, evidence.ak, anchors, now, checks)));
    }
    if (absent) return std::optional<VerifiedAkCertificate>{};
    Checks trial = checks;
    auto verified =
        verify_ak_certificate(evidence.ak_certificate, evidence.ak, anchors, now, trial);
    if (!verified) return std::optional<VerifiedAkCertificate>{};
    checks = std::move(trial);
    return std::optional<VerifiedAkCertificate>(std::move(*verified));
}

const PcrBank* find_values(std::span<const PcrBank> banks, HashAlg hash) {
    auto found = std::ranges::find(banks, hash, &PcrBank::hash);
    return found == banks.end() ? nullptr : &*found;
}

std::vector<uint32_t> pcrs_of_mask(uint32_t mask) {
    std::vector<uint32_t> out;
    for (uint32_t pcr = 0; pcr < kAllPcrs; ++pcr) {
        if ((mask >> pcr & 1) != 0) out.push_back(pcr);
    }
    return out;
}

size_t count_values(std::span<const PcrBank> banks) {
    size_t out = 0;
    for (const PcrBank& bank : banks) out += bank.values.size();
    return out;
}

Result<VerifiedQuote> quote_of(const TpmMachineEvidence& evidence, const TpmSigningKey& ak,
                               const TpmMachineRules& rules, Checks& checks) {
    QuoteExpectation expected{pcrs_of_mask(rules.required_pcrs), kAppraisedBank, rules.nonce};
    VerifiedQuote quote = TRY(verify_quote(evidence.quote, evidence.quote_signature, ak,
                                           evidence.values, expected, checks));
    // What was not quoted must not look as if it were.
    size_t quoted = count_values(quote.banks()), given = count_values(evidence.values);
    TRY(checks.require(quoted == given, "TPM-PCR-VALUES", "pcrs",
                       fmt::format("the {} values that are quoted", quoted),
                       fmt::format("{} values", given)));
    return quote;
}

// comparable are the registers that the log must or does replay to.
PcrBank comparable(const EventLog& log, const PcrBank& quoted) {
    PcrBank replayed = log.replay(quoted.hash);
    PcrBank out{quoted.hash, {}};
    for (const auto& [pcr, value] : quoted.values) {
        auto logged = replayed.values.find(pcr);
        bool same = logged != replayed.values.end() && equal(logged->second, value);
        if (pcr < kPcrsOfFirmware || same) out.values[pcr] = value;
    }
    return out;
}

}  // namespace

const PcrBank& VerifiedTpmMachine::pcrs() const {
    return *find_values(quote_.banks(), kAppraisedBank);  // verify_quote demanded it
}

struct TpmMachineVerifier {
    static Result<VerifiedTpmMachine> machine(const TpmMachineEvidence& evidence,
                                              const TrustAnchors& anchors,
                                              const TpmMachineRules& rules, Time now,
                                              Checks& checks) {
        TpmSigningKey ak = TRY(ak_of(evidence, checks));
        auto certificate = TRY(certificate_of(evidence, anchors, rules, now, checks));
        VerifiedQuote quote = TRY(quote_of(evidence, ak, rules, checks));
        VerifiedTpmMachine out(std::move(ak), std::move(certificate), std::move(quote));
        TRY(add_log(evidence.event_log, out, checks));
        if (!evidence.ima_list.empty()) {
            // Never by SHA-1: a list with a collision in it replays as well as the true one.
            ImaList list = TRY(ImaList::parse(evidence.ima_list, checks));
            out.ima_ = TRY(verify_ima_list(std::move(list), {&out.pcrs(), 1}, checks));
        }
        return out;
    }

    static Result<void> add_log(ByteView bytes, VerifiedTpmMachine& out, Checks& checks) {
        if (bytes.empty()) return {};
        EventLog log = TRY(EventLog::parse(bytes, checks));
        PcrBank values = comparable(log, out.pcrs());
        out.log_ = TRY(verify_event_log(std::move(log), values, checks));
        out.boot_ = TRY(read_boot_facts(*out.log_, checks));
        return {};
    }
};

Result<VerifiedTpmMachine> verify_tpm_machine(const TpmMachineEvidence& evidence,
                                              const TrustAnchors& anchors,
                                              const TpmMachineRules& rules, Time now,
                                              Checks& checks) {
    return TpmMachineVerifier::machine(evidence, anchors, rules, now, checks);
}

}  // namespace vouchsafe::evidence
