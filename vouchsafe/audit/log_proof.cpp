#include "vouchsafe/audit/log_proof.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::audit {

namespace {

constexpr std::string_view kEntryProofHead = "c2sp.org/tlog-proof@v1\n";
constexpr size_t kMaxPath = 2 * 64;  // of either proof, for any 64-bit size

std::string path_text(const std::vector<TreeHash>& path) {
    std::string out;
    for (const TreeHash& hash : path) out += encode_base64(hash) + "\n";
    return out;
}

// take_named_number takes "NAME N\n" off the text.
Result<uint64_t> take_named_number(std::string_view& text, std::string_view name) {
    const size_t end = text.find('\n');
    if (!text.starts_with(name) || end == std::string_view::npos) {
        return fail(Code::invalid, "a line \"{}N\" was expected", name);
    }
    const char* last = text.data() + end;
    uint64_t out = 0;
    const auto [stop, error] = std::from_chars(text.data() + name.size(), last, out);
    if (error != std::errc() || stop != last) {
        return fail(Code::invalid, "behind \"{}\" is no number", name);
    }
    text.remove_prefix(end + 1);
    return out;
}

// take_path takes the hashes and the empty line behind them: what is left is the checkpoint.
Result<std::vector<TreeHash>> take_path(std::string_view& text) {
    std::vector<TreeHash> out;
    while (!text.starts_with('\n')) {
        const size_t end = text.find('\n');
        if (end == std::string_view::npos) return fail(Code::invalid, "the proof is cut off");
        const Bytes bytes = TRY(with_context(decode_base64(text.substr(0, end)), "a hash"));
        TreeHash hash;
        if (bytes.size() != hash.size() || out.size() == kMaxPath) {
            return fail(Code::invalid, "a hash has not 32 bytes, or there are too many");
        }
        std::ranges::copy(bytes, hash.begin());
        out.push_back(hash);
        text.remove_prefix(end + 1);
    }
    text.remove_prefix(1);
    return out;
}

Result<void> check_size(std::string_view text) {
    if (text.size() <= kMaxProof) return {};
    return fail(Code::invalid, "a proof has at most {} bytes", kMaxProof);
}

}  // namespace

std::string EntryProof::encode() const {
    return fmt::format("{}index {}\n{}\n{}", kEntryProofHead, index, path_text(path), checkpoint);
}

Result<EntryProof> EntryProof::parse(std::string_view text) {
    TRY(check_size(text));
    if (!text.starts_with(kEntryProofHead)) {
        return fail(Code::invalid, "it is no proof of an entry: those begin with {}",
                    kEntryProofHead.substr(0, kEntryProofHead.size() - 1));
    }
    text.remove_prefix(kEntryProofHead.size());
    EntryProof out;
    out.index = TRY(take_named_number(text, "index "));
    out.path = TRY(take_path(text));
    out.checkpoint = std::string(text);
    return out;
}

std::string GrowthProof::encode() const {
    return fmt::format("old {}\n{}\n{}", old_size, path_text(path), checkpoint);
}

Result<GrowthProof> GrowthProof::parse(std::string_view text) {
    TRY(check_size(text));
    GrowthProof out;
    out.old_size = TRY(take_named_number(text, "old "));
    out.path = TRY(take_path(text));
    out.checkpoint = std::string(text);
    return out;
}

Result<VerifiedCheckpoint> verify_entry_proof(const EntryProof& proof, ByteView entry,
                                              const CheckpointKey& key, Checks& checks) {
    auto checkpoint = TRY(verify_checkpoint(proof.checkpoint, key, checks));
    const TreeHead& head = checkpoint.head();
    const InclusionProof path{proof.index, head.size, proof.path};
    const auto held = verify_inclusion(path, entry, head.root);
    TRY(checks.require(held.has_value(), "AUDIT-PROOF", fmt::format("entry {}", proof.index),
                       "in the log of the checkpoint", held ? "there" : held.error().message));
    return checkpoint;
}

Result<VerifiedCheckpoint> verify_growth_proof(const GrowthProof& proof,
                                               const VerifiedCheckpoint& before,
                                               const CheckpointKey& key, Checks& checks) {
    auto checkpoint = TRY(verify_checkpoint(proof.checkpoint, key, checks));
    const TreeHead& head = checkpoint.head();
    const ConsistencyProof path{proof.old_size, head.size, proof.path};
    const bool same_size = proof.old_size == before.head().size;
    const auto held = verify_consistency(path, before.head().root, head.root);
    TRY(checks.require(
        same_size && held.has_value(), "AUDIT-PROOF",
        fmt::format("the log of {} entries", head.size),
        fmt::format("begins with the {} of the earlier checkpoint", before.head().size),
        !same_size ? fmt::format("a proof for {} entries", proof.old_size)
        : held     ? "it does"
                   : held.error().message));
    return checkpoint;
}

}  // namespace vouchsafe::audit
