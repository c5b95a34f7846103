#include "vouchsafe/audit/export.h"

#include <algorithm>

#include "vouchsafe/audit/checkpoint_book.h"
#include "vouchsafe/audit/tree.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kFormat = "vouchsafe audit export 1";
constexpr size_t kHexHash = 64;
constexpr size_t kMaxLine = kMaxEntrySize + 256;

std::string entry_line_lead(uint64_t index, const TreeHash& leaf) {
    return fmt::format("{{\"index\":{},\"leaf\":\"{}\",\"entry\":", index, encode_hex(leaf));
}

Result<void> write_line(const Sink& sink, std::string line) {
    line += '\n';
    return sink(as_bytes(line));
}

// The entry's own leaf as the tree has it: what the entry hashes to now is for a reader to find.
Result<void> write_entries(store::View& view, uint64_t size, const Sink& sink) {
    Nodes nodes(view);
    for (uint64_t index = 0; index < size; ++index) {
        const auto entry = TRY(find_log_entry(view, index));
        if (!entry) continue;  // the gap is seen by the next one's index
        std::string line = entry_line_lead(index, TRY(nodes.range(index, index + 1)));
        line += as_text(*entry);
        line += '}';
        TRY(write_line(sink, std::move(line)));
    }
    return {};
}

Json header_of(const ExportHead& head, Time now) {
    return {{"format", kFormat},
            {"service", head.service},
            {"made", format_rfc3339(now)},
            {"size", head.log.size},
            {"root", encode_hex(head.log.root)},
            {"key", head.key ? Json(head.key->text()) : Json()},
            {"checkpoints", head.checkpoints}};
}

Result<TreeHash> parse_hash(std::string_view text) {
    const Bytes bytes = TRY(decode_hex(text));
    TreeHash out;
    if (bytes.size() != out.size()) return fail(Code::invalid, "a hash has 64 hex digits");
    std::ranges::copy(bytes, out.begin());
    return out;
}

Result<uint64_t> parse_count(const Json& json, std::string_view name) {
    const int64_t count = TRY(json_integer(json, name));
    if (count < 0) return fail(Code::invalid, "\"{}\" is negative", name);
    return static_cast<uint64_t>(count);
}

Result<ExportHead> parse_header(const std::optional<std::string>& line) {
    if (!line) return fail(Code::invalid, "the file is empty");
    const Json json = TRY(parse_json_object(*line, {.max_bytes = kMaxLine}));
    if (TRY(json_string(json, "format")) != kFormat) {
        return fail(Code::invalid, "the first line is not of \"{}\"", kFormat);
    }
    ExportHead out;
    out.service = TRY(json_string(json, "service"));
    out.log.size = TRY(parse_count(json, "size"));
    out.log.root = TRY(parse_hash(TRY(json_string(json, "root"))));
    out.checkpoints = TRY(parse_count(json, "checkpoints"));
    if (auto key = TRY(json_optional_string(json, "key"))) {
        out.key = TRY(CheckpointKey::parse(*key));
    }
    return out;
}

// EntryLine is a line taken apart; `bytes` borrows it.
struct EntryLine {
    uint64_t index = 0;
    TreeHash leaf{};
    ByteView bytes;
};

// The lead is compared letter by letter: what is between it and the last brace is what was hashed,
// and a JSON reader that writes it again might not give the same bytes.
Result<EntryLine> parse_entry_line(std::string_view line) {
    constexpr std::string_view kLead = "{\"index\":";
    constexpr std::string_view kLeaf = ",\"leaf\":\"";
    const size_t comma = line.find(',');
    if (!line.starts_with(kLead) || comma == std::string_view::npos || !line.ends_with('}')) {
        return fail(Code::invalid, "it does not begin with its index, or does not end");
    }
    std::string_view number = line.substr(kLead.size(), comma - kLead.size());
    if (!line.substr(comma).starts_with(kLeaf)) return fail(Code::invalid, "it has no leaf hash");
    EntryLine out;
    out.leaf = TRY(parse_hash(line.substr(comma + kLeaf.size(), kHexHash)));
    const Json index = TRY(parse_json(number));
    if (!index.is_number_unsigned()) return fail(Code::invalid, "its index is no number");
    out.index = index.get<uint64_t>();
    const std::string lead = entry_line_lead(out.index, out.leaf);
    if (!line.starts_with(lead)) return fail(Code::invalid, "its members are not as exports write");
    line.remove_prefix(lead.size());
    line.remove_suffix(1);
    out.bytes = as_bytes(line);
    return out;
}

// ExportReader goes through the lines once.
class ExportReader {
  public:
    ExportReader(const Lines& lines, const ExportRules& rules, Checks& checks)
        : lines_(lines), rules_(rules), checks_(checks) {}

    Result<VerifiedExport> verify() {
        auto first = TRY(lines_());
        auto header = parse_header(first);
        TRY(form(header, "line 1"));
        out_.head = TRY(std::move(header));
        std::vector<TreeHead> heads = rules_.kept;
        TRY(read_checkpoints(heads));
        TRY(require_signed(rules_.key, heads, checks_));
        for (const TreeHead& head : heads) {
            if (head.size <= out_.head.log.size) out_.covered = std::max(out_.covered, head.size);
        }
        KeptHeads kept(std::move(heads));
        RootBuilder tree;
        TRY(read_entries(tree, kept));
        const TreeHead& log = out_.head.log;
        TRY(checks_.require(tree.root() == log.root, "AUDIT-TREE", "audit log root",
                            encode_hex(log.root), encode_hex(tree.root())));
        TRY(kept.judge(log.size, checks_));
        return std::move(out_);
    }

  private:
    template <typename T>
    Result<void> form(const Result<T>& parsed, const std::string& where) {
        if (parsed) return {};
        return checks_.refuse("AUDIT-EXPORT", where, "as audit export writes it",
                              parsed.error().message);
    }

    Result<void> read_checkpoints(std::vector<TreeHead>& heads) {
        const auto& key = rules_.key ? rules_.key : out_.head.key;
        for (uint64_t i = 0; i < out_.head.checkpoints; ++i) {
            auto note = next_note();
            TRY(form(note, fmt::format("checkpoint {}", i)));
            if (!key) {
                return checks_.refuse("AUDIT-EXPORT", "key", "the checkpoints' key", "none");
            }
            heads.push_back(TRY(verify_checkpoint(*note, *key, checks_)).head());
        }
        return {};
    }

    Result<std::string> next_note() {
        auto line = TRY(lines_());
        if (!line) return fail(Code::invalid, "the file ends");
        const Json json = TRY(parse_json_object(*line, {.max_bytes = kMaxLine}));
        return json_string(json, "checkpoint");
    }

    Result<void> read_entries(RootBuilder& tree, KeptHeads& kept) {
        kept.note(tree);
        while (auto line = TRY(lines_())) {
            const std::string where = fmt::format("entry {}", tree.size());
            auto entry = parse_entry_line(*line);
            TRY(form(entry, where));
            // Only what failed is worth a check of its own: there are as many as entries.
            if (entry->index != tree.size()) {
                TRY(checks_.require(false, "AUDIT-ENTRY", where, "there",
                                    fmt::format("entry {} in its place", entry->index)));
            }
            const TreeHash hash = leaf_hash(entry->bytes);
            if (hash != entry->leaf) {
                TRY(checks_.require(false, "AUDIT-ENTRY", where, encode_hex(entry->leaf),
                                    encode_hex(hash)));
            }
            tree.add(hash);
            kept.note(tree);
        }
        return checks_.require(tree.size() == out_.head.log.size, "AUDIT-ENTRY",
                               fmt::format("entry {}", std::min(tree.size(), out_.head.log.size)),
                               fmt::format("{} entries", out_.head.log.size),
                               fmt::format("{} entries", tree.size()));
    }

    const Lines& lines_;
    const ExportRules& rules_;
    Checks& checks_;
    VerifiedExport out_;
};

}  // namespace

Result<ExportHead> write_export(store::Store& store, std::string_view service, Time now,
                                const Sink& sink) {
    ExportHead out;
    out.service = std::string(service);
    out.key = TRY(read_checkpoint_key(store));
    // The checkpoints first: the log only grows, so it has whatever they are about.
    std::vector<StoredCheckpoint> all;
    for (uint64_t after = 0;;) {
        auto page = TRY(checkpoints(store, after, store::kMaxScan));
        if (page.empty()) break;
        after = page.back().head.size;
        std::ranges::move(page, std::back_inserter(all));
    }
    out.checkpoints = all.size();
    TRY(store.read([&](store::View& view) -> Result<void> {
        out.log.size = TRY(read_log_size(view));
        out.log.root = TRY(Nodes(view).range(0, out.log.size));
        TRY(write_line(sink, dump_json(header_of(out, now))));
        for (const StoredCheckpoint& one : all) {
            TRY(write_line(sink, dump_json({{"checkpoint", one.note},
                                            {"written", format_rfc3339(one.written)}})));
        }
        return write_entries(view, out.log.size, sink);
    }));
    return out;
}

Result<void> require_signed(const std::optional<CheckpointKey>& key,
                            const std::vector<TreeHead>& heads, Checks& checks) {
    if (!key || !heads.empty()) return {};
    return checks.refuse("AUDIT-HEAD", "checkpoints", "one at least, signed by " + key->text(),
                         "none");
}

Result<VerifiedExport> verify_export(const Lines& lines, const ExportRules& rules, Checks& checks) {
    return ExportReader(lines, rules, checks).verify();
}

}  // namespace vouchsafe::audit
