#include "vouchsafe/attest/collateral/pack_index.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kIndexSchema = "vouchsafe/collateral-folder/1";
constexpr size_t kMaxRecords = 4096;
constexpr std::string_view kIssuer = "issuer-", kPem = ".pem";
constexpr size_t kIssuerDigits = 16;

Path index_path(const Path& folder) {
    return folder / "pack.json";
}

Result<PackRecord> parse_record(const Json& json) {
    PackRecord out;
    out.name = TRY(CollateralName::parse(TRY(json_string(json, "file"))));
    out.sha256 = TRY(json_string(json, "sha256"));
    out.issuer = TRY(json_optional_string(json, "issuer")).value_or("");
    out.source = TRY(json_optional_string(json, "from")).value_or("");
    if (!out.issuer.empty() && !is_issuer_file_name(out.issuer)) {
        return fail(Code::invalid, "an issuer by a name that is none");
    }
    if (auto fetched = TRY(json_optional_string(json, "fetched"))) {
        out.fetched = TRY(parse_rfc3339(*fetched));
    }
    return out;
}

Json encode_record(const PackRecord& record) {
    Json out{{"file", record.name.text()}, {"sha256", record.sha256}};
    if (!record.issuer.empty()) out["issuer"] = record.issuer;
    if (!record.source.empty()) out["from"] = record.source;
    if (record.fetched) out["fetched"] = format_rfc3339(*record.fetched);
    return out;
}

Result<PackIndex> parse_index(std::string_view text) {
    Json json = TRY(parse_json_object(text));
    if (TRY(json_string(json, "schema")) != kIndexSchema)
        return fail(Code::invalid, "another schema");
    const Json* pieces = TRY(json_array(json, "pieces"));
    if (pieces->size() > kMaxRecords) return fail(Code::invalid, "too many pieces");
    PackIndex out;
    for (const Json& piece : *pieces) out.put(TRY(parse_record(piece)));
    return out;
}

}  // namespace

const PackRecord* PackIndex::find(const CollateralName& name, const std::string& sha256) const {
    auto found = std::ranges::find_if(records, [&](const PackRecord& record) {
        return record.name == name && record.sha256 == sha256;
    });
    return found == records.end() ? nullptr : &*found;
}

void PackIndex::put(PackRecord record) {
    std::erase_if(records, [&](const PackRecord& other) {
        return other.name == record.name && other.sha256 == record.sha256;
    });
    records.push_back(std::move(record));
}

Result<PackIndex> PackIndex::load(const Path& folder) {
    auto text = read_text_file(index_path(folder));
    if (!text && text.error().code == Code::not_found) return PackIndex{};
    if (!text) return fail(text.error());
    return with_context(parse_index(*text), index_path(folder).string());
}

Result<void> PackIndex::store(const Path& folder) const {
    Json json{{"schema", kIndexSchema}, {"pieces", Json::array()}};
    for (const PackRecord& record : records) json["pieces"].push_back(encode_record(record));
    return write_file(index_path(folder), as_bytes(dump_json_pretty(json) + "\n"), Overwrite::yes);
}

std::string issuer_file_name(std::string_view chain) {
    std::string digest = encode_hex(crypto::sha256(as_bytes(chain)));
    return fmt::format("{}{}{}", kIssuer, digest.substr(0, kIssuerDigits), kPem);
}

bool is_issuer_file_name(std::string_view name) {
    if (!name.starts_with(kIssuer) || !name.ends_with(kPem) ||
        name.size() != kIssuer.size() + kIssuerDigits + kPem.size()) {
        return false;
    }
    std::string_view digits = name.substr(kIssuer.size(), kIssuerDigits);
    return decode_hex(digits).has_value() && digits == to_lower(digits);
}

}  // namespace vouchsafe::attest
