// audit checkpoint, export, prove, check-proof: what others keep and check of a service's log.
#include "app/cmd_audit.h"
#include "app/show.h"
#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/export.h"
#include "vouchsafe/audit/log_proof.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::app {

namespace {

struct CheckpointCommand {
    AuditPlace place;
    bool all = false;
    bool key = false;
    std::string out = "-";
    std::string index, since;
    std::string proof, entry, known_key;
};

Result<audit::CheckpointKey> key_of(store::Store& store) {
    auto key = TRY(audit::read_checkpoint_key(store));
    if (key) return std::move(*key);
    return fail(Code::not_found,
                "nothing was signed yet: the service signs its log while it runs, some time after "
                "the first entry");
}

// write_result writes to stdout for "-", else to a new file.
Result<void> write_result(const std::string& where, std::string_view text) {
    if (where == "-") {
        write_out(text);
        return {};
    }
    return write_file(where, as_bytes(text), Overwrite::no);
}

void show_checkpoint(const Context& context, const audit::CheckpointKey& key,
                     const audit::StoredCheckpoint& one) {
    if (!context.json) {
        write_out(one.note);
        return;
    }
    write_out(dump_json({{"checkpoint", one.note},
                         {"key", key.text()},
                         {"origin", key.origin},
                         {"size", one.head.size},
                         {"root", encode_hex(one.head.root)},
                         {"written", format_rfc3339(one.written)}}) +
              "\n");
}

Result<int> run_checkpoint(const Context& context, const CheckpointCommand& command) {
    auto store = TRY(open_audit_store(command.place));
    const auto key = TRY(key_of(*store));
    if (command.key) {
        write_out(context.json ? dump_json({{"key", key.text()}}) + "\n" : key.text() + "\n");
        return 0;
    }
    if (!command.all) {
        const auto newest = TRY(audit::newest_checkpoint(*store));
        if (!newest) return fail(Code::not_found, "nothing was signed yet");
        show_checkpoint(context, key, *newest);
        return 0;
    }
    for (uint64_t after = 0;;) {
        const auto page = TRY(audit::checkpoints(*store, after, store::kMaxScan));
        if (page.empty()) return 0;
        for (const auto& one : page) show_checkpoint(context, key, one);
        after = page.back().head.size;
    }
}

Result<int> run_export(const Context& context, const CheckpointCommand& command) {
    auto store = TRY(open_audit_store(command.place));
    const Time now = context.clock.now();
    if (command.out == "-") {
        TRY(audit::write_export(*store, command.place.service, now, [](ByteView bytes) {
            write_out(as_text(bytes));
            return Result<void>{};
        }));
        return 0;
    }
    OutputFile out = TRY(OutputFile::create(command.out, Overwrite::no, 0600));
    const auto head = TRY(audit::write_export(*store, command.place.service, now,
                                              [&](ByteView bytes) { return out.write(bytes); }));
    TRY(out.commit());
    if (context.json) {
        write_out(dump_json({{"entries", head.log.size},
                             {"root", encode_hex(head.log.root)},
                             {"checkpoints", head.checkpoints}}) +
                  "\n");
        return 0;
    }
    write_out(fmt::format("{}: {} entries, {} checkpoints, root {}\n", command.out, head.log.size,
                          head.checkpoints, encode_hex(head.log.root)));
    return 0;
}

Result<uint64_t> parse_index(const std::string& text) {
    auto json = parse_json(text);
    if (json && json->is_number_unsigned()) return json->get<uint64_t>();
    return fail(Code::invalid, "INDEX is an entry's number, as audit show tells it, not \"{}\"",
                text);
}

Result<std::string> prove_entry(audit::Log& log, const audit::StoredCheckpoint& newest,
                                uint64_t index) {
    if (index >= newest.head.size) {
        return fail(Code::unavailable,
                    "the newest checkpoint is of {} entries, and entry {} is none of them: try "
                    "again when there is another one",
                    newest.head.size, index);
    }
    auto proof = TRY(log.prove_inclusion(index, newest.head.size));
    return audit::EntryProof{index, std::move(proof.path), newest.note}.encode();
}

Result<std::string> prove_growth(audit::Log& log, const audit::StoredCheckpoint& newest,
                                 const std::string& file) {
    const std::string note = TRY(as_named(read_text_file(file)));
    const auto before = TRY(with_context(audit::peek_checkpoint(note), file));
    if (before.size > newest.head.size) {
        return fail(Code::conflict,
                    "{} is of {} entries, and the newest checkpoint of {}: the log was set back, "
                    "or it is another log's",
                    file, before.size, newest.head.size);
    }
    auto proof = TRY(log.prove_consistency(before.size, newest.head.size));
    return audit::GrowthProof{before.size, std::move(proof.path), newest.note}.encode();
}

Result<int> run_prove(const CheckpointCommand& command) {
    if (command.index.empty() == command.since.empty()) {
        return fail(Code::invalid, "say INDEX, or --since CHECKPOINT, and not both");
    }
    auto store = TRY(open_audit_store(command.place));
    audit::Log log(*store);
    TRY(key_of(*store));
    const auto newest = TRY(audit::newest_checkpoint(*store));
    if (!newest) return fail(Code::not_found, "nothing was signed yet");
    std::string text;
    if (command.index.empty()) {
        text = TRY(prove_growth(log, *newest, command.since));
    } else {
        text = TRY(prove_entry(log, *newest, TRY(parse_index(command.index))));
    }
    TRY(write_result(command.out, text));
    return 0;
}

// entry_bytes takes an entry as a file holds it: its bytes as they were hashed, a newline at most.
Result<Bytes> entry_bytes(const std::string& file) {
    Bytes bytes = TRY(as_named(read_file(file, audit::kMaxEntrySize + 1)));
    if (!bytes.empty() && bytes.back() == '\n') bytes.pop_back();
    return bytes;
}

void show_proved(const Context& context, const audit::VerifiedCheckpoint& checkpoint,
                 std::string_view what) {
    const audit::TreeHead& head = checkpoint.head();
    if (context.json) {
        write_out(dump_json({{"origin", checkpoint.origin()},
                             {"size", head.size},
                             {"root", encode_hex(head.root)},
                             {"proved", what}}) +
                  "\n");
        return;
    }
    write_out(fmt::format("{} {}, log {} of {} entries\n",
                          styled("proved", Style::good, context.color_out), what,
                          checkpoint.origin(), head.size));
}

Result<int> run_check_proof(const Context& context, const CheckpointCommand& command) {
    if (command.entry.empty() == command.since.empty()) {
        return fail(Code::invalid,
                    "say with --entry FILE what is to be in the log, or with --since CHECKPOINT "
                    "from where it is to have grown");
    }
    const auto key = TRY(audit::CheckpointKey::parse(command.known_key));
    const std::string text = TRY(as_named(read_text_file(command.proof, audit::kMaxProof)));
    Checks checks;
    if (!command.entry.empty()) {
        const auto proof = TRY(with_context(audit::EntryProof::parse(text), command.proof));
        const Bytes entry = TRY(entry_bytes(command.entry));
        show_proved(context, TRY(audit::verify_entry_proof(proof, entry, key, checks)),
                    fmt::format("entry {}", proof.index));
        return 0;
    }
    const auto proof = TRY(with_context(audit::GrowthProof::parse(text), command.proof));
    const std::string note = TRY(as_named(read_text_file(command.since, audit::kMaxNote)));
    const auto before = TRY(audit::verify_checkpoint(note, key, checks));
    show_proved(context, TRY(audit::verify_growth_proof(proof, before, key, checks)),
                fmt::format("growth from {} entries", proof.old_size));
    return 0;
}

constexpr const char* kCheckpointExamples = R"(Examples:
  vouchsafe audit checkpoint --key --dir /var/lib/vouchsafe > vault.key     once, and keep it elsewhere
  vouchsafe audit checkpoint --dir /var/lib/vouchsafe > 2026-07-01.checkpoint
The service signs its log while it runs (serve --checkpoint-every). Whoever keeps a checkpoint finds
out with audit verify --checkpoint if the log is changed or set back afterwards.)";

constexpr const char* kProveExamples = R"text(Examples:
  vouchsafe audit prove 4711 --out entry.proof                     entry 4711 is in the log
  vouchsafe audit prove --since 2026-07-01.checkpoint --out growth.proof
                                                                   the log only grew since then
  vouchsafe audit check-proof --proof entry.proof --entry entry.json --key "$(cat vault.key)"
  vouchsafe audit check-proof --proof growth.proof --since 2026-07-01.checkpoint --key "$(cat vault.key)"
Proofs end at the newest checkpoint, which they contain.)text";

void add_out(Command made, CheckpointCommand& command) {
    made.option("--out", command.out, "where to; '-' is stdout", "FILE");
}

}  // namespace

void add_audit_checkpoints(Command group, Context& context) {
    auto command = std::make_shared<CheckpointCommand>();
    Command checkpoint = group.add("checkpoint", "the newest signed head of the log");
    checkpoint.examples(kCheckpointExamples);
    add_audit_place(checkpoint, command->place);
    checkpoint.flag("--all", command->all, "all that were signed, the oldest first");
    checkpoint.flag("--key", command->key, "the key that signs them instead, for audit verify");
    checkpoint.run([&context, command] { return run_checkpoint(context, *command); });
    Command exported = group.add("export", "the log with its checkpoints as one file of lines");
    add_audit_place(exported, command->place);
    add_out(exported, *command);
    exported.run([&context, command] { return run_export(context, *command); });
    Command prove = group.add("prove", "that an entry is in the log, or that the log only grew");
    prove.examples(kProveExamples);
    add_audit_place(prove, command->place);
    prove.argument("INDEX", command->index, "of the entry").optional();
    prove.option("--since", command->since, "an earlier checkpoint", "FILE");
    add_out(prove, *command);
    prove.run([command] { return run_prove(*command); });
    Command check = group.add("check-proof", "check what prove wrote, without the log");
    check.examples(kProveExamples);
    check.option("--proof", command->proof, "what prove wrote", "FILE").required();
    check.option("--key", command->known_key, "as audit checkpoint --key told it", "KEY")
        .required();
    check.option("--entry", command->entry, "the entry's bytes, as an export has them", "FILE");
    check.option("--since", command->since, "the earlier checkpoint", "FILE");
    check.run([&context, command] { return run_check_proof(context, *command); });
}

}  // namespace vouchsafe::app
