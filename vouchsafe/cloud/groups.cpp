// Resource groups. Deleting one deletes everything in it, before the answer; clients poll the URL
// of the answer all the same, and learn there that it is done.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

constexpr size_t kOperationDigits = 32;  // of the id of an operation

// is_group_name: up to 90 letters, digits, "_-.()", and no dot at the end.
bool is_group_name(std::string_view name) {
    return !name.empty() && name.size() <= 90 && name.back() != '.' &&
           std::all_of(name.begin(), name.end(), [](unsigned char c) {
               return std::isalnum(c) != 0 ||
                      std::string_view("_-.()").find(char(c)) != std::string_view::npos;
           });
}

Outcome<ResourceId> group_id(const Call& call) {
    return ResourceId::parse(fmt::format("/subscriptions/{}/resourceGroups/{}",
                                         call.request.params.at("subscription"),
                                         call.request.params.at("group")));
}

constexpr std::string_view kAction = "Microsoft.Resources/subscriptions/resourceGroups";

std::string action(std::string_view verb) {
    return fmt::format("{}/{}", kAction, verb);
}

}  // namespace

Outcome<Resource> Service::Impl::find_group(std::string_view name) const {
    std::optional<Resource> group =
        TRY(read(fmt::format("{}/resourceGroups/{}", subscription_path(), name)));
    if (!group) return no_group(name);
    return std::move(*group);
}

Outcome<net::Response> Service::Impl::list_groups(const Call& call) {
    ResourceId id =
        TRY(ResourceId::parse("/subscriptions/" + call.request.params.at("subscription")));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), action("read")));
    const std::string tag = filter_value(call.request, "tagName");
    Json values = Json::array();
    for (const Resource& resource : TRY(all_below(subscription_path() + "/resourceGroups/"))) {
        if (!resource.is_a("Microsoft.Resources/resourceGroups")) continue;
        const Json* tags = find_member(resource.body, "tags");
        const bool tagged = tags != nullptr && find_member_ignore_case(*tags, tag) != nullptr;
        if (tag.empty() || tagged) values.push_back(resource.shown());
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::put_group(const Call& call) {
    ResourceId id = TRY(group_id(call));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), action("write")));
    if (!is_group_name(id.group)) {
        return refuse(400, "InvalidParameter",
                      "The resource group's name has up to 90 letters, digits, '_', '-', '.', '(' "
                      "and ')', and does not end with a dot.");
    }
    Json body = TRY(parse_body(call.request));
    const auto lock = TRY(begin_writing());
    std::optional<Resource> before = TRY(read(id.text()));
    if (text_or_empty(body, "location").empty()) {
        return refuse(400, "LocationRequired",
                      "The location property is required for this definition.");
    }
    const std::string location = normal_location(text_or_empty(body, "location"));
    if (before && normal_location(before->location()) != location) {
        return refuse(409, "InvalidResourceGroupLocation",
                      "Invalid resource group location '{}'. The Resource group already exists in "
                      "location '{}'.",
                      location, before->location());
    }
    TRY(check_place({id.subscription, "", {}}, body, nullptr));
    Resource now = before.value_or(Resource{
        fmt::format("{}/resourceGroups/{}", subscription_path(), id.group), id.type(), id.group});
    now.body = std::move(body);
    return respond(TRY(write(call, std::move(now), before ? &*before : nullptr)));
}

Outcome<net::Response> Service::Impl::get_group(const Call& call) {
    ResourceId id = TRY(group_id(call));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), action("read")));
    if (call.request.method != "HEAD") {
        return net::json_response(200, TRY(find_group(id.group)).shown());
    }
    return net::Response{TRY(read(id.text())) ? 204 : 404};
}

Outcome<net::Response> Service::Impl::patch_group(const Call& call) {
    ResourceId id = TRY(group_id(call));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), action("write")));
    Json body = TRY(parse_body(call.request));
    const auto lock = TRY(begin_writing());
    Resource before = TRY(find_group(id.group));
    Resource now = before;
    if (const Json* tags = find_member(body, "tags")) now.body["tags"] = *tags;
    return respond(TRY(write(call, std::move(now), &before)));
}

Outcome<net::Response> Service::Impl::remove_group(const Call& call) {
    ResourceId id = TRY(group_id(call));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), action("delete")));
    const auto lock = TRY(begin_writing());
    Resource group = TRY(find_group(id.group));
    call.sign(group);
    TRY(erase_tree(group));
    net::Response response{202};
    response.headers.set(
        "Location",
        fmt::format("{}{}/operationresults/{}?api-version={}", config.endpoint, subscription_path(),
                    crypto::random_hex(kOperationDigits / 2), encode_percent(call.api_version)));
    response.headers.set("Retry-After", "0");
    return response;
}

// Everything is done when the URL of an operation is handed out, so it needs no record.
Outcome<net::Response> Service::Impl::operation_result(const Call& call) {
    const std::string& name = call.request.params.at("operation");
    if (name.size() != kOperationDigits || !decode_hex(name)) {
        return refuse(404, "OperationNotFound", "There is no such operation.");
    }
    return net::Response{200};
}

}  // namespace vouchsafe::cloud
