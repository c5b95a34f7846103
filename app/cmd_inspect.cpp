// inspect: what a file is and what it says. It verifies nothing.
#include "app/evidence_files.h"
#include "app/show.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/cose.h"
#include "vouchsafe/evidence/boot/ccel.h"
#include "vouchsafe/evidence/boot/ima.h"
#include "vouchsafe/evidence/bundle.h"
#include "vouchsafe/evidence/facts.h"
#include "vouchsafe/evidence/tpm/pcr_values.h"
#include "vouchsafe/jose/jws.h"
#include "vouchsafe/seal/header.h"
#include "vouchsafe/seal/source.h"

namespace vouchsafe::app {

namespace {

using namespace evidence;

struct Inspected {
    std::string kind;      // for programs: "snp-report"
    std::string sentence;  // for people
    Json facts;
};

// Each reader returns nullopt for what is something else.
using Reading = std::optional<Inspected> (*)(ByteView bytes);

std::optional<Inspected> read_hcl(ByteView bytes) {
    auto report = HclReport::parse(bytes);
    if (!report) return std::nullopt;
    Json facts = facts_of(*report);
    Checks checks;
    if (auto claims = RuntimeClaims::parse(report->runtime_data, checks)) {
        facts["runtime"] = facts_of(*claims);
    }
    if (auto snp = SnpReport::parse(report->hardware_report)) {
        facts["snp"] = facts_of(*snp, snp->product());
    }
    return Inspected{"hcl-report", "Azure's HCL report: a hardware report and claims bound to it",
                     std::move(facts)};
}

std::optional<Inspected> read_snp(ByteView bytes) {
    auto report = SnpReport::parse(bytes);
    if (!report) return std::nullopt;
    return Inspected{"snp-report", "an AMD SEV-SNP attestation report",
                     facts_of(*report, report->product())};
}

std::optional<Inspected> read_tdx(ByteView bytes) {
    auto quote = TdxQuote::parse(bytes);
    if (!quote) return std::nullopt;
    return Inspected{"tdx-quote", "a quote of an Intel trust domain", facts_of(*quote)};
}

// An enclave's quote is named, so that nobody takes it for a confidential VM's.
std::optional<Inspected> read_sgx(ByteView bytes) {
    auto quote = SgxQuote::parse(bytes);
    if (!quote) return std::nullopt;
    return Inspected{"sgx-quote", "a quote of an SGX enclave, which is no confidential VM",
                     facts_of(*quote)};
}

std::optional<Inspected> read_attest(ByteView bytes) {
    auto attest = TpmAttest::parse(bytes);
    if (!attest || attest->magic != kTpmGenerated) return std::nullopt;
    bool quote = attest->type == kTpmStAttestQuote;
    return Inspected{"tpm-attest",
                     quote ? "a TPM's quote over its registers" : "a statement of a TPM",
                     facts_of(*attest)};
}

std::optional<Inspected> read_public_area(ByteView bytes) {
    auto area = TpmPublic::parse(bytes);
    if (!area) area = TpmPublic::parse_area(bytes);
    if (!area) return std::nullopt;
    return Inspected{"tpm-public", "the public area of a TPM's key", facts_of(*area)};
}

std::optional<Inspected> read_log(ByteView bytes) {
    auto log = EventLog::parse(bytes);
    if (!log || log->events().empty()) return std::nullopt;
    return Inspected{"event-log", "a firmware's event log", facts_of(*log)};
}

std::optional<Inspected> read_td_log(ByteView bytes) {
    auto log = TdEventLog::parse(bytes);
    if (!log || log->events().empty()) return std::nullopt;
    return Inspected{"td-event-log", "the event log of an Intel trust domain", facts_of(*log)};
}

std::optional<Inspected> read_ima(ByteView bytes) {
    auto list = ImaList::parse(bytes);
    if (!list) return std::nullopt;
    return Inspected{"ima-list", "what a Linux kernel measured (IMA)", facts_of(*list)};
}

std::string label_of(const Cbor& key) {
    if (auto text = key.to_text()) return std::string(*text);
    return key.to_integer() ? fmt::format("{}", *key.to_integer()) : "other";
}

Json cbor_json(const Cbor& value) {
    switch (value.kind) {
        case Cbor::Kind::unsigned_integer:
            return value.number;
        case Cbor::Kind::negative_integer:
            return value.to_integer() ? Json(*value.to_integer()) : Json("beyond 64 bits");
        case Cbor::Kind::bytes:
            return encode_hex(value.string);
        case Cbor::Kind::text:
            return *value.to_text();
        case Cbor::Kind::boolean:
            return value.number == 1;
        case Cbor::Kind::tag:
            return cbor_json(value.items[0]);
        case Cbor::Kind::null:
        case Cbor::Kind::undefined:
            return nullptr;
        case Cbor::Kind::array: {
            Json out = Json::array();
            for (const Cbor& item : value.items) out.push_back(cbor_json(item));
            return out;
        }
        case Cbor::Kind::map: {
            Json out = Json::object();
            for (size_t i = 0; i + 1 < value.items.size(); i += 2) {
                out[label_of(value.items[i])] = cbor_json(value.items[i + 1]);
            }
            return out;
        }
    }
    return nullptr;
}

std::optional<Inspected> read_cose(ByteView bytes) {
    auto message = crypto::parse_cose_sign1(bytes);
    if (!message) return std::nullopt;
    Json header = cbor_json(message->header);
    header.erase(fmt::format("{}", crypto::kCoseX5chain));  // shown as certificates
    Json chain = Json::array();
    for (const crypto::Certificate& certificate : message->chain) {
        chain.push_back(facts_of(certificate));
    }
    auto payload = parse_json(as_text(message->payload));
    return Inspected{"cose-sign1", "a signed statement (COSE_Sign1)",
                     Json{{"header", std::move(header)},
                          {"unprotected", cbor_json(message->unprotected)},
                          {"certificates", std::move(chain)},
                          {"payload", payload ? *payload : Json(encode_hex(message->payload))}}};
}

std::optional<Inspected> read_sealed(ByteView bytes) {
    Checks checks;
    auto header =
        seal::parse_header(bytes.first(std::min(bytes.size(), seal::kMaxHeaderSize)), checks);
    if (!header) return std::nullopt;
    Json keys = Json::array();
    for (const seal::DataKey& key : header->keys) {
        keys.push_back({{"provider", show_json(key.provider)}, {"key", show_json(key.info)}});
    }
    return Inspected{"sealed-file", "a sealed file",
                     Json{{"message_id", encode_hex(header->message_id)},
                          {"frame_length", header->frame_length},
                          {"context", header->context},
                          {"wrapped_for", keys}}};
}

std::optional<Inspected> read_certificates(ByteView bytes) {
    auto chain = crypto::Certificate::parse_pem_bundle(as_text(bytes));
    if (!chain) {
        auto single = crypto::Certificate::parse_der_prefix(bytes);
        if (!single) return std::nullopt;
        return Inspected{"certificate", "a certificate", facts_of(*single)};
    }
    Json list = Json::array();
    for (const crypto::Certificate& certificate : *chain) list.push_back(facts_of(certificate));
    if (list.size() == 1) return Inspected{"certificate", "a certificate", list[0]};
    return Inspected{"certificates", fmt::format("{} certificates", list.size()),
                     Json{{"certificates", list}}};
}

std::optional<Inspected> read_token(ByteView bytes) {
    std::string_view text = as_text(bytes);
    while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
    auto jws = jose::parse_jws(text);
    if (!jws) return std::nullopt;
    Json facts{{"header", jws->header}};
    auto payload = parse_json(as_text(jws->payload));
    facts["payload"] = payload ? *payload : Json(encode_hex(jws->payload));
    return Inspected{"token", "a signed token (JWS)", std::move(facts)};
}

std::optional<Inspected> read_pcrs(ByteView bytes) {
    auto banks = parse_pcr_values(bytes);
    if (!banks) return std::nullopt;
    Json facts = Json::object();
    for (const PcrBank& bank : *banks) {
        facts[std::string(tpm_hash_label(bank.hash))] = facts_of(bank);
    }
    return Inspected{"pcr-values", "values of TPM registers", std::move(facts)};
}

std::optional<Inspected> read_bundle(ByteView bytes) {
    auto bundle = Bundle::parse(as_text(bytes));
    if (!bundle) return std::nullopt;
    Json files = Json::object();
    for (const auto& [option, list] : bundle->files) {
        for (const BundleFile& file : list) {
            files[option].push_back({{"name", file.name}, {"size", file.bytes.size()}});
        }
    }
    return Inspected{"bundle", "evidence with a verdict somebody gave on it",
                     Json{{"made_by", bundle->made_by},
                          {"kind", bundle->kind},
                          {"time", format_rfc3339(bundle->time)},
                          {"rules", bundle->rules},
                          {"files", files},
                          {"verdict", bundle->verdict}}};
}

std::optional<Inspected> read_json(ByteView bytes) {
    auto document = parse_json_object(as_text(bytes));
    if (!document) return std::nullopt;
    bool keys = document->contains("keys");
    return Inspected{keys ? "jwks" : "json", keys ? "a set of public keys (JWKS)" : "JSON",
                     std::move(*document)};
}

// In this order: the first that can read it wins, so the forms with the plainest marks come first.
constexpr Reading kReadings[] = {read_hcl,          read_snp,    read_tdx,         read_sgx,
                                 read_attest,       read_sealed, read_log,         read_td_log,
                                 read_ima,          read_cose,   read_bundle,      read_json,
                                 read_certificates, read_token,  read_public_area, read_pcrs};

// inspect_bytes goes through the readings. Of a file that is longer than evidence can be the
// beginning is read, and only a sealed file is known by that.
std::optional<Inspected> inspect_bytes(ByteView bytes) {
    if (bytes.size() > kMaxEvidence) return read_sealed(bytes);
    for (Reading reading : kReadings) {
        if (auto found = reading(bytes)) return found;
    }
    return std::nullopt;
}

Result<int> run_inspect(const Context& context, const std::string& file) {
    auto source = seal::FileSource::open(file);
    if (!source) return fail(Code::invalid, "{}", source.error().message);
    Bytes scratch(kMaxEvidence + 1);
    ByteView bytes = TRY((*source)->read_at(0, scratch.size(), scratch));
    if (auto found = inspect_bytes(bytes)) {
        if (context.json) {
            write_out(dump_json(Json{{"schema", "vouchsafe-inspect/1"},
                                     {"kind", found->kind},
                                     {"verified", false},
                                     {"facts", found->facts}}) +
                      "\n");
            return 0;
        }
        write_out(fmt::format("{}: {} (nothing of it was verified)\n{}\n", file, found->sentence,
                              dump_json_pretty(found->facts)));
        return 0;
    }
    return fail(Code::invalid, "{} is nothing that is known here", file);
}

constexpr const char* kInspectExamples = R"(Examples:
  vouchsafe inspect report.bin
  vouchsafe inspect token.jwt --json | jq .facts.payload
Reads SEV-SNP and HCL reports, TD and SGX quotes, TPM quotes, public areas and register values, event logs of firmware,
trust domains and kernels (IMA), certificates, tokens and key sets, COSE statements, bundles and sealed files. It says what a file claims, never that it is true: that is verify.)";

}  // namespace

void add_inspect(Command app, Context& context) {
    auto file = std::make_shared<std::string>();
    Command inspect = app.add("inspect", "what a file of evidence is, and every field of it");
    inspect.examples(kInspectExamples);
    inspect.argument("FILE", *file, "any piece of evidence; '-' is stdin");
    inspect.run([&context, file] { return run_inspect(context, *file); });
}

}  // namespace vouchsafe::app
