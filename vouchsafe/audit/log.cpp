#include "vouchsafe/audit/log.h"

#include <algorithm>

#include "vouchsafe/audit/entry_form.h"
#include "vouchsafe/audit/tree.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/store/numbered.h"

namespace vouchsafe::audit {

namespace {

// docs/formats/audit-log.md has what is stored.
constexpr std::string_view kEntryTable = store::kNumberedTables[0];  // index -> stored entry
constexpr std::string_view kRequestTable = "audit_request";          // request id / index
// The next name in the order of tables: so the size is mostly in the page of the newest request.
constexpr std::string_view kSizeTable = "audit_size";
constexpr std::string_view kSizeKey = "entries";
// Where the size was before. A log that grew since has the note there, for which older programs
// refuse it.
constexpr std::string_view kOldSizeTable = "audit_head";
constexpr std::string_view kOldSizeKey = "size";
constexpr std::string_view kMoved = "moved to audit_size";
constexpr size_t kMaxRequestId = 128;

Result<uint64_t> parse_size(ByteView bytes) {
    Reader reader(bytes, "audit log size");
    const uint64_t size = TRY(reader.u64_be("size"));
    TRY(reader.end());
    return size;
}

Result<uint64_t> read_old_size(store::View& view) {
    const auto bytes = TRY(view.get(kOldSizeTable, kOldSizeKey));
    if (!bytes) return uint64_t{0};
    if (as_text(*bytes) == kMoved) return fail(Code::io, "the audit log lacks its size");
    return parse_size(*bytes);
}

// take_size is read_log_size for who appends.
Result<uint64_t> take_size(store::Transaction& transaction) {
    const auto bytes = TRY(transaction.get(kSizeTable, kSizeKey));
    if (bytes) return parse_size(*bytes);
    const uint64_t size = TRY(read_old_size(transaction));
    TRY(transaction.put(kOldSizeTable, kOldSizeKey, as_bytes(kMoved)));
    return size;
}

// add_text appends `lead`, which is the punctuation and name of a member, and the member's text.
void add_text(std::string& out, std::string_view lead, std::string_view text) {
    out += lead;
    append_json_text(out, text);
}

void add_check(std::string& out, const Check& check) {
    add_text(out, "{\"code\":", check.code);
    add_text(out, ",\"expected\":", check.expected);
    add_text(out, ",\"field\":", check.field);
    add_text(out, ",\"found\":", check.found);
    out += check.passed ? ",\"passed\":true}" : ",\"passed\":false}";
}

Result<Check> parse_check(const Json& json) {
    Check out;
    out.code = TRY(json_string(json, "code"));
    out.field = TRY(json_string(json, "field"));
    out.expected = TRY(json_string(json, "expected"));
    out.found = TRY(json_string(json, "found"));
    out.passed = TRY(json_bool(json, "passed"));
    return out;
}

Result<Outcome> parse_outcome(std::string_view name) {
    for (Outcome outcome : {Outcome::allowed, Outcome::refused, Outcome::failed}) {
        if (name == outcome_name(outcome)) return outcome;
    }
    return fail(Code::invalid, "unknown outcome \"{}\"", name);
}

}  // namespace

Result<uint64_t> read_log_size(store::View& view) {
    const auto bytes = TRY(view.get(kSizeTable, kSizeKey));
    return bytes ? parse_size(*bytes) : read_old_size(view);
}

Result<std::optional<Bytes>> find_log_entry(store::View& view, uint64_t index) {
    auto stored = TRY(view.get(kEntryTable, store::number_key(index)));
    if (!stored) return std::nullopt;
    return entry_of(std::move(*stored));
}

Result<Bytes> read_log_entry(store::View& view, uint64_t index) {
    auto bytes = TRY(find_log_entry(view, index));
    if (!bytes) return fail(Code::io, "the audit log lacks entry {}", index);
    return std::move(*bytes);
}

std::string_view outcome_name(Outcome outcome) {
    switch (outcome) {
        case Outcome::allowed:
            return "allowed";
        case Outcome::refused:
            return "refused";
        case Outcome::failed:
            return "failed";
    }
    return "failed";
}

// Straight to text: entries have dozens of checks, and a document of them costs more than the
// entry's hash. The bytes are those that dump_json gives of the same document, members sorted.
Bytes Entry::encode() const {
    std::string out;
    out.reserve(512 + checks.size() * 160);
    add_text(out, "{\"action\":", action);
    add_text(out, ",\"actor\":", actor);
    out += ",\"checks\":[";
    for (const Check& check : checks) {
        if (&check != &checks.front()) out += ',';
        add_check(out, check);
    }
    out += "],\"details\":";
    append_json(out, details);
    add_text(out, ",\"outcome\":", outcome_name(outcome));
    add_text(out, ",\"reason\":", reason);
    add_text(out, ",\"request_id\":", request_id);
    add_text(out, ",\"resource\":", resource);
    out += ",\"time\":";
    out += std::to_string(to_unix(time));
    out += '}';
    return to_bytes(out);
}

Result<Entry> Entry::parse(ByteView bytes) {
    Json json = TRY(parse_json_object(as_text(bytes), {.max_bytes = kMaxEntrySize}));
    Entry out;
    out.time = from_unix(TRY(json_integer(json, "time")));
    out.actor = TRY(json_string(json, "actor"));
    out.action = TRY(json_string(json, "action"));
    out.resource = TRY(json_string(json, "resource"));
    out.outcome = TRY(parse_outcome(TRY(json_string(json, "outcome"))));
    out.request_id = TRY(json_string(json, "request_id"));
    out.reason = TRY(json_string(json, "reason"));
    const Json* checks = TRY(json_array(json, "checks"));
    for (const Json& check : *checks) out.checks.push_back(TRY(parse_check(check)));
    const Json* details = TRY(json_object(json, "details"));
    out.details = *details;
    return out;
}

Result<uint64_t> Log::append(store::Transaction& transaction, const Entry& entry) {
    if (entry.request_id.size() > kMaxRequestId) {
        return fail(Code::invalid, "a request id has at most {} bytes", kMaxRequestId);
    }
    const Bytes bytes = entry.encode();
    if (bytes.size() > kMaxEntrySize) {
        return fail(Code::invalid, "an audit entry has at most {} bytes, this one {}",
                    kMaxEntrySize, bytes.size());
    }
    const uint64_t index = TRY(take_size(transaction));
    const std::string key = store::number_key(index);
    TRY(transaction.insert(kEntryTable, key, stored_entry(bytes)));
    TRY(add_leaf(transaction, index, leaf_hash(bytes)));
    if (!entry.request_id.empty()) {
        TRY(transaction.insert(kRequestTable, entry.request_id + "/" + key, {}));
    }
    TRY(transaction.put(kSizeTable, kSizeKey, Writer().u64_be(index + 1).view()));
    return index;
}

Result<uint64_t> Log::append(const Entry& entry) {
    uint64_t index = 0;
    TRY(store_.run([&](store::Transaction& transaction) -> Result<void> {
        index = TRY(append(transaction, entry));
        return {};
    }));
    return index;
}

Result<std::vector<StoredEntry>> Log::find(std::string_view request_id) {
    std::vector<StoredEntry> out;
    if (request_id.empty() || request_id.size() > kMaxRequestId) return out;
    const std::string prefix = std::string(request_id) + "/";
    TRY(store_.read([&](store::View& view) -> Result<void> {
        for (const store::Record& record : TRY(view.scan(kRequestTable, prefix, "", kMaxPage))) {
            Bytes index_bytes = TRY(decode_hex(record.key.substr(prefix.size())));
            Reader reader(index_bytes, "audit request index");
            uint64_t index = TRY(reader.u64_be("index"));
            Bytes bytes = TRY(read_log_entry(view, index));
            Entry entry = TRY(Entry::parse(bytes));
            out.push_back({index, std::move(entry)});
        }
        return {};
    }));
    return out;
}

Result<std::vector<StoredEntry>> Log::entries(uint64_t from, size_t count) {
    std::vector<StoredEntry> out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        const uint64_t size = TRY(read_log_size(view));
        count = std::min(count, kMaxPage);
        for (uint64_t index = from; index < size && out.size() < count; ++index) {
            Bytes bytes = TRY(read_log_entry(view, index));
            Entry entry = TRY(Entry::parse(bytes));
            out.push_back({index, std::move(entry)});
        }
        return {};
    }));
    return out;
}

Result<Bytes> Log::encoded(uint64_t index) {
    Bytes out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        const uint64_t size = TRY(read_log_size(view));
        if (index >= size) {
            return fail(Code::invalid, "there is no entry {} in a log of {}", index, size);
        }
        out = TRY(read_log_entry(view, index));
        return {};
    }));
    return out;
}

Result<uint64_t> Log::size() {
    return TRY(head()).size;
}

Result<TreeHead> Log::head() {
    TreeHead out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out.size = TRY(read_log_size(view));
        out.root = TRY(Nodes(view).range(0, out.size));
        return {};
    }));
    return out;
}

Result<TreeHead> Log::head_at(uint64_t size) {
    TreeHead out{size, {}};
    TRY(store_.read([&](store::View& view) -> Result<void> {
        const uint64_t now = TRY(read_log_size(view));
        if (size > now) return fail(Code::invalid, "the log has {} entries, not {}", now, size);
        out.root = TRY(Nodes(view).range(0, size));
        return {};
    }));
    return out;
}

Result<InclusionProof> Log::prove_inclusion(uint64_t index, uint64_t size) {
    InclusionProof out{index, size, {}};
    TRY(store_.read([&](store::View& view) -> Result<void> {
        if (index >= size || size > TRY(read_log_size(view))) {
            return fail(Code::invalid, "there is no entry {} in a log of {}", index, size);
        }
        out.path = TRY(Nodes(view).inclusion_path(index, size));
        return {};
    }));
    return out;
}

Result<ConsistencyProof> Log::prove_consistency(uint64_t old_size, uint64_t new_size) {
    ConsistencyProof out{old_size, new_size, {}};
    TRY(store_.read([&](store::View& view) -> Result<void> {
        if (old_size > new_size || new_size > TRY(read_log_size(view))) {
            return fail(Code::invalid, "the log never grew from {} to {} entries", old_size,
                        new_size);
        }
        out.path = TRY(Nodes(view).consistency_path(old_size, new_size));
        return {};
    }));
    return out;
}

Result<TreeHead> Log::verify(const TreeHead& kept, Checks& checks) {
    return verify_heads({kept}, checks);
}

Result<TreeHead> Log::verify_heads(std::vector<TreeHead> kept, Checks& checks) {
    TreeHead out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(verify_tree(view, std::move(kept), checks));
        return {};
    }));
    return out;
}

KeptHeads::KeptHeads(std::vector<TreeHead> kept) : kept_(std::move(kept)) {
    std::ranges::sort(kept_, {}, &TreeHead::size);
}

void KeptHeads::note(const RootBuilder& tree) {
    while (roots_.size() < kept_.size() && kept_[roots_.size()].size == tree.size()) {
        roots_.push_back(tree.root());
    }
}

Result<void> KeptHeads::judge(uint64_t size, Checks& checks) const {
    uint64_t good = 0;  // so many entries are as a head says
    for (size_t i = 0; i < kept_.size(); ++i) {
        const TreeHead& head = kept_[i];
        TRY(checks.require(head.size <= size, "AUDIT-HEAD", "audit log size",
                           fmt::format("at least {}", head.size), std::to_string(size)));
        const TreeHash root = i < roots_.size() ? roots_[i] : TreeHash{};
        TRY(checks.require(
            head.size == 0 || root == head.root, "AUDIT-HEAD",
            good == 0 || good == head.size
                ? fmt::format("root of the first {} entries", head.size)
                : fmt::format("root of the first {} entries, those before {} being right",
                              head.size, good),
            encode_hex(head.root), encode_hex(root)));
        good = head.size;
    }
    return {};
}

namespace {

constexpr const char* kMissing = "missing";  // of what should be in the store

std::string entry_name(uint64_t index) {
    return fmt::format("entry {}", index);
}

// check_noted refuses an entry that does not hash to the leaf that was noted for it. What holds
// leaves no check behind: a log has many entries.
Result<void> check_noted(Nodes& nodes, uint64_t index, const TreeHash& hash, Checks& checks) {
    const auto noted = TRY(nodes.find(0, index));
    if (noted && hash == *noted) return {};
    return checks.require(false, "AUDIT-ENTRY", entry_name(index),
                          noted ? encode_hex(*noted) : kMissing, encode_hex(hash));
}

}  // namespace

Result<TreeHead> verify_tree(store::View& view, std::vector<TreeHead> kept, Checks& checks) {
    Nodes nodes(view);
    RootBuilder tree;
    KeptHeads heads(std::move(kept));
    const uint64_t size = TRY(read_log_size(view));
    for (heads.note(tree); tree.size() < size; heads.note(tree)) {
        const auto entry = TRY(find_log_entry(view, tree.size()));
        if (!entry) {
            return checks.refuse("AUDIT-ENTRY", entry_name(tree.size()), "there", kMissing);
        }
        const TreeHash hash = leaf_hash(*entry);
        TRY(check_noted(nodes, tree.size(), hash, checks));
        tree.add(hash);
    }
    const TreeHead out{size, tree.root()};
    const auto stored = TRY(nodes.find_root(size));
    TRY(checks.require(stored && out.root == *stored, "AUDIT-TREE", "audit log root",
                       stored ? encode_hex(*stored) : kMissing, encode_hex(out.root)));
    TRY(heads.judge(size, checks));
    return out;
}

}  // namespace vouchsafe::audit
