#include "vouchsafe/audit/checkpoint_book.h"

#include "vouchsafe/audit/tree.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kCheckpointTable = "audit_checkpoint";   // size -> time, note
constexpr std::string_view kStateTable = "audit_checkpoint_state";  // kPublic, kNewest
constexpr std::string_view kPublic = "key";                         // CheckpointKey::text
constexpr std::string_view kNewest = "newest";                      // key in kCheckpointTable

std::string size_key(uint64_t size) {
    return fmt::format("{:016x}", size);
}

Result<StoredCheckpoint> parse_stored(ByteView bytes) {
    Reader reader(bytes, "stored checkpoint");
    StoredCheckpoint out;
    out.written = from_unix(static_cast<int64_t>(TRY(reader.u64_be("time")) & INT64_MAX));
    out.note = to_text(TRY(reader.rest("note")));
    auto head = peek_checkpoint(out.note);
    if (!head) return fail(Code::io, "a stored checkpoint is damaged: {}", head.error().message);
    out.head = *head;
    return out;
}

Result<std::optional<CheckpointKey>> read_key(store::View& view) {
    auto text = TRY(view.get(kStateTable, kPublic));
    if (!text) return std::nullopt;
    auto key = CheckpointKey::parse(as_text(*text));
    if (!key) return fail(Code::io, "the log's checkpoint key is damaged: {}", key.error().message);
    return std::move(*key);
}

Result<std::optional<StoredCheckpoint>> read_newest(store::View& view) {
    auto key = TRY(view.get(kStateTable, kNewest));
    if (!key) return std::nullopt;
    auto bytes = TRY(view.get(kCheckpointTable, as_text(*key)));
    if (!bytes) return fail(Code::io, "the log's newest checkpoint is gone");
    return TRY(parse_stored(*bytes));
}

// is_due: a clock that was set back must not stop the checkpoints until it comes there again.
bool is_due(const std::optional<StoredCheckpoint>& newest, uint64_t size, Time now, Seconds every) {
    if (!newest) return size > 0;
    return newest->head.size != size && (now >= newest->written + every || now < newest->written);
}

// continues proves that a log which is now `now` began with what an earlier checkpoint signed.
Result<void> continues(store::View& view, const TreeHead& before, const TreeHead& now,
                       Checks& checks) {
    TRY(checks.require(before.size <= now.size, "AUDIT-HEAD", "audit log size",
                       fmt::format("at least {}", before.size), std::to_string(now.size)));
    ConsistencyProof proof{before.size, now.size, {}};
    proof.path = TRY(Nodes(view).consistency_path(before.size, now.size));
    const bool held = verify_consistency(proof, before.root, now.root).has_value();
    return checks.require(held, "AUDIT-HEAD",
                          fmt::format("root of the first {} entries", before.size),
                          encode_hex(before.root), held ? "the same" : "another");
}

}  // namespace

Result<crypto::Ed25519Key> CheckpointWriter::open_key(store::View& view,
                                                      const CheckpointKey& known) const {
    auto sealed = TRY(view.get(place_.table, place_.key));
    if (!sealed) return fail(Code::io, "the audit log's checkpoint key is gone");
    auto opened = TRY(with_context(seal_.open(place_.context, *sealed), "the checkpoint key"));
    auto key = TRY(crypto::Ed25519Key::from_private(opened.expose()));
    if (key.public_key() != known.key) {
        return fail(Code::bad_evidence, "the store names another checkpoint key than was sealed");
    }
    return key;
}

Result<void> CheckpointWriter::make_key(store::Transaction& tx) const {
    const crypto::Ed25519Key key = crypto::Ed25519Key::generate();
    const CheckpointKey known{fmt::format("vouchsafe/{}/{}", service_, crypto::random_uuid()),
                              key.public_key()};
    TRY(tx.insert(place_.table, place_.key,
                  seal_.seal(place_.context, key.expose_private().expose())));
    TRY(tx.insert(kStateTable, kPublic, as_bytes(known.text())));
    Entry entry;
    entry.time = clock_.now();
    entry.actor = "service";
    entry.action = "checkpoints/key";
    entry.resource = known.origin;
    entry.request_id = crypto::random_uuid();
    entry.details = {{"key", known.text()}};
    TRY(Log(store_).append(tx, entry));
    return {};
}

Result<std::optional<StoredCheckpoint>> CheckpointWriter::write_in(store::Transaction& tx,
                                                                   Seconds every) const {
    const uint64_t size = TRY(read_log_size(tx));
    auto known = TRY(read_key(tx));
    if (size == 0 && !known) return std::nullopt;
    if (!known) {
        TRY(make_key(tx));
        return write_in(tx, every);
    }
    auto newest = TRY(read_newest(tx));
    const Time now = clock_.now();
    if (!is_due(newest, size, now, every)) return std::nullopt;
    crypto::Ed25519Key key = TRY(open_key(tx, *known));
    TreeHead head{size, {}};
    head.root = TRY(Nodes(tx).range(0, size));
    if (newest) {
        Checks checks;
        auto before = TRY(verify_checkpoint(newest->note, *known, checks));
        TRY(continues(tx, before.head(), head, checks));
    }
    StoredCheckpoint out{now, head, sign_checkpoint(known->origin, head, key)};
    Writer record;
    record.u64_be(static_cast<uint64_t>(to_unix(now))).bytes(as_bytes(out.note));
    TRY(tx.insert(kCheckpointTable, size_key(size), record.view()));
    TRY(tx.put(kStateTable, kNewest, as_bytes(size_key(size))));
    return out;
}

Result<std::optional<StoredCheckpoint>> CheckpointWriter::write(Seconds every) {
    // A look first: most calls find nothing to do, and a transaction costs a flush to disk.
    bool due = false;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        const auto newest = TRY(read_newest(view));
        const uint64_t size = TRY(read_log_size(view));
        due = is_due(newest, size, clock_.now(), every);
        return {};
    }));
    std::optional<StoredCheckpoint> out;
    if (!due) return out;
    TRY(store_.run([&](store::Transaction& tx) -> Result<void> {
        out = TRY(write_in(tx, every));
        return {};
    }));
    return out;
}

Result<std::optional<CheckpointKey>> read_checkpoint_key(store::Store& store) {
    std::optional<CheckpointKey> out;
    TRY(store.read([&](store::View& view) -> Result<void> {
        out = TRY(read_key(view));
        return {};
    }));
    return out;
}

Result<std::optional<StoredCheckpoint>> newest_checkpoint(store::Store& store) {
    std::optional<StoredCheckpoint> out;
    TRY(store.read([&](store::View& view) -> Result<void> {
        out = TRY(read_newest(view));
        return {};
    }));
    return out;
}

Result<std::vector<StoredCheckpoint>> checkpoints(store::Store& store, uint64_t after,
                                                  size_t count) {
    std::vector<StoredCheckpoint> out;
    TRY(store.read([&](store::View& view) -> Result<void> {
        const std::string last = after == 0 ? "" : size_key(after);
        const size_t limit = std::min(count, store::kMaxScan);
        for (const store::Record& record : TRY(view.scan(kCheckpointTable, "", last, limit))) {
            out.push_back(TRY(parse_stored(record.value)));
        }
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::audit
