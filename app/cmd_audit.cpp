// audit: what a service's tamper-evident log says.

#include <algorithm>
#include <cstring>
#include <fstream>

#include "app/cmd_audit.h"
#include "app/evidence_files.h"
#include "app/show.h"
#include "vouchsafe/attest/receipt.h"
#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/export.h"
#include "vouchsafe/audit/log.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::app {

namespace {

struct AuditCommand {
    AuditPlace place;
    std::vector<std::string> receipts;
    std::string jwks;
    std::string in;
    std::vector<std::string> checkpoints;
    std::string key;
};

// Only what the service signed can be held against its log.
Result<std::vector<attest::VerifiedReceipt>> read_receipts(const Context& context,
                                                           const AuditCommand& command,
                                                           Checks& checks) {
    std::vector<attest::VerifiedReceipt> out;
    if (command.receipts.empty() != command.jwks.empty()) {
        return fail(Code::invalid, "--receipt and --jwks go together");
    }
    if (command.receipts.empty()) return out;
    if (command.place.service != "attestation") {
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

// Signed is what signatures say of the log.
struct Signed {
    std::vector<audit::TreeHead> heads;
    uint64_t covered = 0;    // entries of the largest
    bool key_known = false;  // the caller said whose signatures count
};

Result<std::optional<audit::CheckpointKey>> given_key(const AuditCommand& command) {
    if (command.key.empty()) return std::nullopt;
    return TRY(with_context(audit::CheckpointKey::parse(command.key), "--key"));
}

// read_checkpoints verifies the files of --checkpoint.
Result<Signed> read_checkpoints(const AuditCommand& command,
                                const std::optional<audit::CheckpointKey>& key, Checks& checks) {
    Signed out;
    out.key_known = !command.key.empty();
    for (const std::string& file : command.checkpoints) {
        if (!key) return fail(Code::not_found, "the log names no key: say with --key who signs it");
        const std::string note = TRY(as_named(read_text_file(file, audit::kMaxNote)));
        auto checkpoint = TRY(with_context(audit::verify_checkpoint(note, *key, checks), file));
        out.heads.push_back(checkpoint.head());
    }
    return out;
}

// add_stored adds the checkpoints that stand beside the log.
Result<void> add_stored(store::Store& store, const std::optional<audit::CheckpointKey>& key,
                        Signed& in, Checks& checks) {
    for (uint64_t after = 0;;) {
        const auto page = TRY(audit::checkpoints(store, after, store::kMaxScan));
        if (page.empty()) return {};
        if (!key) return fail(Code::io, "the log has checkpoints and no key");
        for (const auto& one : page) {
            in.heads.push_back(TRY(audit::verify_checkpoint(one.note, *key, checks)).head());
        }
        after = page.back().head.size;
    }
}

void show_verified(const Context& context, const audit::TreeHead& head, const Signed& held,
                   size_t receipts) {
    if (context.json) {
        write_out(dump_json({{"size", head.size},
                             {"root", encode_hex(head.root)},
                             {"receipts", receipts},
                             {"checkpoints", held.heads.size()},
                             {"covered", held.covered},
                             {"key_given", held.key_known}}) +
                  "\n");
        return;
    }
    std::string agrees;
    if (receipts != 0) agrees = fmt::format(", as {} receipt(s) say", receipts);
    write_out(fmt::format("{} log of {} entries, root {}{}\n",
                          styled("whole", Style::good, context.color_out), head.size,
                          encode_hex(head.root), agrees));
    if (held.heads.empty()) return;
    write_out(fmt::format("{} checkpoint(s) hold, of up to {} entries\n", held.heads.size(),
                          held.covered));
    if (held.covered < head.size) {
        write_out(fmt::format("{} newer entries are not signed\n", head.size - held.covered));
    }
    if (held.key_known) return;
    write_out("signed by the key that stands beside the log: compare it with --key\n");
}

uint64_t largest_of(const std::vector<audit::TreeHead>& heads) {
    uint64_t out = 0;
    for (const audit::TreeHead& head : heads) out = std::max(out, head.size);
    return out;
}

// LineFile reads a file line by line, each bounded by the form of exports.
class LineFile {
  public:
    explicit LineFile(const std::string& name) : name_(name), in_(name, std::ios::binary) {}
    bool is_open() const { return in_.is_open(); }

    Result<std::optional<std::string>> next() {
        in_.getline(line_.data(), static_cast<std::streamsize>(line_.size()));
        const auto got = static_cast<size_t>(in_.gcount());
        if (in_.bad()) return fail(Code::io, "reading {} failed", name_);
        if (in_.eof() && got == 0) return std::nullopt;
        if (in_.fail()) return fail(Code::invalid, "{} has a line over {} bytes", name_, kMaxLine);
        return line_.substr(0, in_.eof() ? got : got - 1);  // the newline counts
    }

  private:
    static constexpr size_t kMaxLine = 1 << 20;
    std::string name_;
    std::ifstream in_;
    std::string line_ = std::string(kMaxLine, '\0');
};

Result<int> verify_offline(const Context& context, const AuditCommand& command) {
    if (!command.receipts.empty()) {
        return fail(Code::invalid, "receipts are compared with the store, not with an export");
    }
    LineFile file(command.in);
    if (!file.is_open()) {
        return fail(Code::invalid, "cannot open {}: {}", command.in, std::strerror(errno));
    }
    Checks checks;
    audit::ExportRules rules{TRY(given_key(command)), {}};
    if (!command.checkpoints.empty() && !rules.key) {
        return fail(Code::invalid, "--checkpoint with --in needs --key: who signs this log");
    }
    Signed held = TRY(read_checkpoints(command, rules.key, checks));
    rules.kept = held.heads;
    auto verified = TRY(audit::verify_export([&] { return file.next(); }, rules, checks));
    held.heads.resize(held.heads.size() + verified.head.checkpoints);
    held.covered = verified.covered;
    show_verified(context, verified.head.log, held, 0);
    return 0;
}

Result<int> run_audit_verify(const Context& context, const AuditCommand& command) {
    if (!command.in.empty()) return verify_offline(context, command);
    Checks checks;
    auto receipts = TRY(read_receipts(context, command, checks));
    auto store = TRY(open_audit_store(command.place));
    auto key = TRY(given_key(command));
    if (!key) key = TRY(audit::read_checkpoint_key(*store));
    Signed held = TRY(read_checkpoints(command, key, checks));
    TRY(add_stored(*store, key, held, checks));
    if (held.key_known) TRY(audit::require_signed(key, held.heads, checks));
    held.covered = largest_of(held.heads);
    audit::Log log(*store);
    audit::TreeHead head = TRY(attest::verify_recorded(receipts, log, checks, held.heads));
    show_verified(context, head, held, receipts.size());
    return 0;
}

constexpr const char* kAuditExamples = R"text(Examples:
  vouchsafe audit show                                    every act of the lab's vault
  vouchsafe audit show --service attestation REQUEST-ID   why a request was refused, check by check
  vouchsafe audit show --refused --follow                 what is refused, as it happens
  vouchsafe audit verify                                  recompute the Merkle tree
  vouchsafe audit verify --checkpoint kept.checkpoint --key "$(cat vault.key)"
                                                          and compare it with what was signed
  vouchsafe audit export --out log.jsonl                  the log in a file, for others
  vouchsafe audit verify --in log.jsonl --key "$(cat vault.key)"
                                                          without the store
  vouchsafe audit verify --service attestation --receipt receipt.jwt --jwks certs.json
                                                          and compare it with what a client was told)text";

}  // namespace

void add_audit_place(Command made, AuditPlace& place) {
    made.option("--dir", place.dir, "data directory (default: the lab in the user's data folder)",
                "DIR");
    made.option("--service", place.service, "vault or attestation", "")
        .one_of({"vault", "attestation"});
    add_store_option(made, place.store);
}

Result<StorePlace> audit_store(const AuditPlace& place) {
    Path dir = place.dir.empty() ? lab::default_lab_path() : Path(place.dir);
    TRY(lab::DataDirectory::open(dir));
    StorePlace out = TRY(store_place(dir, place.service, place.store));
    if (exists(out)) return out;
    return fail(Code::not_found, "{} has no log yet", out.folder.string());
}

Result<std::unique_ptr<store::Store>> open_audit_store(const AuditPlace& place) {
    return open_or_make(TRY(audit_store(place)));
}

void add_audit(Command app, Context& context) {
    Command group = app.add("audit", "what a service did and refused, and why");
    group.examples(kAuditExamples);
    add_audit_show(group, context);
    auto command = std::make_shared<AuditCommand>();
    Command verify_app = group.add("verify", "recompute the tree and compare");
    add_audit_place(verify_app, command->place);
    verify_app.option("--in", command->in, "an export, instead of the service's store", "FILE");
    verify_app.option("--checkpoint", command->checkpoints,
                      "a checkpoint that was kept, which must be true of the log; may be repeated",
                      "FILE");
    verify_app.option("--key", command->key,
                      "who signs the log, as audit checkpoint --key told it (default: whom the log "
                      "names itself)",
                      "KEY");
    verify_app.option("--receipt", command->receipts,
                      "a receipt of this log, which must be true of it; may be repeated", "FILE");
    verify_app.option("--jwks", command->jwks,
                      "the keys that signed the receipts, as /certs answers", "FILE");
    verify_app.run([&context, command] { return run_audit_verify(context, *command); });
    add_audit_checkpoints(group, context);
}

}  // namespace vouchsafe::app
