// reference: sets of reference values: made, checked, signed, and kept in a data directory.
#include <set>

#include "app/recorded_evidence.h"
#include "app/service_store.h"
#include "app/show.h"
#include "app/verdict.h"
#include "vouchsafe/attest/reference/match.h"
#include "vouchsafe/attest/reference/reference_administration.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/services.h"

namespace vouchsafe::app {

namespace {

using attest::ReferenceDocument;
using attest::ReferenceSet;

constexpr Seconds kReferenceEndsSoon{14 * 86400};  // time enough to make the next version

struct ReferenceCommand {
    std::string store;
    std::string file, name, dir, issuer{lab::kAttestationUrl}, key, certificate, until, removal;
    unsigned version = 1;
    std::string wanted_version;
    std::vector<std::string> pcrs, events;
    RecordedEvidence evidence;
};

Result<ReferenceDocument> read_reference(const std::string& file) {
    std::string text = to_text(TRY(read_evidence(file)));
    return with_context(ReferenceDocument::read(text), file);
}

// weaknesses are what a set hardly means, in sentences.
std::vector<std::string> weaknesses(const ReferenceSet& set, Time now) {
    std::vector<std::string> out;
    if (set.removes) return out;
    if (now > set.not_after) {
        out.push_back(
            fmt::format("ended at {}: it matches nothing", format_rfc3339(set.not_after)));
    } else if (now + kReferenceEndsSoon > set.not_after) {
        out.push_back(fmt::format("ends soon, at {}", format_rfc3339(set.not_after)));
    }
    const attest::ReferenceValues& values = set.values;
    if (values.digests.empty() && values.pcrs.empty() && values.events.empty()) {
        out.emplace_back("has no digest: whatever runs on such a platform matches");
    }
    bool any_of_signer =
        values.digests.contains("sgx.mrsigner") && !values.digests.contains("sgx.mrenclave") &&
        !(values.numbers.contains("sgx.product-id") && values.numbers.contains("sgx.svn"));
    if (any_of_signer) {
        out.emplace_back(
            "has sgx.mrsigner without sgx.product-id and sgx.svn: every enclave that the signer "
            "ever made matches, with all its holes");
    }
    for (const auto& [path, range] : values.numbers) {
        if (range == attest::NumberRange{}) out.push_back(fmt::format("{} allows all", path));
    }
    return out;
}

Result<int> run_reference_lint(const Context& context, const ReferenceCommand& command) {
    ReferenceDocument document = TRY(read_reference(command.file));
    std::vector<std::string> found = weaknesses(document.set, context.clock.now());
    if (context.json) {
        write_out(dump_json({{"warnings", found}}) + "\n");
    } else {
        for (const std::string& one : found) write_out(one + "\n");
        if (found.empty()) write_out("nothing to warn of\n");
    }
    return found.empty() ? 0 : 1;
}

Result<int> run_reference_test(const Context& context, const ReferenceCommand& command) {
    ReferenceDocument document = TRY(read_reference(command.file));
    AppraisedEvidence evidence = TRY(appraise_recorded(context, command.evidence));
    if (!document.set.applies_to(evidence.target)) {
        return fail(Code::invalid, "{} is not for evidence of kind {}", command.file,
                    policy::target_name(evidence.target));
    }
    attest::ReferenceFindings findings;
    findings.add(document.set,
                 attest::compare(document.set, evidence.appraisal.measured, evidence.now));
    if (context.json) {
        write_out(dump_json(findings.to_json()) + "\n");
    } else {
        for (const std::string& line : findings.lines()) write_out(line + "\n");
    }
    return findings.matched.empty() ? 1 : 0;
}

Result<std::vector<uint32_t>> read_registers(const std::vector<std::string>& texts) {
    std::vector<uint32_t> out;
    for (const std::string& text : texts) {
        bool digits = !text.empty() && text.size() <= 2 &&
                      text.find_first_not_of("0123456789") == std::string::npos;
        if (!digits || std::stoul(text) >= attest::kReferenceRegisters) {
            return fail(Code::invalid, "'{}' is no register from 0 to {}", text,
                        attest::kReferenceRegisters - 1);
        }
        out.push_back(static_cast<uint32_t>(std::stoul(text)));
    }
    return out;
}

// choose_registers leaves of the registers those that are wanted, and adds events.
Result<void> choose_registers(const ReferenceCommand& command, const attest::Measured& measured,
                              attest::ReferenceValues& values) {
    auto events = TRY(read_registers(command.events));
    auto pcrs = TRY(read_registers(command.pcrs));
    auto all = std::exchange(values.pcrs, {});
    if (pcrs.empty() && events.empty()) values.pcrs = all;
    for (uint32_t pcr : pcrs) {
        auto found = all.find(pcr);
        if (found == all.end()) return fail(Code::invalid, "the quote has no register {}", pcr);
        values.pcrs.insert(*found);
    }
    for (uint32_t pcr : events) {
        auto found = measured.events.find(pcr);
        if (found == measured.events.end() || found->second.empty()) {
            return fail(Code::invalid, "no event of register {} is confirmed by a log", pcr);
        }
        std::set<Bytes> each(found->second.begin(), found->second.end());
        values.events[pcr] = {each.begin(), each.end()};
    }
    return {};
}

Result<int> run_from_evidence(const Context& context, const ReferenceCommand& command) {
    AppraisedEvidence evidence = TRY(appraise_recorded(context, command.evidence));
    ReferenceSet set;
    set.name = command.name;
    set.version = command.version;
    set.not_after = TRY(with_context(parse_rfc3339(command.until), "--until"));
    set.evidence = {evidence.target};
    set.values = attest::reference_values_of(evidence.appraisal.measured);
    TRY(choose_registers(command, evidence.appraisal.measured, set.values));
    std::string text = dump_json_pretty(set.to_json());
    TRY(ReferenceSet::parse(text));  // a name of our caller's, and numbers of the evidence's
    write_out(text + "\n");
    return 0;
}

Result<int> run_reference_sign(const ReferenceCommand& command) {
    std::string text = to_text(TRY(read_evidence(command.file)));
    TRY(with_context(ReferenceSet::parse(text), command.file));
    std::string pem = TRY(as_named(read_text_file(command.certificate)));
    auto chain = TRY(with_context(crypto::Certificate::parse_pem_bundle(pem), command.certificate));
    Bytes secret = TRY(as_named(read_file(command.key, 64 << 10)));
    auto key = crypto::PrivateKey::from_pem(secret);
    wipe(secret);
    auto signer = TRY(with_context(std::move(key), command.key));
    write_out(TRY(attest::sign_document(as_bytes(text), signer, chain)) + "\n");
    return 0;
}

// KeptSets is the store of a data directory's attestation service.
struct KeptSets {
    std::unique_ptr<store::Store> store;
    attest::OperatorDesk desk;
};

Result<KeptSets> open_sets(const Context& context, const ReferenceCommand& command) {
    Path dir = command.dir.empty() ? lab::default_lab_path() : Path(command.dir);
    TRY(lab::DataDirectory::open(dir));
    auto store = TRY(open_or_make(TRY(store_place(dir, "attestation", command.store))));
    attest::OperatorDesk desk{*store, command.issuer, context.clock.now()};
    return KeptSets{std::move(store), std::move(desk)};
}

Result<int> run_reference_set(const Context& context, const ReferenceCommand& command) {
    ReferenceDocument document = TRY(read_reference(command.file));
    if (document.set.removes) {
        return fail(Code::invalid, "{} is a removal: vouchsafe reference remove --signed takes it",
                    command.file);
    }
    KeptSets sets = TRY(open_sets(context, command));
    auto change = TRY(attest::change_as_operator(sets.desk, document));
    Json told = {{"name", document.set.name}, {"version", document.set.version}};
    if (change.old_version) told["old-version"] = *change.old_version;
    std::string before =
        change.old_version ? fmt::format(", after version {}", *change.old_version) : "";
    write_out(context.json ? dump_json(told) + "\n"
                           : fmt::format("{} version {} is kept{}\n", document.set.name,
                                         document.set.version, before));
    return 0;
}

Result<int> run_reference_remove(const Context& context, const ReferenceCommand& command) {
    KeptSets sets = TRY(open_sets(context, command));
    uint64_t version = 0;
    if (command.removal.empty()) {
        version = TRY(attest::remove_as_operator(sets.desk, command.name));
    } else {
        ReferenceDocument document = TRY(read_reference(command.removal));
        if (!document.set.removes || document.set.name != command.name) {
            return fail(Code::invalid, "{} is no removal of {}", command.removal, command.name);
        }
        TRY(attest::change_as_operator(sets.desk, document));
        version = document.set.version;
    }
    Json told = {{"name", command.name}, {"version", version}, {"removed", true}};
    write_out(context.json ? dump_json(told) + "\n"
                           : fmt::format("{} is removed by version {}\n", command.name, version));
    return 0;
}

Result<int> run_reference_list(const Context& context, const ReferenceCommand& command) {
    KeptSets sets = TRY(open_sets(context, command));
    attest::ReferenceBook book(*sets.store, command.issuer);
    Json list = Json::array();
    std::string text;
    TRY(sets.store->read([&](store::View& view) -> Result<void> {
        for (const auto& one : TRY(book.highest(view))) {
            Json told = attest::describe_reference(one, sets.desk.now);
            text += fmt::format("{:<24} {:>6}  {:<9} {}  by {}\n", one.document.set.name,
                                one.document.set.version, told.value("status", "removed"),
                                format_rfc3339(one.when), one.actor);
            list.push_back(std::move(told));
        }
        return {};
    }));
    if (text.empty()) text = "there are no reference values\n";
    write_out(context.json ? dump_json(list) + "\n" : text);
    return 0;
}

Result<int> run_reference_show(const Context& context, const ReferenceCommand& command) {
    KeptSets sets = TRY(open_sets(context, command));
    attest::ReferenceBook book(*sets.store, command.issuer);
    std::optional<uint64_t> version;
    if (!command.wanted_version.empty()) {
        auto number = parse_json(command.wanted_version);
        if (!number || !number->is_number_unsigned()) {
            return fail(Code::invalid, "--version is a number");
        }
        version = number->get<uint64_t>();
    }
    Json told;
    TRY(sets.store->read([&](store::View& view) -> Result<void> {
        auto stored = TRY(book.find(view, command.name, version));
        told = attest::describe_reference(stored, sets.desk.now);
        told["document"] = TRY(parse_json(as_text(stored.document.signed_document.payload)));
        told["jws"] = stored.document.signed_document.jws;
        return {};
    }));
    // The document alone is what one edits and sends again.
    write_out(context.json ? dump_json(told) + "\n" : dump_json_pretty(told["document"]) + "\n");
    return 0;
}

constexpr const char* kReferenceExamples = R"(Examples:
  vouchsafe reference from-evidence --type AzureGuest --evidence evidence.json --dir DIR \
      --name prod --until 2027-01-01 --pcr 7 --events 4 > prod.json
  vouchsafe reference lint prod.json
  vouchsafe reference test prod.json --type AzureGuest --evidence other.json --dir DIR
  vouchsafe reference sign prod.json --key signer.key --certificate signer.pem > prod.jws
  vouchsafe reference set prod.jws --dir DIR
A policy then says [type=="x-vouchsafe-reference-values", value=="prod"] => permit();
The format is described in docs/formats/reference-values.md.)";

constexpr const char* kFromEvidenceExamples = R"(Examples:
  vouchsafe attest --evidence > evidence.json          in a machine that is known to be good
  vouchsafe reference from-evidence --type AzureGuest --evidence evidence.json \
      --name prod --until 2027-01-01 > prod.json
The evidence is verified first. The set is as strict as can be: every digest and register alone, every
SVN as a minimum. Take out what may differ, and add digests that are as good.)";

constexpr const char* kReferenceTestExamples = R"(Examples:
  vouchsafe reference test prod.json --type AzureGuest --evidence evidence.json --dir DIR
Exit code 0: all match; 1: the evidence is refused, or something does not match, which is told.)";

constexpr const char* kReferenceSetExamples = R"(Examples:
  vouchsafe reference set prod.json --dir /var/lib/vouchsafe --issuer https://attest.example.org
  vouchsafe reference set prod.jws --dir DIR      if the service has policy signing certificates
A running service takes it up with the next request. Over HTTP: PUT /reference-values/NAME.)";

void add_kept(Command made, ReferenceCommand& command) {
    made.option("--dir", command.dir, "data directory (default: the lab in the user's data folder)",
                "DIR");
    made.option("--issuer", command.issuer, "the service's name in tokens", "URL");
    add_store_option(made, command.store);
}

void add_making(Command group, Context& context, const std::shared_ptr<ReferenceCommand>& command) {
    Command from = group.add("from-evidence", "make a set of the evidence of a good machine");
    from.examples(kFromEvidenceExamples);
    add_recorded_evidence(from, command->evidence);
    from.option("--name", command->name, "of the set", "NAME").required();
    from.option("--version", command->version, "of the set", "N");
    from.option("--until", command->until, "end of its validity", "RFC3339").required();
    from.option("--pcr", command->pcrs,
                "take this register (repeat; default without --events: all)", "N");
    from.option("--events", command->events,
                "allow the events of this register in any order, not its value (repeat)", "N");
    from.run([&context, command] { return run_from_evidence(context, *command); });

    Command lint = group.add("lint", "warn of what a set hardly means");
    lint.argument("FILE", command->file, "JSON, or the JWS it is sent in; '-' is stdin");
    lint.run([&context, command] { return run_reference_lint(context, *command); });

    Command test = group.add("test", "compare recorded evidence with a set");
    test.examples(kReferenceTestExamples);
    test.argument("FILE", command->file, "JSON, or the JWS it is sent in");
    add_recorded_evidence(test, command->evidence);
    test.run([&context, command] { return run_reference_test(context, *command); });

    Command sign = group.add("sign", "sign a set, or a removal, as a policy signer");
    sign.argument("FILE", command->file, "JSON; '-' is stdin");
    sign.option("--key", command->key, "PEM private key", "FILE").required();
    sign.option("--certificate", command->certificate, "PEM chain of the key, leaf first", "FILE")
        .required();
    sign.run([command] { return run_reference_sign(*command); });
}

}  // namespace

void add_reference(Command app, Context& context) {
    auto command = std::make_shared<ReferenceCommand>();
    Command group = app.add("reference", "reference values: what good machines look like");
    group.examples(kReferenceExamples);
    add_making(group, context, command);

    Command set = group.add("set", "keep a set, or a new version of it");
    set.examples(kReferenceSetExamples);
    set.argument("FILE", command->file, "JSON, or the JWS it is sent in; '-' is stdin");
    add_kept(set, *command);
    set.run([&context, command] { return run_reference_set(context, *command); });

    Command list = group.add("list", "all sets, also removed ones");
    add_kept(list, *command);
    list.run([&context, command] { return run_reference_list(context, *command); });

    Command show = group.add("show", "the document of a set");
    show.argument("NAME", command->name, "of the set");
    show.option("--version", command->wanted_version, "an older one", "N");
    add_kept(show, *command);
    show.run([&context, command] { return run_reference_show(context, *command); });

    Command remove = group.add("remove", "take a set out of force; its versions stay");
    remove.argument("NAME", command->name, "of the set");
    remove.option("--signed", command->removal, "the removal, signed, if signers are demanded",
                  "FILE");
    add_kept(remove, *command);
    remove.run([&context, command] { return run_reference_remove(context, *command); });
}

}  // namespace vouchsafe::app
