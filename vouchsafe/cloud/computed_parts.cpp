#include "vouchsafe/cloud/computed_parts.h"

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::cloud {

void set_default(Json& object, const char* member, Json value) {
    if (find_member(object, member) == nullptr || object.at(member).is_null()) {
        object[member] = std::move(value);
    }
}

std::string text_in(const Json& object, std::initializer_list<std::string_view> path) {
    const Json* at = &object;
    for (std::string_view name : path) {
        at = find_member(*at, name);
        if (at == nullptr) return "";
    }
    return at->is_string() ? at->get<std::string>() : "";
}

tl::unexpected<Problem> bad_parameter(std::string_view name, std::string_view why) {
    return refuse(400, "InvalidParameter", "The value of parameter {} is invalid: {}.", name, why);
}

void name_items(Resource& resource, const char* array, std::string_view type) {
    Json& properties = resource.properties();
    if (!properties.contains(array) || !properties[array].is_array()) return;
    for (Json& item : properties[array]) {
        if (!item.is_object()) continue;
        const std::string name = text_or_empty(item, "name");
        item["id"] = fmt::format("{}/{}/{}", resource.id, array, name);
        if (!type.empty()) item["type"] = type;
        if (!item["properties"].is_object()) item["properties"] = Json::object();
        item["properties"]["provisioningState"] = "Succeeded";
    }
}

Outcome<void> check_items(Resource& resource, const char* array) {
    Json& properties = resource.properties();
    if (!properties.contains(array)) return {};
    if (!properties[array].is_array()) return bad_parameter(array, "it is no array");
    std::set<std::string> names;
    for (const Json& item : properties[array]) {
        const std::string name = to_lower(text_or_empty(item, "name"));
        if (name.empty() || name.find('/') != std::string::npos) {
            return bad_parameter(array, "an item has no name");
        }
        if (!names.insert(name).second) return bad_parameter(array, "two items have one name");
    }
    return {};
}

Outcome<std::set<std::string>> used_values(
    Computing& c, std::string_view type,
    const std::function<void(const Resource&, std::set<std::string>&)>& take) {
    std::set<std::string> out;
    const std::string own = record_key(c.now.id);
    TRY(scan_resources(c.view, "/subscriptions/" + c.config.subscription_id + "/resourcegroups/",
                       [&](const Resource& other) {
                           if (other.is_a(type) && record_key(other.id) != own) take(other, out);
                       }));
    return out;
}

std::string reference_key(const std::string& id) {
    const Outcome<ResourceId> parsed = ResourceId::parse(id);
    return record_key(parsed ? parsed->text() : id);
}

tl::unexpected<Problem> no_such_reference(const Computing& c, const std::string& id) {
    return refuse(400, "InvalidResourceReference",
                  "Resource {} referenced by resource {} was not found.", id, c.now.id);
}

Outcome<Resource> find_reference(Computing& c, const std::string& id, std::string_view type) {
    const Outcome<ResourceId> parsed = ResourceId::parse(id);
    if (!parsed || !parsed->is_item() || !equal_ignore_case(parsed->type(), type)) {
        return no_such_reference(c, id);
    }
    std::optional<Resource> found = TRY(read_resource(c.view, parsed->text()));
    if (!found) return no_such_reference(c, id);
    return std::move(*found);
}

}  // namespace vouchsafe::cloud
