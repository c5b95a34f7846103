// Resource: one record of the resource manager, whatever its type, and where it lies in the store.
//
//   table            key                      value
//   cloud_resource   {id in lower case}       Resource: groups, resources, role assignments,
//                                             deployments
//   cloud_deleted    {vault in lower case}    Deleted: a vault that can be recovered
//   cloud_pending    {id in lower case}       Pending: an effect that is under way (effects.h)
//   cloud_meta       "order"                  how many resources were ever made
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/resource_id.h"
#include "vouchsafe/store/store.h"

namespace vouchsafe::cloud {

struct Resource {
    std::string id;    // as first written
    std::string type;  // as first written
    std::string name;
    Json body = Json::object();   // location, tags, properties and what else clients wrote and read
    Json inner = Json::object();  // what clients never read
    std::string api_version;      // of the last write
    int64_t created = 0;          // seconds since 1970
    int64_t changed = 0;
    std::string created_by;  // a person's name to sign in with, anybody else's object id
    std::string changed_by;
    std::string actor;   // object id of who asked for the last change; "": the lab itself
    uint64_t order = 0;  // of making: what is made later may lean on what was made before

    // shown is what a client gets: the body with id, name, type and, where Azure has it,
    // systemData.
    Json shown() const;
    std::string location() const;
    Json& properties();  // made if it is not there
    const Json* property(std::string_view name) const;
    bool is_a(std::string_view wanted) const;  // of this type, without case

    Json to_json() const;
    static Result<Resource> parse(ByteView record);
};

// Deleted is a vault after its deletion.
struct Deleted {
    Resource vault;
    int64_t deleted = 0;  // seconds since 1970
    int64_t purge = 0;
};

Result<std::optional<Resource>> read_resource(store::View& view, std::string_view id);
// scan_resources calls `take` for each resource whose id begins with `prefix` (any case), by id.
Result<void> scan_resources(store::View& view, std::string_view prefix,
                            const std::function<void(Resource)>& take);
// put_resource gives a new resource its place in the order.
Result<void> put_resource(store::Transaction& tx, Resource& resource);
Result<void> erase_resource(store::Transaction& tx, std::string_view id);

Result<std::optional<Deleted>> read_deleted(store::View& view, std::string_view vault);
Result<std::vector<Deleted>> read_all_deleted(store::View& view);
Result<void> put_deleted(store::Transaction& tx, const Deleted& deleted);
Result<void> erase_deleted(store::Transaction& tx, std::string_view vault);

// Pending is a write whose effect has begun.
struct Pending {
    // Of deleted vaults: recover, and purge.
    enum class What { put, remove, recover, purge };
    What what = What::put;
    Resource resource;
};
Result<void> put_pending(store::Transaction& tx, const Pending& pending);
Result<void> erase_pending(store::Transaction& tx, std::string_view id);
Result<std::vector<Pending>> read_all_pending(store::View& view);

}  // namespace vouchsafe::cloud
