#include "vouchsafe/audit/checkpoint.h"

#include <algorithm>
#include <charconv>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::audit {

struct VerifiedCheckpointMaker {
    static VerifiedCheckpoint make(std::string origin, const TreeHead& head) {
        return {std::move(origin), head};
    }
};

namespace {

constexpr uint8_t kEd25519Kind = 1;  // signed-note, "Signature types"
constexpr size_t kKeyIdSize = 4;
constexpr std::string_view kSignatureLead = "\xe2\x80\x94 ";  // an em dash and a space

using KeyId = std::array<uint8_t, kKeyIdSize>;

// key_id is signed-note's: SHA-256(name || newline || kind || key), the first four bytes.
KeyId key_id(const CheckpointKey& key) {
    Writer out;
    out.bytes(as_bytes(key.origin)).u8('\n').u8(kEd25519Kind).bytes(key.key);
    const auto digest = crypto::sha256(out.view());
    KeyId id;
    std::copy_n(digest.begin(), id.size(), id.begin());
    return id;
}

// is_origin is narrower than signed-note's key names: printable ASCII without space and plus.
bool is_origin(std::string_view text) {
    return !text.empty() && text.size() <= kMaxOrigin &&
           std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~' && c != '+'; });
}

// Note is a note taken apart; the views are into its text.
struct Note {
    std::string_view signed_text;  // with its last newline
    std::string_view origin;
    TreeHead head;
    struct Signature {
        std::string_view name;
        Bytes bytes;  // the key's id and the signature
    };
    std::vector<Signature> signatures;
};

// take_line removes the first line, which must have a newline at its end.
Result<std::string_view> take_line(std::string_view& text, std::string_view what) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return fail(Code::invalid, "{} is missing", what);
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    return line;
}

Result<uint64_t> parse_size(std::string_view text) {
    uint64_t out = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
    const bool zeros = text.size() > 1 && text.front() == '0';
    if (text.empty() || error != std::errc() || end != text.data() + text.size() || zeros) {
        return fail(Code::invalid, "the size is no number without leading zeros");
    }
    return out;
}

Result<TreeHash> parse_root(std::string_view text) {
    Bytes bytes = TRY(with_context(decode_base64(text), "the root hash"));
    TreeHash out;
    if (bytes.size() != out.size()) return fail(Code::invalid, "the root hash has not 32 bytes");
    std::ranges::copy(bytes, out.begin());
    return out;
}

Result<Note::Signature> parse_signature(std::string_view line) {
    if (!line.starts_with(kSignatureLead)) {
        return fail(Code::invalid, "a signature line begins with an em dash and a space");
    }
    line.remove_prefix(kSignatureLead.size());
    const size_t space = line.find(' ');
    if (space == std::string_view::npos || space == 0) {
        return fail(Code::invalid, "a signature line has a name and a signature");
    }
    Bytes bytes = TRY(with_context(decode_base64(line.substr(space + 1)), "a signature"));
    if (bytes.size() <= kKeyIdSize) return fail(Code::invalid, "a signature is too short");
    return Note::Signature{line.substr(0, space), std::move(bytes)};
}

// check_text is signed-note's rule for the whole note: UTF-8 without control characters.
Result<void> check_text(std::string_view text) {
    const bool plain = std::ranges::none_of(text, [](char c) {
        return c != '\n' && (static_cast<unsigned char>(c) < ' ' || c == '\x7f');
    });
    if (plain && is_utf8(text)) return {};
    return fail(Code::invalid, "it has control characters, or is no UTF-8");
}

Result<Note> parse_note(std::string_view text) {
    if (text.size() > kMaxNote) return fail(Code::invalid, "it is over {} bytes", kMaxNote);
    TRY(check_text(text));
    // The signatures are behind the last empty line (signed-note, "Format").
    const size_t blank = text.rfind("\n\n");
    if (blank == std::string_view::npos) {
        return fail(Code::invalid, "there is no empty line before signatures");
    }
    Note out;
    out.signed_text = text.substr(0, blank + 1);
    std::string_view body = out.signed_text;
    out.origin = TRY(take_line(body, "the origin"));
    if (!is_origin(out.origin)) return fail(Code::invalid, "the origin is none");
    out.head.size = TRY(parse_size(TRY(take_line(body, "the size"))));
    out.head.root = TRY(parse_root(TRY(take_line(body, "the root hash"))));
    while (!body.empty()) {
        if (TRY(take_line(body, "an extension line")).empty()) {
            return fail(Code::invalid, "an extension line is empty");
        }
    }
    std::string_view rest = text.substr(blank + 2);
    while (!rest.empty()) {
        if (out.signatures.size() == kMaxSignatures) {
            return fail(Code::invalid, "it has over {} signatures", kMaxSignatures);
        }
        out.signatures.push_back(
            TRY(parse_signature(TRY(take_line(rest, "a signature's newline")))));
    }
    if (out.signatures.empty()) return fail(Code::invalid, "it is not signed");
    return out;
}

// holds_signature: one line by this key is enough, and one that does not hold spoils the note.
Result<void> holds_signature(const Note& note, const CheckpointKey& key) {
    const KeyId id = key_id(key);
    bool signed_by_it = false;
    for (const Note::Signature& one : note.signatures) {
        const ByteView bytes = one.bytes;
        if (one.name != key.origin || !equal(bytes.first(kKeyIdSize), id)) continue;
        TRY(crypto::verify_ed25519(key.key, as_bytes(note.signed_text), bytes.subspan(kKeyIdSize)));
        signed_by_it = true;
    }
    if (!signed_by_it) return fail(Code::bad_evidence, "no signature by this key");
    return {};
}

}  // namespace

std::string CheckpointKey::text() const {
    Writer bytes;
    bytes.u8(kEd25519Kind).bytes(key);
    return fmt::format("{}+{}+{}", origin, encode_hex(key_id(*this)), encode_base64(bytes.view()));
}

Result<CheckpointKey> CheckpointKey::parse(std::string_view text) {
    const size_t first = text.find('+');
    const size_t second = first == std::string_view::npos ? first : text.find('+', first + 1);
    if (second == std::string_view::npos || !is_origin(text.substr(0, first))) {
        return fail(Code::invalid, "a checkpoint key has the form NAME+ID+KEY");
    }
    CheckpointKey out;
    out.origin = std::string(text.substr(0, first));
    const Bytes bytes =
        TRY(with_context(decode_base64(text.substr(second + 1)), "the checkpoint key"));
    if (bytes.size() != 1 + out.key.size() || bytes.front() != kEd25519Kind) {
        return fail(Code::invalid, "the checkpoint key is not one of Ed25519");
    }
    std::copy(bytes.begin() + 1, bytes.end(), out.key.begin());
    if (text.substr(first + 1, second - first - 1) != encode_hex(key_id(out))) {
        return fail(Code::invalid, "the checkpoint key's id is not that of its name and key");
    }
    return out;
}

std::string sign_checkpoint(std::string_view origin, const TreeHead& head,
                            const crypto::Ed25519Key& key) {
    std::string body = fmt::format("{}\n{}\n{}\n", origin, head.size, encode_base64(head.root));
    const CheckpointKey own{std::string(origin), key.public_key()};
    Writer signature;
    signature.bytes(key_id(own)).bytes(key.sign(as_bytes(body)));
    return fmt::format("{}\n{}{} {}\n", body, kSignatureLead, origin,
                       encode_base64(signature.view()));
}

Result<VerifiedCheckpoint> verify_checkpoint(std::string_view text, const CheckpointKey& key,
                                             Checks& checks) {
    auto note = parse_note(text);
    if (!note) {
        return checks.refuse("AUDIT-CHECKPOINT-FORM", "checkpoint",
                             "origin, size, root hash and signatures", note.error().message);
    }
    TRY(checks.require(true, "AUDIT-CHECKPOINT-FORM", "checkpoint",
                       "origin, size, root hash and signatures",
                       fmt::format("{} entries", note->head.size)));
    const auto held = holds_signature(*note, key);
    TRY(checks.require(held.has_value() && note->origin == key.origin, "AUDIT-CHECKPOINT-SIGNATURE",
                       fmt::format("checkpoint of {} entries", note->head.size),
                       "signed by " + key.text(),
                       held ? fmt::format("signed for {}", note->origin) : held.error().message));
    return VerifiedCheckpointMaker::make(std::string(note->origin), note->head);
}

Result<TreeHead> peek_checkpoint(std::string_view note) {
    return TRY(parse_note(note)).head;
}

}  // namespace vouchsafe::audit
