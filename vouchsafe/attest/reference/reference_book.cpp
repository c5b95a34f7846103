#include "vouchsafe/attest/reference/reference_book.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jws.h"

namespace vouchsafe::attest {

namespace {

constexpr std::string_view kReferenceTable = "attest_reference";             // see document_key
constexpr std::string_view kReferenceNameTable = "attest_reference_name";    // issuer|name -> Row
constexpr std::string_view kReferenceTotalTable = "attest_reference_total";  // issuer -> Total
constexpr char kKeyPart = '|';  // stands in no URL and no name

// Versions have the same number of digits in keys, so that keys are in their order.
std::string document_key(std::string_view issuer, std::string_view name, uint64_t version) {
    return fmt::format("{}{}{}{}{:016}", issuer, kKeyPart, name, kKeyPart, version);
}

Result<uint64_t> stored_number(const Json& record, std::string_view name) {
    int64_t value = TRY(json_integer(record, name));
    if (value < 0) return fail(Code::internal, "reference values: {} is negative", name);
    return static_cast<uint64_t>(value);
}

Result<StoredReference> read_record(ByteView bytes) {
    Json record = TRY(parse_json_object(as_text(bytes)));
    std::string jws = TRY(json_string(record, "jws"));
    StoredReference out{TRY(ReferenceDocument::read(jws)), "", Time{}};
    out.actor = TRY(json_string(record, "actor"));
    out.when = from_unix(TRY(json_integer(record, "time")));
    return out;
}

}  // namespace

Result<ReferenceDocument> ReferenceDocument::read(std::string_view body) {
    size_t begin = body.find_first_not_of(" \t\r\n");
    bool bare = begin != std::string_view::npos && body[begin] == '{' &&
                body.find("\"schema\"") != std::string_view::npos;
    std::string wrapped;
    if (bare) wrapped = jose::unsigned_jws(Json::object(), as_bytes(body));
    ReferenceDocument out{TRY(SignedDocument::parse(bare ? wrapped : body)), {}, {}};
    out.set = TRY(ReferenceSet::parse(as_text(out.signed_document.payload)));
    out.digest = encode_hex(crypto::sha256(out.signed_document.payload));
    return out;
}

Result<ReferenceBook::Row> ReferenceBook::read_row(ByteView bytes) {
    Json record = TRY(parse_json_object(as_text(bytes)));
    Row out;
    out.version = TRY(stored_number(record, "version"));
    out.versions = TRY(stored_number(record, "versions"));
    out.removed = TRY(json_bool(record, "removed"));
    return out;
}

Result<std::optional<ReferenceBook::Row>> ReferenceBook::row_of(store::View& view,
                                                                std::string_view name) const {
    auto stored =
        TRY(view.get(kReferenceNameTable, fmt::format("{}{}{}", issuer_, kKeyPart, name)));
    if (!stored) return std::optional<Row>{};
    return std::optional<Row>(TRY(read_row(*stored)));
}

Result<std::vector<ReferenceBook::Named>> ReferenceBook::rows(store::View& view) const {
    std::string prefix = issuer_ + kKeyPart;
    std::vector<Named> out;
    for (const store::Record& record : TRY(view.scan(kReferenceNameTable, prefix, "", kMaxNames))) {
        Row row = TRY(read_row(record.value));
        out.push_back({record.key.substr(prefix.size()), row});
    }
    return out;
}

Result<ReferenceBook::Total> ReferenceBook::total(store::View& view) const {
    auto stored = TRY(view.get(kReferenceTotalTable, issuer_));
    if (!stored) return Total{};
    Json record = TRY(parse_json_object(as_text(*stored)));
    Total out;
    out.changes = TRY(stored_number(record, "changes"));
    out.bytes = TRY(stored_number(record, "bytes"));
    out.names = TRY(stored_number(record, "names"));
    out.sets = TRY(stored_number(record, "sets"));
    return out;
}

ReferenceBook::Sets ReferenceBook::known_at(uint64_t changes) {
    std::lock_guard lock(mutex_);
    return known_changes_ == changes ? known_ : nullptr;
}

Result<ReferenceBook::Sets> ReferenceBook::current() {
    Sets out;
    TRY(store_.read([&](store::View& view) -> Result<void> {
        out = TRY(current(view));
        return {};
    }));
    return out;
}

// Readers do not wait for each other; whoever is overtaken by a change reads again the next time.
Result<ReferenceBook::Sets> ReferenceBook::current(store::View& view) {
    const uint64_t changes = TRY(total(view)).changes;
    if (Sets known = known_at(changes)) return known;
    auto sets = std::make_shared<std::vector<ReferenceSet>>();
    for (const Named& named : changes == 0 ? std::vector<Named>{} : TRY(rows(view))) {
        if (named.row.removed) continue;
        sets->push_back(TRY(find(view, named.name, named.row.version)).document.set);
    }
    Sets out = std::move(sets);
    std::lock_guard lock(mutex_);
    known_ = out;
    known_changes_ = changes;
    return out;
}

Result<StoredReference> ReferenceBook::find(store::View& view, std::string_view name,
                                            std::optional<uint64_t> version) const {
    if (!version && is_reference_name(name)) {
        if (auto row = TRY(row_of(view, name))) version = row->version;
    }
    std::optional<Bytes> stored;
    if (is_reference_name(name) && version && *version <= kMaxRemovalVersion) {
        stored = TRY(view.get(kReferenceTable, document_key(issuer_, name, *version)));
    }
    if (!stored) {
        return fail(Code::not_found, "there are no reference values {}{}", show_json(name),
                    version ? fmt::format(" of version {}", *version) : "");
    }
    return with_context(read_record(*stored), fmt::format("reference values {}", name));
}

Result<std::vector<StoredReference>> ReferenceBook::highest(store::View& view) const {
    std::vector<StoredReference> out;
    for (const Named& named : TRY(rows(view))) {
        out.push_back(TRY(find(view, named.name, named.row.version)));
    }
    return out;
}

ReferenceBook::Total ReferenceBook::after(Total total, const ReferenceDocument& document,
                                          const std::optional<Row>& old) {
    bool was = old && !old->removed;
    ++total.changes;
    total.bytes += document.signed_document.jws.size();
    if (!old) ++total.names;
    if (was && document.set.removes) --total.sets;
    if (!was && !document.set.removes) ++total.sets;
    return total;
}

Result<void> ReferenceBook::check_limits(const Total& total, uint64_t versions, Checks& checks) {
    auto limit = [&](const char* field, uint64_t most, uint64_t would_be) {
        return checks.require(would_be <= most, "ATTEST-REFERENCE-LIMIT", field,
                              fmt::format("at most {}", most), std::to_string(would_be));
    };
    TRY(limit("names", kMaxNames, total.names));
    TRY(limit("sets in force", kMaxSets, total.sets));
    TRY(limit("versions", kMaxVersions, versions));
    return limit("bytes", kMaxBytes, total.bytes);
}

Result<ReferenceChange> ReferenceBook::change(store::Transaction& tx,
                                              const ReferenceDocument& document,
                                              std::string_view actor, Time now, Checks& checks) {
    const ReferenceSet& set = document.set;
    auto old = TRY(row_of(tx, set.name));
    if (set.removes && (!old || old->removed)) {
        return fail(Code::not_found, "no reference values {} are in force", set.name);
    }
    uint64_t highest = old ? old->version : 0;
    TRY(checks.require(set.version > highest, "ATTEST-REFERENCE-VERSION", "version",
                       fmt::format("above {}", highest), std::to_string(set.version)));
    Total sum = after(TRY(total(tx)), document, old);
    uint64_t versions = old ? old->versions + 1 : 1;
    // What is in force can always be taken out of it.
    if (!set.removes) TRY(check_limits(sum, versions, checks));

    ReferenceChange out;
    if (old) {
        out.old_version = old->version;
        out.old_digest = TRY(find(tx, set.name, old->version)).document.digest;
    }
    const std::string& jws = document.signed_document.jws;
    Json record = {{"jws", jws}, {"actor", actor}, {"time", to_unix(now)}};
    Json row = {{"version", set.version}, {"versions", versions}, {"removed", set.removes}};
    Json counts = {
        {"changes", sum.changes}, {"bytes", sum.bytes}, {"names", sum.names}, {"sets", sum.sets}};
    TRY(tx.put(kReferenceTable, document_key(issuer_, set.name, set.version),
               as_bytes(dump_json(record))));
    TRY(tx.put(kReferenceNameTable, issuer_ + kKeyPart + set.name, as_bytes(dump_json(row))));
    TRY(tx.put(kReferenceTotalTable, issuer_, as_bytes(dump_json(counts))));
    return out;
}

Result<size_t> ReferenceBook::erase(store::Transaction& tx, const std::string& issuer) {
    const size_t documents = TRY(store::erase_below(tx, kReferenceTable, issuer + kKeyPart));
    const size_t names = TRY(store::erase_below(tx, kReferenceNameTable, issuer + kKeyPart));
    const bool total = TRY(tx.erase(kReferenceTotalTable, issuer));
    return documents + names + (total ? 1 : 0);
}

}  // namespace vouchsafe::attest
