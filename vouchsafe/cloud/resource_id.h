// Resource ids of Azure (azure-api E.1): compared without case, kept as first written. An id ends
// with a name; without it, it is a collection; what can stand within another resource's id (a role
// assignment) begins a section of its own.
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/cloud/problem.h"

namespace vouchsafe::cloud {

inline constexpr size_t kMaxIdLength = 900;    // bytes; a store's key has 1024
inline constexpr size_t kMaxNameLength = 260;  // bytes of one segment

struct ResourceId {
    // "/providers/{provider}/{types[0]}/{names[0]}/{types[1]}/...": as many names as types, or one
    // less in a collection.
    struct Section {
        std::string provider;  // "Microsoft.KeyVault"
        std::vector<std::string> types, names;
    };
    std::string subscription;  // "": of the tenant
    std::string group;         // "": of the subscription
    std::vector<Section> sections;

    // parse takes decoded segments without empty ones. 400 InvalidResourceId for what is no id, or
    // has characters that no name can have.
    static Outcome<ResourceId> parse(const std::vector<std::string>& segments);
    static Outcome<ResourceId> parse(std::string_view text);

    bool is_group() const { return !group.empty() && sections.empty(); }
    bool is_collection() const;
    bool is_item() const;       // of a section
    std::string type() const;   // of the last section: "Microsoft.Network/virtualNetworks/subnets"
    std::string name() const;   // the last name; of a group its own
    std::string text() const;   // "/subscriptions/{s}/resourceGroups/{g}/providers/..."
    std::string scope() const;  // what the last section stands on
    bool is_child() const;      // of another resource: "vnet/subnet"
    ResourceId parent() const;  // of a child
};

// record_key is the form in which ids are compared.
std::string record_key(std::string_view id);

}  // namespace vouchsafe::cloud
