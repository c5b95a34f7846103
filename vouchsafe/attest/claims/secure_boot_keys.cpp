#include "vouchsafe/attest/claims/secure_boot_keys.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/evidence/boot/uefi.h"

namespace vouchsafe::attest {

namespace {

using evidence::UefiSignature;

// SHA-256 of the certificates' DER: Microsoft Corporation KEK CA 2011; Microsoft Windows Production
// PCA 2011; Microsoft Corporation UEFI CA 2011.
constexpr std::string_view kDefaultKek =
    "a1117f516a32cefcba3f2d1ace10a87972fd6bbe8fe0d0b996e09e65d802a503";
constexpr std::string_view kDefaultDb[] = {
    "e8e95f0733a55e8bad7be0a1413ee23c51fcea64b3c8fa6a786935fddcc71961",
    "48e99b991f57fc52f76149599bff0a58c47154229b9f8d603ac40d3500248507"};

bool is_default_kek(const UefiSignature& entry) {
    return entry.is_certificate() && encode_hex(crypto::sha256(entry.data)) == kDefaultKek;
}

bool is_default_db(const UefiSignature& entry) {
    std::string digest = encode_hex(crypto::sha256(entry.data));
    return entry.is_certificate() &&
           std::find(std::begin(kDefaultDb), std::end(kDefaultDb), digest) != std::end(kDefaultDb);
}

// The entries of the variable, or nullopt unless it was measured exactly once and is well formed.
std::optional<std::vector<UefiSignature>> entries_of(const evidence::BootFacts& facts,
                                                     std::string_view name) {
    const evidence::BootVariable* found = nullptr;
    for (const evidence::BootVariable& variable : facts.variables) {
        if (variable.name != name) continue;
        if (found != nullptr) return std::nullopt;
        found = &variable;
    }
    if (found == nullptr || !found->measured) return std::nullopt;
    Result<std::vector<UefiSignature>> entries = evidence::parse_uefi_signatures(found->data);
    if (!entries) return std::nullopt;
    return std::move(*entries);
}

template <typename Predicate>
bool all_and_some(const std::optional<std::vector<UefiSignature>>& entries, Predicate is_default) {
    return entries && !entries->empty() &&
           std::all_of(entries->begin(), entries->end(), is_default);
}

}  // namespace

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
