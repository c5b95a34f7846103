// verify tpm-quote: a TPM's statement about its registers.
#include <algorithm>

#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "app/unchecked_options.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

constexpr std::string_view kAkChain = "ak-chain";
constexpr std::string_view kPcrs = "pcrs";

struct QuoteCommand {
    VerifyOptions options;
    std::string attest, signature, ak, pcrs, nonce;
    std::vector<std::string> crls;
    std::optional<unsigned> resets, restarts;
};

// Which registers, of which bank, a quote must cover: those it selects itself, and at least one.
void expect_selected(const TpmAttest& attest, QuoteExpectation& out) {
    for (const PcrBankSelection& selection : attest.pcr_selection) {
        auto hash = hash_from_tpm_alg(selection.hash_alg);
        if (!hash || selection.pcrs().empty()) continue;
        out.required_bank = *hash;
        out.required_pcrs = selection.pcrs();
        return;
    }
}

Result<QuoteExpectation> expected_of(const QuoteCommand& command, ByteView attest) {
    QuoteExpectation out;
    if (auto parsed = TpmAttest::parse(attest)) expect_selected(*parsed, out);
    if (!command.nonce.empty()) {
        out.nonce = TRY(with_context(decode_hex(to_lower(command.nonce)), "--nonce"));
    }
    out.reset_count = command.resets;
    out.restart_count = command.restarts;
    return out;
}

// A certificate says whose the key is; a bare key does not.
Result<void> verify_chain(const QuoteCommand& command, const AkFile& ak, Time now,
                          Unchecked& unchecked, Checks& checks) {
    if (ak.certificate.empty()) return unchecked.leave_out(kAkChain, checks);
    auto verified =
        TRY(verify_ak_certificate(ak.certificate, ak.key, vendor_anchors(), now, checks));
    std::vector<crypto::Crl> lists = TRY(read_crls(command.crls));
    return check_path_revocation(verified.path(), lists, unchecked, now, checks);
}

struct Quoted {
    TpmAttest attest;
    Json pcrs;
};

Result<Quoted> verify_values(const QuoteCommand& command, const TpmSigningKey& key,
                             Unchecked& unchecked, Checks& checks) {
    Bytes attest = TRY(read_evidence(command.attest));
    Bytes signature = TRY(read_evidence(command.signature));
    QuoteExpectation expected = TRY(expected_of(command, attest));
    if (command.pcrs.empty()) {
        auto digest = TRY(verify_quote_digest(attest, signature, key, expected, checks));
        TRY(unchecked.leave_out(kPcrs, checks));
        return Quoted{digest.attest(), nullptr};
    }
    std::vector<PcrBank> values =
        TRY(with_context(parse_pcr_values(TRY(read_evidence(command.pcrs))), command.pcrs));
    VerifiedQuote quote = TRY(verify_quote(attest, signature, key, values, expected, checks));
    Json pcrs = Json::object();
    for (const PcrBank& bank : quote.banks()) {
        pcrs[std::string(tpm_hash_label(bank.hash))] = facts_of(bank);
    }
    return Quoted{quote.attest(), std::move(pcrs)};
}

Result<Verdict> verify_tpm_quote(const Context& context, const QuoteCommand& command,
                                 Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    Unchecked unchecked = TRY(read_unchecked("TPM-NOT-CHECKED", {kAkChain, kPcrs, kRevocation},
                                             command.options.allow_unchecked));
    AkFile ak = TRY(read_ak(command.ak));
    if (ak.area) TRY(check_ak_attributes(*ak.area, checks));
    Bytes signature = TRY(read_evidence(command.signature));
    TpmSigningKey key =
        ak.area ? TRY(ak.area->signing_key()) : TRY(signing_key_for(ak.key, signature));
    Quoted quoted = TRY(verify_values(command, key, unchecked, checks));
    TRY(verify_chain(command, ak, now, unchecked, checks));
    Json facts = facts_of(quoted.attest);
    if (!quoted.pcrs.is_null()) facts["pcrs"] = std::move(quoted.pcrs);
    facts["ak_attributes"] =
        ak.area ? facts_of(*ak.area)["attributes"] : Json("unknown: the file holds the key alone");
    return Verdict{"TPM quote by this key", unchecked.list(), std::move(facts)};
}

constexpr const char* kVerifyQuoteExamples = R"(Examples:
  tpm2_quote -c 0x81000003 -l sha256:0,1,2,3,4,5,6,7 -q 1234 -m quote.msg -s quote.sig
  tpm2_pcrread sha256 > pcrs.txt; tpm2_nvread 0x01C101D0 -o ak.der
  vouchsafe verify tpm-quote --attest quote.msg --signature quote.sig --ak ak.der --pcrs pcrs.txt --nonce 1234 \
      --crl intermediate.crl --crl root.crl
  tpm2_readpublic -c 0x81000003 -o ak.pub
  vouchsafe verify tpm-quote --attest quote.msg --signature quote.sig --ak ak.pub --pcrs pcrs.txt \
      --allow-unchecked ak-chain
A certificate says whose the key is. A public area says what the key may do: that it signs nothing but the
TPM's own statements; whose it is, verify hcl can say.)";

}  // namespace

void add_verify_quote(Command verify, Context& context) {
    auto quote = std::make_shared<QuoteCommand>();
    Command made = verify.add("tpm-quote", "a TPM's quote against its key and register values");
    made.examples(kVerifyQuoteExamples);
    made.option("--attest", quote->attest, "what was signed (TPMS_ATTEST)", "FILE").required();
    made.option("--signature", quote->signature, "TPMT_SIGNATURE, or the bare RSA value", "FILE")
        .required();
    made.option("--ak", quote->ak, "the key: certificate, public area, or PEM", "FILE").required();
    made.option("--pcrs", quote->pcrs, "the values: as tpm2_pcrread prints them, or bytes", "FILE");
    made.option("--nonce", quote->nonce, "the qualifying data there must be", "HEX");
    made.option("--reset-count", quote->resets, "how often the TPM must have been reset", "NUMBER");
    made.option("--restart-count", quote->restarts, "how often restarted or resumed since",
                "NUMBER");
    add_crl_option(made, quote->crls);
    add_verify_options(made, quote->options,
                       "accept that this is not checked: ak-chain, revocation, pcrs");
    made.run([&context, quote] {
        return run_verify(context, "tpm-quote", quote->options, [&](Checks& checks) {
            return verify_tpm_quote(context, *quote, checks);
        });
    });
}

}  // namespace vouchsafe::app
