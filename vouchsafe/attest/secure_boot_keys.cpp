#include "vouchsafe/attest/secure_boot_keys.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

// EFI_CERT_X509_GUID {a5c059a1-94e4-4aa7-87b5-ab155c2bf072}, as stored.
constexpr std::array<uint8_t, 16> kX509Guid = {0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a,
                                               0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72};
constexpr size_t kGuidSize = 16;
constexpr size_t kListHeaderSize = 28;  // GUID and three sizes
constexpr size_t kMaxEntries = 4096;    // a full dbx has a few hundred

// SHA-256 of the certificates' DER: Microsoft Corporation KEK CA 2011; Microsoft Windows Production
// PCA 2011; Microsoft Corporation UEFI CA 2011.
constexpr std::string_view kDefaultKek =
    "a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503";
constexpr std::string_view kDefaultDb[] = {
    "e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961",
    "48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507"};

bool is_default_kek(const SignatureEntry& entry) {
    return entry.is_certificate && encode_hex(crypto::sha256(entry.data)) == kDefaultKek;
}

bool is_default_db(const SignatureEntry& entry) {
    std::string digest = encode_hex(crypto::sha256(entry.data));
    return entry.is_certificate &&
           std::find(std::begin(kDefaultDb), std::end(kDefaultDb), digest) != std::end(kDefaultDb);
}

// The entries of the variable, or nullopt unless it was measured exactly once and is well formed.
std::optional<std::vector<SignatureEntry>> entries_of(const evidence::BootFacts& facts,
                                                      std::string_view name) {
    const evidence::BootVariable* found = nullptr;
    for (const evidence::BootVariable& variable : facts.variables) {
        if (variable.name != name) continue;
        if (found != nullptr) return std::nullopt;
        found = &variable;
    }
    if (found == nullptr || !found->measured) return std::nullopt;
    Result<std::vector<SignatureEntry>> entries = parse_signature_database(found->data);
    if (!entries) return std::nullopt;
    return std::move(*entries);
}

template <typename Predicate>
bool all_and_some(const std::optional<std::vector<SignatureEntry>>& entries, Predicate is_default) {
    return entries && !entries->empty() &&
           std::all_of(entries->begin(), entries->end(), is_default);
}

Result<void> parse_list(Reader& reader, std::vector<SignatureEntry>& out) {
    ByteView type = TRY(reader.take(kGuidSize, "signature type"));
    uint32_t list_size = TRY(reader.u32_le("list size"));
    uint32_t header_size = TRY(reader.u32_le("header size"));
    uint32_t entry_size = TRY(reader.u32_le("entry size"));
    if (list_size < kListHeaderSize || header_size > list_size - kListHeaderSize ||
        entry_size <= kGuidSize) {
        return fail(Code::invalid, "the sizes of a signature list do not fit");
    }
    TRY(reader.skip(header_size, "signature header"));
    size_t entries_size = list_size - kListHeaderSize - header_size;
    if (entries_size % entry_size != 0 || out.size() + entries_size / entry_size > kMaxEntries) {
        return fail(Code::invalid, "a signature list does not hold whole entries");
    }
    for (size_t i = 0; i < entries_size / entry_size; ++i) {
        TRY(reader.skip(kGuidSize, "signature owner"));
        ByteView data = TRY(reader.take(entry_size - kGuidSize, "signature data"));
        out.push_back({equal(type, kX509Guid), to_bytes(data)});
    }
    return {};
}

}  // namespace

Result<std::vector<SignatureEntry>> parse_signature_database(ByteView data) {
    Reader reader(data, "signature database");
    std::vector<SignatureEntry> out;
    while (!reader.done()) TRY(parse_list(reader, out));
    return out;
}

SecureBootKeys read_secure_boot_keys(const evidence::BootFacts& facts) {
    auto kek = entries_of(facts, "KEK");
    auto db = entries_of(facts, "db");
    SecureBootKeys keys;
    keys.db_well_formed = db && !db->empty();
    keys.dbx_well_formed = entries_of(facts, "dbx").has_value();
    keys.only_default_keys = all_and_some(kek, is_default_kek) && all_and_some(db, is_default_db);
    return keys;
}

}  // namespace vouchsafe::attest
