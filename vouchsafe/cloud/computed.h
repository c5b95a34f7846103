// The table of what Azure computes: for each type that clients read more from than they wrote, the
// members added to what was written, and what is refused (azure-api E.3). Everything else is stored
// as it is.
#pragma once

#include <span>

#include "vouchsafe/cloud/config.h"
#include "vouchsafe/cloud/effects.h"
#include "vouchsafe/cloud/resource.h"

namespace vouchsafe::cloud {

// Computing is one resource on its way into the store.
struct Computing {
    Resource& now;
    const Resource* before;  // nullptr: there was none
    const Config& config;
    int64_t time;       // seconds since 1970
    store::View& view;  // to look at other resources
};

// Embedded are resources that lie in an array of another one's properties and have ids of their
// own: subnets of a network, rules of a security group.
struct Embedded {
    std::string_view parent;   // type
    std::string_view segment;  // last type of the child, and the array's name
};

struct TypeRow {
    std::string_view type;
    bool tracked = false;      // has a location, which Azure demands
    bool unique_name = false;  // in all of Azure; here in the subscription
    Outcome<void> (*compute)(Computing&) = nullptr;
    // A new one is answered with 200: its clients take 201 for a failure (azure-mgmt-compute 29).
    bool made_is_ok = false;
};

// find_row returns nullptr for types that have none.
const TypeRow* find_row(std::string_view type);
std::span<const TypeRow> type_rows();
// find_embedded returns nullptr unless the type's resources lie within others.
const Embedded* find_embedded(std::string_view type);

// compute fills in what the type's row says, and properties.provisioningState.
Outcome<void> compute(Computing& computing);

// region_code is a region's code in host names: "weu"; the name itself for regions without one.
std::string region_code(std::string_view location);
// is_shared_provider tells the names of Azure's shared attestation providers: "sharedweu".
bool is_shared_provider(std::string_view name);
// normal_location is "westeurope" for "West Europe".
std::string normal_location(std::string_view location);

// instance_view is what `$expand=instanceView` adds to a machine. Without a condition it is as it
// was last told to be.
Json instance_view(const Resource& machine, const std::optional<Effects::Condition>& condition);

}  // namespace vouchsafe::cloud
