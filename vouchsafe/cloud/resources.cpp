// Any resource: PUT, GET, PATCH, DELETE, lists, and what is done to it by POST.
#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kRoleAssignments = "Microsoft.Authorization/roleAssignments";
constexpr std::string_view kRoleDefinitions = "Microsoft.Authorization/roleDefinitions";
constexpr std::string_view kDeployments = "Microsoft.Resources/deployments";
constexpr std::string_view kResources = "Microsoft.Resources/";
constexpr std::string_view kVaults = "Microsoft.KeyVault/vaults";
constexpr std::string_view kProviders = "Microsoft.Attestation/attestationProviders";
constexpr std::string_view kMachines = "Microsoft.Compute/virtualMachines";
constexpr std::string_view kUserIdentities = "Microsoft.ManagedIdentity/userAssignedIdentities";
constexpr std::string_view kLend = "Microsoft.ManagedIdentity/userAssignedIdentities/assign/action";

// Members of a body that a request cannot set: they are told from the path or by us.
constexpr std::string_view kOwnMembers[] = {"id", "name", "type", "systemData", "etag"};

void drop_own_members(Json& body) {
    for (std::string_view member : kOwnMembers) body.erase(std::string(member));
}

bool is_location(std::string_view text) {
    constexpr size_t kMaxLocation = 40;
    return !text.empty() && text.size() <= kMaxLocation &&
           std::all_of(text.begin(), text.end(),
                       [](unsigned char c) { return std::isalnum(c) != 0; });
}

// is_listed tells what lists of resources show: not groups, nor what belongs to the manager itself.
bool is_listed(const Resource& resource) {
    return resource.type.find('/') != std::string::npos &&
           !equal_ignore_case(resource.type, "Microsoft.Resources/resourceGroups") &&
           !resource.is_a(kDeployments) && !resource.is_a(kRoleAssignments);
}

Json short_form(const Resource& resource) {
    Json out = {{"id", resource.id}, {"name", resource.name}, {"type", resource.type}};
    for (const char* member : {"location", "tags", "sku", "kind", "identity", "zones"}) {
        if (const Json* found = find_member(resource.body, member)) out[member] = *found;
    }
    out["provisioningState"] = "Succeeded";
    out["createdTime"] = format_rfc3339(from_unix(resource.created));
    out["changedTime"] = format_rfc3339(from_unix(resource.changed));
    return out;
}

// matches compares a resource with the filters that clients send.
bool matches(const Resource& resource, const net::Request& request) {
    const std::string type = filter_value(request, "resourceType");
    const std::string name = filter_value(request, "name");
    const std::string group = filter_value(request, "resourceGroup");
    const std::string location = filter_value(request, "location");
    const std::string tag = filter_value(request, "tagName");
    const std::string tag_value = filter_value(request, "tagValue");
    if (!type.empty() && !resource.is_a(type)) return false;
    if (!name.empty() && !equal_ignore_case(resource.name, name)) return false;
    if (!location.empty() && normal_location(resource.location()) != normal_location(location)) {
        return false;
    }
    if (!group.empty()) {
        Outcome<ResourceId> id = ResourceId::parse(resource.id);
        if (!id || !equal_ignore_case(id->group, group)) return false;
    }
    if (tag.empty()) return true;
    const Json* tags = find_member(resource.body, "tags");
    const Json* found = tags == nullptr ? nullptr : find_member_ignore_case(*tags, tag);
    return found != nullptr && (tag_value.empty() || *found == Json(tag_value));
}

const Json* find_item(const Resource& parent, const Embedded& row, std::string_view name) {
    const Json* items = parent.property(row.segment);
    if (items == nullptr || !items->is_array()) return nullptr;
    for (const Json& item : *items) {
        if (equal_ignore_case(text_or_empty(item, "name"), name)) return &item;
    }
    return nullptr;
}

void log_write(const Call& call, std::string_view what, std::string_view id) {
    log_event(LogLevel::info, "the resource manager changed a resource",
              {{"what", what},
               {"resource", id},
               {"caller", call.caller.object_id},
               {"request_id", call.request.params.contains("request_id")
                                  ? call.request.params.at("request_id")
                                  : std::string()}});
}

// check_size keeps a record within what the store takes, with what effects may add to it: there is
// no way back once the effect has run.
Outcome<void> check_size(const Resource& resource) {
    constexpr size_t kRoom = 64 << 10;
    if (dump_json(resource.to_json()).size() + kRoom <= store::kMaxValueSize) return {};
    return refuse(413, "RequestContentTooLarge", "The resource {} has more than {} bytes.",
                  resource.id, store::kMaxValueSize - kRoom);
}

tl::unexpected<Problem> name_in_use(const TypeRow& row, const std::string& name) {
    if (equal_ignore_case(row.type, kVaults)) {
        return refuse(409, "VaultAlreadyExists", "The name '{}' is already in use.", name);
    }
    return refuse(409, "DuplicateTenant",
                  "The given service URI '{}' is already in use. Please try again with a different "
                  "name.",
                  name);
}

}  // namespace

bool Service::Impl::concerned(std::string_view type) const {
    return deps.effects != nullptr && deps.effects->concerns(type);
}

Outcome<Json> Service::Impl::get_item(const ResourceId& id) const {
    if (const Embedded* row = find_embedded(id.type()); row != nullptr && id.is_item()) {
        std::optional<Resource> parent = TRY(read(id.parent().text()));
        const Json* item = parent ? find_item(*parent, *row, id.name()) : nullptr;
        if (item == nullptr) return no_resource(id.text());
        return *item;
    }
    std::optional<Resource> found = TRY(read(id.text()));
    if (!found) return id.is_group() ? no_group(id.group) : no_resource(id.text());
    return found->shown();
}

Outcome<Answer> Service::Impl::get(const Call& call, const ResourceId& id) {
    TRY(authorize(call, id.text(), id.type() + "/read"));
    if (equal_ignore_case(id.type(), kRoleDefinitions)) return get_role_definition(id);
    if (!id.group.empty()) TRY(find_group(id.group));
    Json shown = TRY(get_item(id));
    const std::string* expand = call.request.query_value("$expand");
    if (expand != nullptr && equal_ignore_case(*expand, "instanceView") &&
        equal_ignore_case(id.type(), kMachines)) {
        std::optional<Resource> machine = TRY(read(id.text()));
        if (machine) shown["properties"]["instanceView"] = view_of(*machine);
    }
    return Answer{200, std::move(shown)};
}

Json Service::Impl::view_of(const Resource& machine) const {
    return instance_view(machine,
                         concerned(machine.type) ? deps.effects->condition(machine) : std::nullopt);
}

Outcome<Answer> Service::Impl::get_view(const Call& call, const ResourceId& machine) {
    TRY(authorize(call, machine.text(), machine.type() + "/instanceView/read"));
    std::optional<Resource> found = TRY(read(machine.text()));
    if (!found) return no_resource(machine.text());
    return Answer{200, view_of(*found)};
}

Outcome<void> Service::Impl::check_place(const ResourceId& id, const Json& body,
                                         const Resource* before) const {
    if (!id.group.empty()) TRY(find_group(id.group));
    if (id.is_child() && !TRY(read(id.parent().text()))) {
        return refuse(404, "ParentResourceNotFound",
                      "Can not perform requested operation on nested resource. Parent resource "
                      "'{}' not found.",
                      id.parent().name());
    }
    const TypeRow* row = find_row(id.type());
    const std::string location = normal_location(text_or_empty(body, "location"));
    if (location.empty() && row != nullptr && row->tracked) {
        return refuse(400, "LocationRequired",
                      "The location property is required for this definition.");
    }
    if (!location.empty() && !is_location(location)) {
        return refuse(400, "LocationNotAvailableForResourceType",
                      "The provided location is not available for resource type '{}'.", id.type());
    }
    const std::string old = before == nullptr ? "" : normal_location(before->location());
    if (!old.empty() && !location.empty() && old != location) {
        return refuse(409, "InvalidResourceLocation",
                      "The resource '{}' already exists in location '{}'. A resource with the same "
                      "name cannot be created in location '{}'.",
                      id.name(), old, location);
    }
    return {};
}

Outcome<void> Service::Impl::check_unique(const ResourceId& id) const {
    const TypeRow* row = find_row(id.type());
    if (row == nullptr || !row->unique_name) return {};
    for (const Resource& other : TRY(all_below(subscription_path() + "/"))) {
        if (!other.is_a(row->type) || !equal_ignore_case(other.name, id.name())) continue;
        return name_in_use(*row, id.name());
    }
    const bool shared = equal_ignore_case(row->type, kProviders) && is_shared_provider(id.name());
    if (shared) return name_in_use(*row, id.name());
    return {};
}

Outcome<Answer> Service::Impl::put(const Call& call, const ResourceId& id, Json body) {
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), id.type() + "/write"));
    if (equal_ignore_case(id.type(), kRoleAssignments)) return put_role_assignment(call, id, body);
    if (equal_ignore_case(id.type(), kRoleDefinitions)) {
        return refuse(400, "InvalidRequestContent", "Custom role definitions are not supported.");
    }
    // Groups and deployments have paths and bodies of their own.
    if (equal_ignore_case(id.type().substr(0, kResources.size()), kResources)) {
        return refuse(400, "InvalidResourceType", "The type {} cannot be written here.", id.type());
    }
    if (equal_ignore_case(id.type(), std::string(kVaults) + "/accessPolicies")) {
        return change_access_policies(call, id, body);
    }
    if (find_embedded(id.type()) != nullptr) return put_embedded(call, id, std::move(body));
    if (equal_ignore_case(id.type(), kVaults)) return put_vault(call, id, std::move(body));

    std::optional<Resource> before = TRY(read(id.text()));
    TRY(check_place(id, body, before ? &*before : nullptr));
    if (!before) TRY(check_unique(id));
    Resource now = before.value_or(Resource{id.text(), id.type(), id.name()});
    now.body = std::move(body);
    return write(call, std::move(now), before ? &*before : nullptr);
}

namespace {

const Json* lent_identities(const Resource& resource) {
    const Json* identity = find_member(resource.body, "identity");
    const Json* lent =
        identity == nullptr ? nullptr : find_member(*identity, "userAssignedIdentities");
    return lent != nullptr && lent->is_object() ? lent : nullptr;
}

// is_lent tells whether a resource has this identity lent already.
bool is_lent(const Resource* resource, std::string_view id) {
    const Json* lent = resource == nullptr ? nullptr : lent_identities(*resource);
    if (lent == nullptr) return false;
    for (const auto& [one, options] : lent->items()) {
        if (!options.is_null() && equal_ignore_case(one, id)) return true;
    }
    return false;
}

}  // namespace

// check_lent wants that what is lent anew is there to be lent, and that the caller may lend it:
// who may write a machine may not give it somebody else's identity, nor another machine's own.
Outcome<void> Service::Impl::check_lent(const Call& call, const Resource& now,
                                        const Resource* before) const {
    const Json* lent = lent_identities(now);
    if (lent == nullptr) return {};
    for (const auto& [text, options] : lent->items()) {
        if (options.is_null() || is_lent(before, text)) continue;
        const Outcome<ResourceId> id = ResourceId::parse(text);
        const bool can_be = id && id->is_item() && equal_ignore_case(id->type(), kUserIdentities);
        if (!can_be || !TRY(read(id->text()))) {
            return refuse(400, "InvalidResourceReference",
                          "Resource {} referenced by resource {} was not found.", text, now.id);
        }
        if (authorize(call, id->text(), kLend)) continue;
        return refuse(403, "LinkedAuthorizationFailed",
                      "The client '{}' with object id '{}' has permission to perform action "
                      "'{}/write' on scope '{}'; however, it does not have permission to perform "
                      "action(s) '{}' on the linked scope(s) '{}'.",
                      call.caller.app_id, call.caller.object_id, now.type, now.id, kLend,
                      id->text());
    }
    return {};
}

Outcome<Answer> Service::Impl::write(const Call& call, Resource now, const Resource* before) {
    drop_own_members(now.body);
    TRY(check_lent(call, now, before));
    if (now.body.contains("tags") && now.body["tags"].is_null()) now.body.erase("tags");
    if (!now.location().empty()) now.body["location"] = normal_location(now.location());
    now.api_version = call.api_version;
    now.changed = this->now();
    call.sign(now);
    if (before == nullptr) {
        now.created = now.changed;
        now.created_by = now.changed_by;
    }
    Outcome<void> computed;
    TRY(deps.store.read([&](store::View& view) -> Result<void> {
        Computing computing{now, before, config, now.changed, view};
        computed = compute(computing);
        return {};
    }));
    TRY(std::move(computed));
    TRY(check_size(now));
    TRY(save(now, before));
    log_write(call, before == nullptr ? "created" : "updated", now.id);
    const TypeRow* row = find_row(now.type);
    const bool is_new = before == nullptr && (row == nullptr || !row->made_is_ok);
    return Answer{is_new ? 201 : 200, now.shown()};
}

Outcome<void> Service::Impl::save(Resource& now, const Resource* before) {
    const bool effect = concerned(now.type);
    if (effect) {
        TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
            return put_pending(tx, {Pending::What::put, now});
        }));
        Outcome<Json> more = deps.effects->put(now, before);
        if (!more) {
            forget_pending(now.id);
            return fail(std::move(more.error()));
        }
        if (more->is_object()) now.body.merge_patch(*more);
    }
    return end_writing([now, effect](store::Transaction& tx) -> Result<void> {
        Resource stored = now;
        TRY(put_resource(tx, stored));
        return effect ? erase_pending(tx, now.id) : Result<void>();
    });
}

Outcome<Answer> Service::Impl::patch(const Call& call, const ResourceId& id, const Json& changes) {
    TRY(check_subscription(id));
    std::optional<Resource> before = TRY(read(id.text()));
    if (!before) {
        TRY(authorize(call, id.text(), id.type() + "/write"));
        return no_resource(id.text());
    }
    Json body = before->body;
    body.merge_patch(changes);
    Answer answer = TRY(put(call, id, std::move(body)));
    answer.status = 200;
    return answer;
}

Outcome<Answer> Service::Impl::put_embedded(const Call& call, const ResourceId& id, Json body) {
    const Embedded& row = *find_embedded(id.type());
    std::optional<Resource> before = TRY(read(id.parent().text()));
    TRY(check_place(id, body, before ? &*before : nullptr));
    drop_own_members(body);
    body["name"] = id.name();
    Resource now = *before;
    Json& items = now.properties()[std::string(row.segment)];
    if (!items.is_array()) items = Json::array();
    const Json* old = find_item(*before, row, id.name());
    if (old == nullptr) {
        items.push_back(std::move(body));
    } else {
        body["name"] = old->at("name");
        items[static_cast<size_t>(old - &before->property(row.segment)->front())] = std::move(body);
    }
    TRY(write(call, std::move(now), &*before));
    Json shown = TRY(get_item(id));
    return Answer{old == nullptr ? 201 : 200, std::move(shown)};
}

Outcome<Answer> Service::Impl::remove_embedded(const Call& call, const ResourceId& id) {
    const Embedded& row = *find_embedded(id.type());
    std::optional<Resource> before = TRY(read(id.parent().text()));
    const Json* old = before ? find_item(*before, row, id.name()) : nullptr;
    if (old == nullptr) return Answer{204, nullptr};
    Resource now = *before;
    Json& items = now.properties()[std::string(row.segment)];
    items.erase(static_cast<size_t>(old - &before->property(row.segment)->front()));
    TRY(write(call, std::move(now), &*before));
    return Answer{200, nullptr};
}

Outcome<void> Service::Impl::erase_one(const Resource& resource) {
    if (concerned(resource.type)) TRY(deps.effects->remove(resource));
    return end_writing([resource, now = now()](store::Transaction& tx) -> Result<void> {
        TRY(erase_resource(tx, resource.id));
        if (!resource.is_a(kVaults)) return {};
        constexpr int64_t kDay = 86400, kDefaultDays = 90;
        const Json* kept = resource.property("softDeleteRetentionInDays");
        const int64_t days =
            kept != nullptr && kept->is_number_integer() ? kept->get<int64_t>() : kDefaultDays;
        return put_deleted(tx, {resource, now, now + days * kDay});
    });
}

Outcome<void> Service::Impl::erase_tree(const Resource& root) {
    std::vector<Resource> below = TRY(all_below(root.id + "/"));
    std::sort(below.begin(), below.end(),
              [](const Resource& a, const Resource& b) { return a.order > b.order; });
    // A tree of one, without effect, is erased in one transaction anyway.
    const bool several = !below.empty() || concerned(root.type);
    if (several) {
        TRY(deps.store.run([&](store::Transaction& tx) -> Result<void> {
            return put_pending(tx, {Pending::What::remove, root});
        }));
    }
    Outcome<void> done;
    for (Resource& resource : below) {
        resource.actor = root.actor;
        done = erase_one(resource);
        if (!done) break;
    }
    if (done) done = erase_one(root);
    if (several) forget_pending(root.id);
    return done;
}

Outcome<Answer> Service::Impl::remove(const Call& call, const ResourceId& id) {
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), id.type() + "/delete"));
    if (find_embedded(id.type()) != nullptr) return remove_embedded(call, id);
    std::optional<Resource> found = TRY(read(id.text()));
    if (!found) return Answer{204, nullptr};
    // Clients of role assignments read what they deleted.
    Json shown = found->is_a(kRoleAssignments) ? found->shown() : Json();
    call.sign(*found);
    TRY(erase_tree(*found));
    log_write(call, "deleted", found->id);
    return Answer{200, std::move(shown)};
}

Outcome<Answer> Service::Impl::list(const Call& call, const ResourceId& collection) {
    TRY(check_subscription(collection));
    const std::string type = collection.type();
    TRY(authorize(call, collection.scope(), type + "/read"));
    if (equal_ignore_case(type, kRoleDefinitions)) return list_role_definitions(call, collection);
    if (equal_ignore_case(type, kRoleAssignments)) return list_role_assignments(call, collection);
    if (!collection.group.empty()) TRY(find_group(collection.group));
    Json values = Json::array();
    if (const Embedded* row = find_embedded(type)) {
        Json parent = TRY(get_item(collection.parent()));
        const Json* items = find_member(parent["properties"], row->segment);
        return Answer{200, {{"value", items == nullptr ? values : *items}}};
    }
    // Of a resource or a group: what lies below it. Of the subscription: what lies anywhere in it.
    const bool child = !collection.sections.back().names.empty();
    if (child) TRY(get_item(collection.parent()));
    const std::string prefix = !child && collection.group.empty() &&
                                       collection.sections.size() == 1 &&
                                       !collection.subscription.empty()
                                   ? subscription_path() + "/"
                                   : collection.text() + "/";
    for (const Resource& resource : TRY(all_below(prefix))) {
        if (resource.is_a(type) && matches(resource, call.request)) {
            values.push_back(resource.shown());
        }
    }
    return Answer{200, {{"value", std::move(values)}}};
}

Outcome<net::Response> Service::Impl::list_resources(const Call& call) {
    ResourceId id =
        TRY(ResourceId::parse("/subscriptions/" + call.request.params.at("subscription")));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), "Microsoft.Resources/subscriptions/resources/read"));
    Json values = Json::array();
    for (const Resource& resource : TRY(all_below(subscription_path() + "/"))) {
        if (is_listed(resource) && matches(resource, call.request)) {
            values.push_back(short_form(resource));
        }
    }
    return list_response(std::move(values));
}

Outcome<net::Response> Service::Impl::list_in_group(const Call& call) {
    ResourceId id = TRY(ResourceId::parse(fmt::format("/subscriptions/{}/resourceGroups/{}",
                                                      call.request.params.at("subscription"),
                                                      call.request.params.at("group"))));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(),
                  "Microsoft.Resources/subscriptions/resourceGroups/resources/"
                  "read"));
    Resource group = TRY(find_group(id.group));
    Json values = Json::array();
    for (const Resource& resource : TRY(all_below(group.id + "/"))) {
        if (is_listed(resource) && matches(resource, call.request)) {
            values.push_back(short_form(resource));
        }
    }
    return list_response(std::move(values));
}

Outcome<Answer> Service::Impl::act(const Call& call, const ResourceId& id,
                                   std::string_view action) {
    struct Action {
        std::string_view name, state;
    };
    constexpr Action kActions[] = {{"start", "running"},
                                   {"restart", "running"},
                                   {"redeploy", "running"},
                                   {"powerOff", "stopped"},
                                   {"deallocate", "deallocated"}};
    TRY(authorize(call, id.text(), fmt::format("{}/{}/action", id.type(), action)));
    std::optional<Resource> found = TRY(read(id.text()));
    if (!found) return no_resource(id.text());
    auto row = std::find_if(std::begin(kActions), std::end(kActions),
                            [&](const Action& one) { return equal_ignore_case(one.name, action); });
    if (!found->is_a(kMachines) || row == std::end(kActions)) {
        return refuse(400, "InvalidRequest", "The type {} has no action '{}'.", id.type(), action);
    }
    call.sign(*found);
    if (concerned(found->type)) TRY(deps.effects->act(*found, row->name));
    found->inner["power"] = row->state;
    TRY(end_writing([machine = *found](store::Transaction& tx) -> Result<void> {
        Resource stored = machine;
        return put_resource(tx, stored);
    }));
    log_write(call, row->name, found->id);
    return Answer{200, nullptr};
}

Outcome<net::Response> Service::Impl::any(const Call& call) {
    const std::string& method = call.request.method;
    ResourceId id = TRY(ResourceId::parse(call.request.path));
    TRY(check_subscription(id));
    std::unique_lock<std::mutex> lock;
    if (method != "GET" && method != "HEAD") lock = TRY(begin_writing());

    if (id.is_collection()) {
        const ResourceId parent = id.parent();
        const bool of_deployment =
            parent.is_item() && equal_ignore_case(parent.type(), kDeployments);
        if (of_deployment && method == "POST" &&
            equal_ignore_case(id.sections.back().types.back(), "validate")) {
            return respond(TRY(validate_deployment(call, parent)));
        }
        if (of_deployment) return respond(TRY(deployment_part(call, id)));
        if (method == "GET" && parent.is_item() && equal_ignore_case(parent.type(), kMachines) &&
            equal_ignore_case(id.sections.back().types.back(), "instanceView")) {
            return respond(TRY(get_view(call, parent)));
        }
        if (method == "GET") return respond(TRY(list(call, id)));
        if (method == "POST" && parent.is_item()) {
            return respond(TRY(act(call, parent, id.sections.back().types.back())));
        }
        return no_method(method);
    }
    if (!id.is_item()) return refuse(404, "InvalidResourceId", "There is nothing at this path.");
    if (id.is_child() && equal_ignore_case(id.parent().type(), kDeployments)) {
        return respond(TRY(deployment_part(call, id)));
    }
    if (method == "GET") return respond(TRY(get(call, id)));
    if (method == "HEAD") {
        Outcome<Answer> found = get(call, id);
        if (!found && found.error().status != 404) return fail(std::move(found.error()));
        return net::Response{found ? 204 : 404};
    }
    if (method == "DELETE") return respond(TRY(remove(call, id)));
    if (method == "PUT" && equal_ignore_case(id.type(), kDeployments)) {
        return respond(TRY(put_deployment(call, id)));
    }
    if (method == "PUT") return respond(TRY(put(call, id, TRY(parse_body(call.request)))));
    if (method == "PATCH") return respond(TRY(patch(call, id, TRY(parse_body(call.request)))));
    return no_method(method);
}

}  // namespace vouchsafe::cloud
