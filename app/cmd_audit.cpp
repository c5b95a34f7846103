// audit: what a service's tamper-evident log says.

#include "app/evidence_files.h"
#include "app/service_store.h"
#include "app/show.h"
#include "vouchsafe/attest/receipt.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::app {

namespace {

struct AuditCommand {
    std::string dir;
    std::string service = "vault";
    std::string request_id;
    std::vector<std::string> receipts;
    std::string jwks;
    std::string store;
};

Result<std::unique_ptr<store::Store>> open_store(const AuditCommand& command) {
    Path dir = command.dir.empty() ? lab::default_lab_path() : Path(command.dir);
    TRY(lab::DataDirectory::open(dir));
    StorePlace place = TRY(store_place(dir, command.service, command.store));
    if (!exists(place)) {
        return fail(Code::not_found, "{} has no log yet", place.folder.string());
    }
    return open_or_make(place);
}

std::string entry_text(const audit::StoredEntry& stored, bool color) {
    const audit::Entry& entry = stored.entry;
    bool allowed = entry.outcome == audit::Outcome::allowed;
    std::string out = fmt::format("{:>6}  {}  {}  {} {}\n        by {}  request {}\n", stored.index,
                                  format_rfc3339(entry.time),
                                  styled(fmt::format("{:<7}", audit::outcome_name(entry.outcome)),
                                         allowed ? Style::good : Style::bad, color),
                                  entry.action, entry.resource,
                                  entry.actor.empty() ? "unknown" : entry.actor, entry.request_id);
    if (!entry.reason.empty()) out += fmt::format("        {}\n", entry.reason);
    return out;
}

Json entry_json(const audit::StoredEntry& stored) {
    Json json = MUST(parse_json(as_text(stored.entry.encode())));
    json["index"] = stored.index;
    return json;
}

void show(const Context& context, const AuditCommand& command, const audit::StoredEntry& stored) {
    if (context.json) {
        write_out(dump_json(entry_json(stored)) + "\n");
        return;
    }
    write_out(entry_text(stored, context.color_out));
    bool whole = !command.request_id.empty() || context.verbose;
    if (!whole) return;
    write_out(describe_checks(stored.entry.checks, "        ", context.color_out));
    if (!stored.entry.checks.empty() && !stored.entry.checks.back().passed) {
        write_out(describe_refusal(stored.entry.checks.back(), "          ", context.color_out));
    }
    for (const char* name : {"policy", "reference-values"}) {
        const Json* told = find_member(stored.entry.details, name);
        const Json* lines = told != nullptr ? find_member(*told, "lines") : nullptr;
        for (const Json& line : lines != nullptr ? *lines : Json::array()) {
            write_out("          " + printable(line.get<std::string>()) + "\n");
        }
    }
}

Result<int> run_show(const Context& context, const AuditCommand& command) {
    auto store = TRY(open_store(command));
    audit::Log log(*store);
    if (!command.request_id.empty()) {
        auto entries = TRY(log.find(command.request_id));
        if (entries.empty()) {
            return fail(Code::not_found, "the {}'s log has no request {}", command.service,
                        command.request_id);
        }
        for (const auto& stored : entries) show(context, command, stored);
        return 0;
    }
    uint64_t next = 0;
    while (true) {
        auto entries = TRY(log.entries(next, audit::kMaxPage));
        if (entries.empty()) return 0;
        for (const auto& stored : entries) show(context, command, stored);
        next += entries.size();
    }
}

// Only what the service signed can be held against its log.
Result<std::vector<attest::VerifiedReceipt>> read_receipts(const Context& context,
                                                           const AuditCommand& command,
                                                           Checks& checks) {
    std::vector<attest::VerifiedReceipt> out;
    if (command.receipts.empty() != command.jwks.empty()) {
        return fail(Code::invalid, "--receipt and --jwks go together");
    }
    if (command.receipts.empty()) return out;
    if (command.service != "attestation") {
        return fail(Code::invalid,
                    "receipts are of the attestation service: --service attestation");
    }
    jose::JwkSet keys = TRY(read_key_set(command.jwks));
    attest::ReceiptRules rules;
    rules.now = context.clock.now();
    for (const std::string& file : command.receipts) {
        std::string compact = TRY(read_compact(file));
        out.push_back(
            TRY(with_context(attest::verify_receipt(compact, keys, rules, checks), file)));
    }
    return out;
}

Result<int> run_audit_verify(const Context& context, const AuditCommand& command) {
    Checks checks;
    auto receipts = TRY(read_receipts(context, command, checks));
    auto store = TRY(open_store(command));
    audit::Log log(*store);
    audit::TreeHead head = TRY(attest::verify_recorded(receipts, log, checks));
    if (context.json) {
        write_out(dump_json({{"size", head.size},
                             {"root", encode_hex(head.root)},
                             {"receipts", receipts.size()}}) +
                  "\n");
        return 0;
    }
    std::string agrees;
    if (!receipts.empty()) agrees = fmt::format(", as {} receipt(s) say", receipts.size());
    write_out(fmt::format("{} log of {} entries, root {}{}\n",
                          styled("whole", Style::good, context.color_out), head.size,
                          encode_hex(head.root), agrees));
    return 0;
}

constexpr const char* kAuditExamples = R"(Examples:
  vouchsafe audit show                                    every act of the lab's vault
  vouchsafe audit show --service attestation REQUEST-ID   why a request was refused, check by check
  vouchsafe audit verify                                  recompute the Merkle tree
  vouchsafe audit verify --service attestation --receipt receipt.jwt --jwks certs.json
                                                          and compare it with what a client was told)";

void add_common(Command made, AuditCommand& command) {
    made.option("--dir", command.dir, "data directory (default: the lab in the user's data folder)",
                "DIR");
    made.option("--service", command.service, "vault or attestation", "")
        .one_of({"vault", "attestation"});
    add_store_option(made, command.store);
}

}  // namespace

void add_audit(Command app, Context& context) {
    Command group = app.add("audit", "what a service did and refused, and why");
    group.examples(kAuditExamples);
    auto command = std::make_shared<AuditCommand>();
    Command show_app = group.add("show", "the log, or one request with all its checks");
    add_common(show_app, *command);
    show_app.argument("REQUEST-ID", command->request_id, "one request").optional();
    show_app.run([&context, command] { return run_show(context, *command); });
    Command verify_app = group.add("verify", "recompute the tree and compare");
    add_common(verify_app, *command);
    verify_app.option("--receipt", command->receipts,
                      "a receipt of this log, which must be true of it; may be repeated", "FILE");
    verify_app.option("--jwks", command->jwks,
                      "the keys that signed the receipts, as /certs answers", "FILE");
    verify_app.run([&context, command] { return run_audit_verify(context, *command); });
}

}  // namespace vouchsafe::app
