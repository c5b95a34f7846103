#include "vouchsafe/evidence/boot/ima.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::evidence {

using crypto::HashAlg;

namespace {

constexpr size_t kSha1Size = 20;
constexpr size_t kMaxTemplateName = 32;
constexpr size_t kMaxHashName = 32;
constexpr size_t kMaxDigestSize = 64;
constexpr size_t kMaxFileName = 4096;  // PATH_MAX
constexpr size_t kOldNameField = 256;  // IMA_EVENT_NAME_LEN_MAX and a NUL
constexpr HashAlg kBanks[] = {HashAlg::sha1, HashAlg::sha256};

struct KnownDigest {
    std::string_view name;
    size_t size;
};
constexpr KnownDigest kDigests[] = {
    {"md5", 16}, {"sha1", 20}, {"sha256", 32}, {"sha384", 48}, {"sha512", 64}};

// read_field takes a length, little-endian, and so many bytes.
Result<ByteView> read_field(Reader& in, std::string_view name) {
    uint32_t size = TRY(in.u32_le(name));
    return in.take(size, name);
}

// The field "d-ng": the algorithm's name, a colon, a NUL, the digest.
Result<void> read_digest(ByteView field, ImaEntry& out) {
    std::string_view text = as_text(field);
    size_t end = text.find(std::string_view(":\0", 2));
    if (end == std::string_view::npos || end == 0 || end > kMaxHashName) {
        return fail(Code::invalid, "a digest without its algorithm");
    }
    out.hash_name = std::string(text.substr(0, end));
    bool plain = std::ranges::all_of(out.hash_name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
    out.file_digest = to_bytes(field.subspan(end + 2));
    size_t size = out.file_digest.size();
    auto known = std::ranges::find(kDigests, out.hash_name, &KnownDigest::name);
    bool fits =
        known != std::end(kDigests) ? size == known->size : size > 0 && size <= kMaxDigestSize;
    if (plain && fits) return {};
    return fail(Code::invalid, "a digest of {} bytes", size);
}

// The field "n-ng": a path, and a NUL.
Result<void> read_name(ByteView field, ImaEntry& out) {
    std::string_view text = as_text(field);
    if (text.empty() || text.size() > kMaxFileName || text.find('\0') != text.size() - 1) {
        return fail(Code::invalid, "a file name of {} bytes", text.size());
    }
    out.file = std::string(text.substr(0, text.size() - 1));
    return {};
}

// The template "ima" has no length of its own, and hashes the name in a field of fixed size.
Result<void> read_old_template(Reader& in, ImaEntry& out) {
    ByteView digest = TRY(in.take(kSha1Size, "file digest"));
    std::string_view name = as_text(TRY(read_field(in, "file name")));
    if (name.size() >= kOldNameField || name.find('\0') != std::string_view::npos) {
        return fail(Code::invalid, "a file name of {} bytes", name.size());
    }
    out.hash_name = "sha1";
    out.file_digest = to_bytes(digest);
    out.file = std::string(name);
    out.data = out.file_digest;
    append(out.data, as_bytes(name));
    out.data.resize(kSha1Size + kOldNameField);
    return {};
}

Result<void> read_template(Reader& in, ImaEntry& out) {
    out.data = to_bytes(TRY(read_field(in, "template data")));
    Reader fields(out.data, "template data");
    TRY(read_digest(TRY(read_field(fields, "file digest")), out));
    TRY(read_name(TRY(read_field(fields, "file name")), out));
    if (out.template_name == "ima-sig") {
        out.signature = to_bytes(TRY(read_field(fields, "signature")));
    } else if (out.template_name == "ima-buf") {
        out.buffer = to_bytes(TRY(read_field(fields, "buffer")));
    }
    return fields.end();
}

Result<ImaEntry> read_entry(Reader& in) {
    ImaEntry out;
    uint32_t pcr = TRY(in.u32_le("register"));
    if (pcr != kImaPcr) return fail(Code::invalid, "an entry for PCR {}", pcr);
    out.digest = TRY(in.array<kSha1Size>("digest"));
    ByteView name = TRY(read_field(in, "template name"));
    if (name.size() > kMaxTemplateName) {
        return fail(Code::invalid, "a template's name of {} bytes", name.size());
    }
    out.template_name = to_text(name);
    if (out.template_name == "ima") {
        TRY(read_old_template(in, out));
        return out;
    }
    bool known = out.template_name == "ima-ng" || out.template_name == "ima-sig" ||
                 out.template_name == "ima-buf";
    if (!known) return fail(Code::invalid, "template {} is not known", encode_hex(name));
    TRY(read_template(in, out));
    return out;
}

Bytes extended(const ImaEntry& entry, HashAlg bank, const Bytes& value) {
    Bytes both = value;
    if (entry.violation()) {
        both.resize(2 * value.size(), 0xFF);
    } else {
        append(both, crypto::hash(bank, entry.data));
    }
    return crypto::hash(bank, both);
}

// One bank's value of register 10, and what it is when the list is replayed so far.
struct Register {
    HashAlg bank;
    Bytes wanted;
    Bytes value;
};

std::vector<Register> registers_of(std::span<const PcrBank> values) {
    std::vector<Register> out;
    for (const PcrBank& bank : values) {
        auto value = bank.values.find(kImaPcr);
        bool used = std::ranges::find(kBanks, bank.hash) != std::end(kBanks);
        if (!used || value == bank.values.end()) continue;
        out.push_back({bank.hash, value->second, Bytes(crypto::hash_size(bank.hash))});
    }
    return out;
}

bool agrees(const Register& one) {
    return equal(one.wanted, one.value);
}

Result<void> check_digests(const ImaList& list, Checks& checks) {
    size_t number = 0;
    for (const ImaEntry& entry : list.entries()) {
        Bytes expected = crypto::hash(HashAlg::sha1, entry.data);
        if (!entry.violation() && !equal(expected, entry.digest)) {
            TRY(checks.require(false, "IMA-DIGEST", fmt::format("entry {}", number),
                               encode_hex(expected), encode_hex(entry.digest)));
        }
        ++number;
    }
    return checks.require(true, "IMA-DIGEST", "measurement list",
                          "the digest of its data in each entry", fmt::format("{} right", number));
}

}  // namespace

bool ImaEntry::violation() const {
    return all_zero(digest);
}

struct ImaParser {
    static Result<ImaList> parse(ByteView bytes) {
        if (bytes.empty() || bytes.size() > kMaxImaListSize) {
            return fail(Code::invalid, "{} bytes, not 1 to {}", bytes.size(), kMaxImaListSize);
        }
        Reader in(bytes, "measurement list");
        ImaList out;
        while (!in.done()) {
            if (out.entries_.size() == kMaxImaEntries) {
                return fail(Code::invalid, "over {} entries", kMaxImaEntries);
            }
            ImaEntry entry =
                TRY(with_context(read_entry(in), fmt::format("entry {}", out.entries_.size())));
            out.entries_.push_back(std::move(entry));
        }
        return out;
    }
};

Result<ImaList> ImaList::parse(ByteView bytes, Checks& checks) {
    auto parsed = ImaParser::parse(bytes);
    TRY(checks.require(
        parsed.has_value(), "IMA-FORM", "measurement list", "an IMA measurement list",
        parsed ? fmt::format("{} entries", parsed->entries().size()) : parsed.error().message));
    return parsed;
}

Result<ImaList> ImaList::parse(ByteView bytes) {
    return ImaParser::parse(bytes);
}

Bytes ImaList::replay(HashAlg bank, size_t count) const {
    Bytes value(crypto::hash_size(bank));
    for (size_t i = 0; i < std::min(count, entries_.size()); ++i) {
        value = extended(entries_[i], bank, value);
    }
    return value;
}

struct ImaVerifier {
    static ReplayedImaList make(ImaList list, size_t count, std::vector<HashAlg> banks) {
        return {std::move(list), count, std::move(banks)};
    }
};

Result<ReplayedImaList> verify_ima_list(ImaList list, std::span<const PcrBank> values,
                                        Checks& checks) {
    std::vector<Register> registers = registers_of(values);
    TRY(checks.require(!registers.empty(), "IMA-BANK", "pcr 10", "a value, sha1 or sha256",
                       fmt::format("{} values", registers.size())));
    TRY(check_digests(list, checks));
    size_t count = 0;
    bool confirmed = false;
    while (!confirmed && count < list.entries().size()) {
        const ImaEntry& entry = list.entries()[count++];
        for (Register& one : registers) one.value = extended(entry, one.bank, one.value);
        confirmed = std::ranges::all_of(registers, agrees);
    }
    std::vector<HashAlg> banks;
    for (const Register& one : registers) {
        TRY(checks.require(confirmed || agrees(one), "IMA-REPLAY-PCR",
                           fmt::format("pcr 10 ({})", tpm_hash_label(one.bank)),
                           encode_hex(one.value) + " (replay of the list)",
                           encode_hex(one.wanted)));
        banks.push_back(one.bank);
    }
    return ImaVerifier::make(std::move(list), count, std::move(banks));
}

}  // namespace vouchsafe::evidence
