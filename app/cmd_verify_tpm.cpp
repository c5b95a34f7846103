// verify tpm-quote, event-log, ak-cert: what a TPM and its firmware say.
#include "app/cmd_verify.h"
#include "app/evidence_files.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/ak_cert.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"
#include "vouchsafe/evidence/tpm/quote.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct QuoteCommand {
    std::string attest, signature, ak, pcrs, nonce;
};

struct LogCommand {
    VerifyOptions options;
    std::string log, pcrs;
};

struct AkCertCommand {
    VerifyOptions options;
    std::string cert, chain;
};

Result<std::vector<PcrBank>> read_pcrs(const std::string& file) {
    return with_context(parse_pcr_values(TRY(read_evidence(file))), file);
}

Json banks_json(std::span<const PcrBank> banks) {
    Json out = Json::object();
    for (const PcrBank& bank : banks) out[std::string(tpm_hash_label(bank.hash))] = facts_of(bank);
    return out;
}

// Which registers, of which bank, a quote must cover: those it selects itself, and at least one.
QuoteExpectation expected_of(const TpmAttest& attest) {
    QuoteExpectation out;
    for (const PcrBankSelection& selection : attest.pcr_selection) {
        auto hash = hash_from_tpm_alg(selection.hash_alg);
        if (!hash || selection.pcrs().empty()) continue;
        out.required_bank = *hash;
        out.required_pcrs = selection.pcrs();
        return out;
    }
    return out;
}

Result<Verdict> verify_tpm_quote(const QuoteCommand& command, Checks& checks) {
    Bytes attest = TRY(read_evidence(command.attest));
    Bytes signature = TRY(read_evidence(command.signature));
    AkFile ak = TRY(read_ak(command.ak));
    std::vector<PcrBank> values = TRY(read_pcrs(command.pcrs));
    if (ak.area) TRY(check_ak_attributes(*ak.area, checks));
    TpmSigningKey key =
        ak.area ? TRY(ak.area->signing_key()) : TRY(signing_key_for(ak.key, signature));
    QuoteExpectation expected;
    if (auto parsed = TpmAttest::parse(attest)) expected = expected_of(*parsed);
    if (!command.nonce.empty()) {
        expected.nonce = TRY(with_context(decode_hex(to_lower(command.nonce)), "--nonce"));
    }
    VerifiedQuote quote = TRY(verify_quote(attest, signature, key, values, expected, checks));
    Json facts = facts_of(quote.attest());
    facts["pcrs"] = banks_json(quote.banks());
    facts["ak_attributes"] =
        ak.area ? facts_of(*ak.area)["attributes"] : Json("unknown: the file holds the key alone");
    return Verdict{"TPM quote by this key", {}, std::move(facts)};
}

Result<Verdict> verify_log(const LogCommand& command, Checks& checks) {
    EventLog log = TRY(EventLog::parse(TRY(read_evidence(command.log)), checks));
    std::vector<PcrBank> values = TRY(read_pcrs(command.pcrs));
    std::optional<ReplayedLog> replayed;
    for (const PcrBank& bank : values) {
        bool in_log = std::ranges::count(log.banks(), tpm_alg_from_hash(bank.hash)) != 0;
        if (in_log) replayed = TRY(verify_event_log(log, bank, checks));
    }
    if (!replayed) replayed = TRY(verify_event_log(log, values.front(), checks));
    BootFacts boot = TRY(read_boot_facts(*replayed, checks));
    Json facts = facts_of(boot);
    facts["events"] = log.events().size();
    Json confirmed = Json::array();
    for (const auto& [pcr, value] : replayed->confirmed_pcrs()) confirmed.push_back(pcr);
    facts["confirmed_pcrs"] = confirmed;
    return Verdict{"event log: it gives these registers", {}, std::move(facts)};
}

Result<Verdict> verify_ak_cert(const Context& context, const AkCertCommand& command,
                               Checks& checks) {
    Time now = TRY(judged_at(context, command.options));
    Bytes bytes = TRY(read_evidence(command.cert));
    if (!command.chain.empty()) {
        std::string pem = as_text(bytes).find("-----BEGIN") == std::string_view::npos
                              ? TRY(crypto::Certificate::parse_der_prefix(bytes)).pem()
                              : to_text(bytes);
        bytes = to_bytes(pem + "\n" + to_text(TRY(read_evidence(command.chain))));
    }
    AkFile ak = TRY(read_ak(command.cert));
    auto verified = TRY(verify_ak_certificate(bytes, ak.key, vendor_anchors(), now, checks));
    return Verdict{
        fmt::format("certificate of an attestation key ({})", tier_name(verified.tier())),
        {},
        facts_of(verified.certificate())};
}

constexpr const char* kQuoteExamples = R"(Examples:
  tpm2_quote -c 0x81000003 -l sha256:0,1,2,3,4,5,6,7 -q 1234 -m quote.msg -s quote.sig
  tpm2_pcrread sha256 > pcrs.txt; tpm2_readpublic -c 0x81000003 -o ak.pub
  vouchsafe verify tpm-quote --attest quote.msg --signature quote.sig --ak ak.pub --pcrs pcrs.txt --nonce 1234
The key is taken at its word: verify ak-cert or verify hcl says whose it is. Only a public area
(tpm2_readpublic -o), not a PEM file, lets it be checked that the key signs nothing but the TPM's own
statements.)";

constexpr const char* kLogExamples = R"(Example:
  tpm2_pcrread > pcrs.txt
  vouchsafe verify event-log --log /sys/kernel/security/tpm0/binary_bios_measurements --pcrs pcrs.txt
A log is a claim: only what the registers confirm is told.)";

constexpr const char* kAkExamples = R"(Example:
  tpm2_nvread 0x01C101D0 -o ak.der; vouchsafe verify ak-cert --cert ak.der
The roots are Microsoft's for Azure's virtual TPMs; they and the known intermediates are built in.)";

}  // namespace

void add_verify_tpm(Command verify, Context& context) {
    auto quote = std::make_shared<QuoteCommand>();
    Command made = verify.add("tpm-quote", "a TPM's quote against its key and register values");
    made.examples(kQuoteExamples);
    made.option("--attest", quote->attest, "what was signed (TPMS_ATTEST)", "FILE").required();
    made.option("--signature", quote->signature, "TPMT_SIGNATURE, or the bare RSA value", "FILE")
        .required();
    made.option("--ak", quote->ak, "the key: public area, PEM, or certificate", "FILE").required();
    made.option("--pcrs", quote->pcrs, "the values: as tpm2_pcrread prints them, or bytes", "FILE")
        .required();
    made.option("--nonce", quote->nonce, "the qualifying data there must be", "HEX");
    made.run([&context, quote] {
        return run_verify(context, "tpm-quote",
                          [&](Checks& checks) { return verify_tpm_quote(*quote, checks); });
    });

    auto log = std::make_shared<LogCommand>();
    made = verify.add("event-log", "a firmware's event log against register values");
    made.examples(kLogExamples);
    made.option("--log", log->log, "the log", "FILE").required();
    made.option("--pcrs", log->pcrs, "the values: as tpm2_pcrread prints them, or bytes", "FILE")
        .required();
    made.run([&context, log] {
        return run_verify(context, "event-log",
                          [&](Checks& checks) { return verify_log(*log, checks); });
    });

    auto cert = std::make_shared<AkCertCommand>();
    made = verify.add("ak-cert", "the certificate of an attestation key");
    made.examples(kAkExamples);
    made.option("--cert", cert->cert, "DER as in NV index 0x01C101D0, or PEM", "FILE").required();
    made.option("--chain", cert->chain, "its issuers as PEM, if they are not built in", "FILE");
    add_verify_options(made, cert->options);
    made.run([&context, cert] {
        return run_verify(context, "ak-cert",
                          [&](Checks& checks) { return verify_ak_cert(context, *cert, checks); });
    });
}

}  // namespace vouchsafe::app
