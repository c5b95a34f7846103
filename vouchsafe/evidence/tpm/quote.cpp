#include "vouchsafe/evidence/tpm/quote.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

namespace {

// The codes of one kind of attestation.
struct AttestCodes {
    std::string_view form, magic, type, signature;
    std::string_view field;
    uint16_t expected_type;
};

constexpr AttestCodes kQuoteCodes{"TPM-QUOTE-FORM",      "TPM-QUOTE-MAGIC", "TPM-QUOTE-TYPE",
                                  "TPM-QUOTE-SIGNATURE", "quote",           kTpmStAttestQuote};
constexpr AttestCodes kCertifyCodes{"TPM-CERTIFY-FORM",  "TPM-CERTIFY-MAGIC",
                                    "TPM-CERTIFY-TYPE",  "TPM-CERTIFY-SIGNATURE",
                                    "key certification", kTpmStAttestCertify};

// Magic and type come first: with a restricted key the magic is what makes it a TPM's statement.
Result<TpmAttest> verify_attest(ByteView bytes, ByteView signature, const TpmSigningKey& ak,
                                const AttestCodes& codes, Checks& checks) {
    auto parsed = TpmAttest::parse(bytes);
    TRY(checks.require(parsed.has_value(), codes.form, codes.field, "a TPMS_ATTEST",
                       parsed ? "well formed" : parsed.error().message));
    TpmAttest attest = TRY(std::move(parsed));
    TRY(checks.require(attest.magic == kTpmGenerated, codes.magic,
                       fmt::format("{} magic", codes.field), "0xff544347",
                       fmt::format("{:#010x}", attest.magic)));
    TRY(checks.require(
        attest.type == codes.expected_type, codes.type, fmt::format("{} type", codes.field),
        fmt::format("{:#06x}", codes.expected_type), fmt::format("{:#06x}", attest.type)));
    auto verified = verify_tpm_signature(ak, bytes, signature);
    TRY(checks.require(verified.has_value(), codes.signature,
                       fmt::format("{} signature", codes.field), "made with the AK",
                       verified ? "holds" : verified.error().message));
    return attest;
}

const PcrBankSelection* find_bank(const PcrSelection& selection, crypto::HashAlg hash) {
    auto found = std::find_if(selection.begin(), selection.end(), [&](const auto& bank) {
        return bank.hash_alg == tpm_alg_from_hash(hash);
    });
    return found == selection.end() ? nullptr : &*found;
}

Result<void> check_selection(const PcrSelection& selection, const QuoteExpectation& expected,
                             Checks& checks) {
    const PcrBankSelection* bank = find_bank(selection, expected.required_bank);
    std::vector<uint32_t> quoted = bank == nullptr ? std::vector<uint32_t>{} : bank->pcrs();
    bool covered = std::all_of(
        expected.required_pcrs.begin(), expected.required_pcrs.end(),
        [&](uint32_t pcr) { return std::binary_search(quoted.begin(), quoted.end(), pcr); });
    return checks.require(!quoted.empty() && covered, "TPM-QUOTE-SELECTION", "quote selection",
                          fmt::format("at least {}:{}", tpm_hash_label(expected.required_bank),
                                      fmt::join(expected.required_pcrs, ",")),
                          describe(selection));
}

Result<void> check_counter(const char* name, uint32_t found,
                           const std::optional<uint32_t>& expected, Checks& checks) {
    if (!expected) return {};
    return checks.require(found == *expected, "TPM-QUOTE-COUNTERS", name,
                          fmt::format("{}", *expected), fmt::format("{}", found));
}

// All of a quote but the values of the registers.
Result<TpmAttest> verify_statement(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                   const QuoteExpectation& expected, Checks& checks) {
    TpmAttest quote = TRY(verify_attest(attest, signature, ak, kQuoteCodes, checks));
    if (expected.nonce) {
        TRY(checks.require(equal(quote.extra_data, *expected.nonce), "TPM-QUOTE-NONCE",
                           "quote nonce", encode_hex(*expected.nonce),
                           encode_hex(quote.extra_data)));
    }
    TRY(check_counter("quote resetCount", quote.clock.reset_count, expected.reset_count, checks));
    TRY(check_counter("quote restartCount", quote.clock.restart_count, expected.restart_count,
                      checks));
    TRY(check_selection(quote.pcr_selection, expected, checks));
    return quote;
}

// A certification of a key of this name.
Result<TpmAttest> verify_naming(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                const TpmPublic& key, Checks& checks) {
    TpmAttest certify = TRY(verify_attest(attest, signature, ak, kCertifyCodes, checks));
    Bytes name = key.name();
    TRY(checks.require(equal(certify.name, name), "TPM-CERTIFY-NAME", "name of the certified key",
                       encode_hex(name), encode_hex(certify.name)));
    return certify;
}

// The values of the quoted registers, by bank. Only after pcr_digest found them all.
std::vector<PcrBank> quoted_values(const PcrSelection& selection, std::span<const PcrBank> values) {
    std::vector<PcrBank> out;
    for (const PcrBankSelection& selected : selection) {
        auto bank = std::find_if(values.begin(), values.end(), [&](const PcrBank& one) {
            return selected.hash_alg == tpm_alg_from_hash(one.hash);
        });
        if (bank == values.end()) continue;  // nothing selected in it
        PcrBank kept{bank->hash, {}};
        for (uint32_t pcr : selected.pcrs()) kept.values[pcr] = bank->values.at(pcr);
        out.push_back(std::move(kept));
    }
    return out;
}

}  // namespace

// QuoteVerifier alone makes the verified types.
struct QuoteVerifier {
    static VerifiedQuote quote(TpmAttest attest, std::vector<PcrBank> banks) {
        return {std::move(attest), std::move(banks)};
    }
    static VerifiedQuoteDigest digest(TpmAttest attest) {
        return VerifiedQuoteDigest(std::move(attest));
    }
    static VerifiedTpmKey key(TpmPublic area) { return VerifiedTpmKey(std::move(area)); }
};

Result<void> check_ak_attributes(const TpmPublic& ak, Checks& checks) {
    constexpr uint32_t kRequired = kTpmaRestricted | kTpmaSign | kTpmaFixedTpm;
    return checks.require(ak.has(kRequired) && (ak.attributes & kTpmaDecrypt) == 0, "AK-ATTRIBUTES",
                          "AK attributes", "restricted, sign, fixedTPM; not decrypt",
                          fmt::format("{:#010x}", ak.attributes));
}

Result<VerifiedQuote> verify_quote(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                   std::span<const PcrBank> values,
                                   const QuoteExpectation& expected, Checks& checks) {
    TpmAttest quote = TRY(verify_statement(attest, signature, ak, expected, checks));
    auto digest = pcr_digest(crypto::sig_alg_hash(ak.alg), quote.pcr_selection, values);
    TRY(checks.require(digest && equal(*digest, quote.pcr_digest), "TPM-QUOTE-DIGEST",
                       "digest of the PCR values", encode_hex(quote.pcr_digest) + " (quote)",
                       digest ? encode_hex(*digest) : digest.error().message));
    std::vector<PcrBank> banks = quoted_values(quote.pcr_selection, values);
    return QuoteVerifier::quote(std::move(quote), std::move(banks));
}

Result<VerifiedQuoteDigest> verify_quote_digest(ByteView attest, ByteView signature,
                                                const TpmSigningKey& ak,
                                                const QuoteExpectation& expected, Checks& checks) {
    return QuoteVerifier::digest(TRY(verify_statement(attest, signature, ak, expected, checks)));
}

Result<VerifiedTpmKey> verify_certify(ByteView attest, ByteView signature, const TpmSigningKey& ak,
                                      TpmPublic key, Checks& checks) {
    TRY(verify_naming(attest, signature, ak, key, checks));
    return QuoteVerifier::key(std::move(key));
}

Result<VerifiedTpmKey> verify_certified_key(const KeyCertification& certification,
                                            const crypto::PublicKey& key, ByteView nonce,
                                            const TpmSigningKey& ak, Checks& checks) {
    auto area = TpmPublic::parse_area(certification.public_area);
    auto certified = area ? area->public_key() : fail(area.error());
    bool same = certified && *certified == key && area->has(kTpmaFixedTpm);
    TRY(checks.require(same, "TPM-CERTIFY-KEY", "certified public area", "the key's, with fixedTPM",
                       !certified ? certified.error().message
                                  : fmt::format("{}, attributes {:#010x}",
                                                *certified == key ? "the key's" : "another key's",
                                                area->attributes)));
    TpmPublic named = TRY(std::move(area));
    TpmAttest certify =
        TRY(verify_naming(certification.attest, certification.signature, ak, named, checks));
    TRY(checks.require(equal(certify.extra_data, nonce), "TPM-CERTIFY-NONCE",
                       "key certification nonce", encode_hex(nonce),
                       encode_hex(certify.extra_data)));
    return QuoteVerifier::key(std::move(named));
}

Result<void> check_ephemeral_key(const VerifiedTpmKey& key, const VerifiedQuote& quote,
                                 Checks& checks) {
    const TpmPublic& area = key.public_area();
    TRY(checks.require(area.attributes == kEphemeralKeyAttributes, "TPM-KEY-ATTRIBUTES",
                       "encryption key attributes",
                       fmt::format("{:#010x}", kEphemeralKeyAttributes),
                       fmt::format("{:#010x}", area.attributes)));
    auto name_hash = hash_from_tpm_alg(area.name_alg);
    auto policy = pcr_policy_digest(name_hash.value_or(crypto::HashAlg::sha256), quote.selection(),
                                    quote.banks());
    return checks.require(
        policy && equal(*policy, area.auth_policy), "TPM-KEY-POLICY", "encryption key authPolicy",
        policy ? "PolicyPCR of the quoted values: " + encode_hex(*policy) : policy.error().message,
        area.auth_policy.empty() ? "none" : encode_hex(area.auth_policy));
}

}  // namespace vouchsafe::evidence
