#include "vouchsafe/cloud/resource.h"

#include <algorithm>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/encoding.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kTable = "cloud_resource";
constexpr std::string_view kDeletedTable = "cloud_deleted";
constexpr std::string_view kPendingTable = "cloud_pending";
constexpr std::string_view kMetaTable = "cloud_meta";
constexpr std::string_view kOrderKey = "order";
// Records are ours; they may hold what a request may hold, and more around it.
constexpr JsonLimits kRecordLimits{store::kMaxValueSize, 128, 1 << 20};

struct WhatName {
    Pending::What what;
    std::string_view name;
};
constexpr WhatName kWhatNames[] = {{Pending::What::put, "put"},
                                   {Pending::What::remove, "remove"},
                                   {Pending::What::recover, "recover"},
                                   {Pending::What::purge, "purge"}};

std::string_view name_of(Pending::What what) {
    for (const WhatName& row : kWhatNames) {
        if (row.what == what) return row.name;
    }
    return "";
}

Result<Pending::What> parse_what(std::string_view name) {
    for (const WhatName& row : kWhatNames) {
        if (row.name == name) return row.what;
    }
    return fail(Code::io, "a record of {} is damaged", kPendingTable);
}

Result<uint64_t> next_order(store::Transaction& tx) {
    std::optional<Bytes> last = TRY(tx.get(kMetaTable, kOrderKey));
    uint64_t order = 1;
    if (last) {
        Json number = TRY(parse_json(as_text(*last)));
        if (!number.is_number_unsigned()) return fail(Code::io, "the order's record is damaged");
        order = number.get<uint64_t>() + 1;
    }
    TRY(tx.put(kMetaTable, kOrderKey, as_bytes(std::to_string(order))));
    return order;
}

Result<Resource> resource_of(const Json& json) {
    Resource out;
    out.id = TRY(json_string(json, "id"));
    out.type = TRY(json_string(json, "type"));
    out.name = TRY(json_string(json, "name"));
    out.body = *TRY(json_object(json, "body"));
    out.inner = *TRY(json_object(json, "inner"));
    out.api_version = TRY(json_string(json, "api_version"));
    out.created = TRY(json_integer(json, "created"));
    out.changed = TRY(json_integer(json, "changed"));
    out.created_by = TRY(json_string(json, "created_by"));
    out.changed_by = TRY(json_string(json, "changed_by"));
    out.actor = text_or_empty(json, "actor");  // records of before have none
    out.order = static_cast<uint64_t>(TRY(json_integer(json, "order")));
    return out;
}

Result<Deleted> deleted_of(ByteView record) {
    Json json = TRY(parse_json_object(as_text(record), kRecordLimits));
    Deleted out;
    out.vault = TRY(resource_of(*TRY(json_object(json, "vault"))));
    out.deleted = TRY(json_integer(json, "deleted"));
    out.purge = TRY(json_integer(json, "purge"));
    return out;
}

// scan_table calls `take` for each record of a table.
Result<void> scan_table(store::View& view, std::string_view table, std::string_view prefix,
                        const std::function<Result<void>(ByteView)>& take) {
    for (std::string last;;) {
        auto page = TRY(view.scan(table, prefix, last, store::kMaxScan));
        for (const store::Record& record : page) TRY(take(record.value));
        if (page.size() < store::kMaxScan) return {};
        last = page.back().key;
    }
}

// tells_who_made_it: in Azure these providers' resources have no systemData (what az shows of the
// first tutorial's group, machine and role assignments).
bool tells_who_made_it(std::string_view type) {
    constexpr std::string_view kSilent[] = {"Microsoft.Authorization/", "Microsoft.Compute/",
                                            "Microsoft.Network/", "Microsoft.Resources/"};
    return std::none_of(std::begin(kSilent), std::end(kSilent), [&](std::string_view provider) {
        return equal_ignore_case(type.substr(0, provider.size()), provider);
    });
}

std::string_view kind_of_caller(const std::string& name) {
    return name.find('@') == std::string::npos ? "Application" : "User";
}

}  // namespace

Json Resource::shown() const {
    Json out = body;
    out["id"] = id;
    out["name"] = name;
    out["type"] = type;
    if (!tells_who_made_it(type)) return out;
    out["systemData"] = {{"createdAt", format_rfc3339(from_unix(created))},
                         {"createdBy", created_by},
                         {"createdByType", kind_of_caller(created_by)},
                         {"lastModifiedAt", format_rfc3339(from_unix(changed))},
                         {"lastModifiedBy", changed_by},
                         {"lastModifiedByType", kind_of_caller(changed_by)}};
    return out;
}

std::string Resource::location() const {
    return text_or_empty(body, "location");
}

Json& Resource::properties() {
    Json& out = body["properties"];
    if (!out.is_object()) out = Json::object();
    return out;
}

const Json* Resource::property(std::string_view wanted) const {
    const Json* properties = find_member(body, "properties");
    return properties == nullptr ? nullptr : find_member(*properties, wanted);
}

bool Resource::is_a(std::string_view wanted) const {
    return equal_ignore_case(type, wanted);
}

Json Resource::to_json() const {
    return {{"id", id},
            {"type", type},
            {"name", name},
            {"body", body},
            {"inner", inner},
            {"api_version", api_version},
            {"created", created},
            {"changed", changed},
            {"created_by", created_by},
            {"changed_by", changed_by},
            {"actor", actor},
            {"order", order}};
}

Result<Resource> Resource::parse(ByteView record) {
    return resource_of(TRY(parse_json_object(as_text(record), kRecordLimits)));
}

Result<std::optional<Resource>> read_resource(store::View& view, std::string_view id) {
    std::optional<Bytes> record = TRY(view.get(kTable, record_key(id)));
    if (!record) return std::optional<Resource>();
    return std::optional<Resource>(TRY(Resource::parse(*record)));
}

Result<void> scan_resources(store::View& view, std::string_view prefix,
                            const std::function<void(Resource)>& take) {
    return scan_table(view, kTable, record_key(prefix), [&](ByteView record) -> Result<void> {
        take(TRY(Resource::parse(record)));
        return {};
    });
}

Result<void> put_resource(store::Transaction& tx, Resource& resource) {
    if (resource.order == 0) resource.order = TRY(next_order(tx));
    return tx.put(kTable, record_key(resource.id), as_bytes(dump_json(resource.to_json())));
}

Result<void> erase_resource(store::Transaction& tx, std::string_view id) {
    TRY(tx.erase(kTable, record_key(id)));
    return {};
}

Result<std::optional<Deleted>> read_deleted(store::View& view, std::string_view vault) {
    std::optional<Bytes> record = TRY(view.get(kDeletedTable, to_lower(vault)));
    if (!record) return std::optional<Deleted>();
    return std::optional<Deleted>(TRY(deleted_of(*record)));
}

Result<std::vector<Deleted>> read_all_deleted(store::View& view) {
    std::vector<Deleted> out;
    TRY(scan_table(view, kDeletedTable, "", [&](ByteView record) -> Result<void> {
        out.push_back(TRY(deleted_of(record)));
        return {};
    }));
    return out;
}

Result<void> put_deleted(store::Transaction& tx, const Deleted& deleted) {
    const std::string json = dump_json({{"vault", deleted.vault.to_json()},
                                        {"deleted", deleted.deleted},
                                        {"purge", deleted.purge}});
    return tx.put(kDeletedTable, to_lower(deleted.vault.name), as_bytes(json));
}

Result<void> erase_deleted(store::Transaction& tx, std::string_view vault) {
    TRY(tx.erase(kDeletedTable, to_lower(vault)));
    return {};
}

Result<void> put_pending(store::Transaction& tx, const Pending& pending) {
    const std::string json =
        dump_json({{"what", name_of(pending.what)}, {"resource", pending.resource.to_json()}});
    return tx.put(kPendingTable, record_key(pending.resource.id), as_bytes(json));
}

Result<void> erase_pending(store::Transaction& tx, std::string_view id) {
    TRY(tx.erase(kPendingTable, record_key(id)));
    return {};
}

Result<std::vector<Pending>> read_all_pending(store::View& view) {
    std::vector<Pending> out;
    TRY(scan_table(view, kPendingTable, "", [&](ByteView record) -> Result<void> {
        Json json = TRY(parse_json_object(as_text(record), kRecordLimits));
        Pending one;
        one.what = TRY(parse_what(TRY(json_string(json, "what"))));
        one.resource = TRY(resource_of(*TRY(json_object(json, "resource"))));
        out.push_back(std::move(one));
        return {};
    }));
    return out;
}

}  // namespace vouchsafe::cloud
