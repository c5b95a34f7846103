// Deployments: a template is taken apart (template/plan.h) and each of its resources is put, in
// order, as if its caller had put it; a nested template is a deployment of its own. The answer
// comes when all are there; one that fails ends it, and what was made before stays, as on Azure.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"
#include "vouchsafe/cloud/template/plan.h"
#include "vouchsafe/cloud/template/relaxed_json.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kType = "Microsoft.Resources/deployments";
constexpr std::string_view kFailed = "DeploymentFailed";

tl::unexpected<Problem> invalid_template(std::string_view message) {
    return refuse(400, "InvalidTemplate", "Deployment template validation failed: '{}'.", message);
}

// compact_time is utcNow's form: "20260701T120000Z".
std::string compact_time(int64_t now) {
    std::string out = format_rfc3339(from_unix(now));
    std::erase(out, '-');
    std::erase(out, ':');
    return out;
}

// plan_problem is why a template cannot be planned.
Problem plan_problem(const Error& error) {
    switch (error.code) {
        case Code::forbidden:
            return Problem(403, "AuthorizationFailed", error.message);
        case Code::not_found:
            return Problem(404, "ResourceGroupNotFound", error.message);
        case Code::internal:
        case Code::io:
            return Problem(error);
        default:
            return std::move(invalid_template(error.message).value());
    }
}

// collect_ids gathers what a plan makes, as far as it is known before.
void collect_ids(const Plan& plan, Json& out) {
    for (size_t i = 0; i < plan.resources().size(); ++i) {
        const PlannedResource& one = plan.resources()[i];
        if (!one.deployment) out.push_back({{"id", one.id}});
        const Plan* nested = plan.known_nested(i);
        if (nested != nullptr) collect_ids(*nested, out);
    }
}

Json providers(const Plan& plan) {
    std::map<std::string, Json> types;
    for (const PlannedResource& one : plan.resources()) {
        const size_t slash = one.type.find('/');
        types[one.type.substr(0, slash)].push_back(
            {{"resourceType", one.type.substr(slash + 1)}, {"locations", Json::array()}});
    }
    Json out = Json::array();
    for (auto& [name, list] : types) {
        out.push_back({{"namespace", name}, {"resourceTypes", std::move(list)}});
    }
    return out;
}

std::string template_hash(const Json& document) {
    constexpr size_t kDigits = 16;
    return encode_hex(crypto::sha256(as_bytes(dump_json(document)))).substr(0, kDigits);
}

Json properties_of(const Plan& plan, std::string_view state, int64_t now) {
    return {{"templateHash", template_hash(plan.document())},
            {"parameters", plan.shown_parameters()},
            {"mode", "Incremental"},
            {"provisioningState", state},
            {"timestamp", format_rfc3339(from_unix(now))},
            {"duration", "PT0S"},
            {"correlationId", crypto::random_uuid()},
            {"providers", providers(plan)},
            {"dependencies", Json::array()}};
}

Outcome<void> check_place_and_name(const ResourceId& id) {
    if (id.group.empty() || id.sections.size() != 1) {
        return refuse(400, "InvalidRequest", "Only deployments in resource groups are supported.");
    }
    if (id.name().size() <= kMaxDeploymentName) return {};
    return refuse(
        400, "DeploymentNameLengthLimitExceeded",
        "The provided deployment name '{}' has a length of '{}' which exceeds the maximum "
        "length of '{}'.",
        id.name(), id.name().size(), kMaxDeploymentName);
}

// operation is the record of one resource of a deployment.
Json operation(const PlannedResource& planned, size_t number, const Problem* failure) {
    Json properties = {
        {"provisioningOperation", "Create"},
        {"provisioningState", failure == nullptr ? "Succeeded" : "Failed"},
        {"statusCode", failure == nullptr ? "OK" : failure->code},
        {"targetResource",
         {{"id", planned.id}, {"resourceType", planned.type}, {"resourceName", planned.name}}}};
    if (failure != nullptr) {
        properties["statusMessage"] = {{"status", "Failed"}, {"error", failure->to_json()}};
    }
    return {{"operationId", fmt::format("{:016X}", number)}, {"properties", std::move(properties)}};
}

tl::unexpected<Problem> failed(const ResourceId& deployment, std::string_view message,
                               Problem reason) {
    Problem out(409, kFailed, std::string(message), {std::move(reason)});
    out.target = deployment.text();
    return tl::unexpected<Problem>(std::move(out));
}

}  // namespace

Outcome<std::unique_ptr<Plan>> Service::Impl::plan(const Call& call, const ResourceId& id) const {
    Result<Json> body = parse_relaxed_json_object(call.request.body);
    if (!body) {
        return refuse(400, "InvalidRequestContent",
                      "The request content was invalid and could not be deserialized: '{}'.",
                      body.error().message);
    }
    const Json* properties = find_member(*body, "properties");
    const Json* document = properties == nullptr ? nullptr : find_member(*properties, "template");
    if (document == nullptr || !document->is_object()) {
        return refuse(400, "InvalidRequestContent",
                      "The request content was invalid: 'properties.template' must be an object; "
                      "templates behind links are not supported.");
    }
    const std::string mode = text_or_empty(*properties, "mode");
    if (!mode.empty() && !equal_ignore_case(mode, "Incremental")) {
        return refuse(400, "InvalidRequestContent",
                      "The deployment mode '{}' is not supported: only Incremental is.", mode);
    }
    Resource group = TRY(find_group(id.group));
    Place place;
    place.resource_group = group.shown();
    place.subscription = subscription();
    place.tenant = {{"tenantId", config.callers.tenant}, {"displayName", config.tenant_name}};
    place.deployment = id.name();
    place.now = compact_time(now());
    place.regions = region_names();
    place.deployer = {{"objectId", call.caller.object_id}, {"tenantId", config.callers.tenant}};
    if (!call.caller.user_name.empty()) {
        place.deployer["userPrincipalName"] = call.caller.user_name;
    }
    const Json* parameters = find_member(*properties, "parameters");
    Result<std::unique_ptr<Plan>> made =
        Plan::make(*document, parameters == nullptr ? Json() : *parameters, std::move(place),
                   [this, &call](const std::string& name) { return group_for_nested(call, name); });
    if (!made) return fail(plan_problem(made.error()));
    return std::move(*made);
}

// Who may not deploy there is not told either whether there is such a group.
Result<Json> Service::Impl::group_for_nested(const Call& call, const std::string& name) const {
    const std::string id = fmt::format("{}/resourceGroups/{}", subscription_path(), name);
    Outcome<void> allowed = authorize(call, id, std::string(kType) + "/write");
    if (!allowed) {
        const Code code = allowed.error().status == 403 ? Code::forbidden : Code::internal;
        return fail(code, "{}", allowed.error().message);
    }
    Outcome<Resource> group = find_group(name);
    if (!group) {
        const Code code = group.error().status == 404 ? Code::not_found : Code::internal;
        return fail(code, "{}", group.error().message);
    }
    return group->shown();
}

Outcome<Answer> Service::Impl::validate_deployment(const Call& call, const ResourceId& id) {
    TRY(check_place_and_name(id));
    TRY(authorize(call, id.text(), std::string(kType) + "/validate/action"));
    std::unique_ptr<Plan> plan = TRY(this->plan(call, id));
    for (size_t i = 0; i < plan->resources().size(); ++i) {
        Result<void> checked = plan->check(i);
        if (!checked) return invalid_template(checked.error().message);
    }
    Json properties = properties_of(*plan, "Succeeded", now());
    properties["validatedResources"] = Json::array();
    collect_ids(*plan, properties["validatedResources"]);
    return Answer{200,
                  {{"id", id.text()},
                   {"name", id.name()},
                   {"type", kType},
                   {"properties", std::move(properties)}}};
}

// refer_to is `reference`: what its caller could read as well.
Result<Json> Service::Impl::refer_to(const Call& call, const std::string& id, bool whole) const {
    Outcome<Json> found = [&]() -> Outcome<Json> {
        const ResourceId parsed = TRY(ResourceId::parse(id));
        TRY(authorize(call, parsed.text(), parsed.type() + "/read"));
        return get_item(parsed);
    }();
    if (!found) {
        const bool denied = found.error().status == 403;
        return fail(Code::invalid, "{}",
                    denied ? found.error().message : fmt::format("there is no resource '{}'", id));
    }
    if (whole) return std::move(*found);
    const Json* properties = find_member(*found, "properties");
    return properties == nullptr ? Json::object() : *properties;
}

Outcome<Json> Service::Impl::deploy_nested(const Call& call, const Plan& plan, size_t index) {
    const PlannedResource& planned = plan.resources()[index];
    const ResourceId id = TRY(ResourceId::parse(planned.id));
    TRY(authorize(call, id.text(), std::string(kType) + "/write"));
    Result<const Plan*> inner = plan.nested(
        index, [&](const std::string& text, bool whole) { return refer_to(call, text, whole); });
    if (!inner) return fail(plan_problem(inner.error()));
    const Call own{call.request, call.caller, planned.api_version, call.owner};
    Outcome<Resource> done = run_deployment(own, id, **inner);
    if (done) return done->body["properties"]["outputResources"];
    if (done.error().code != kFailed) return fail(std::move(done.error()));
    Problem failure(409, "ResourceDeploymentFailure",
                    "The resource write operation failed to complete successfully, because it "
                    "reached terminal provisioning state 'Failed'.",
                    {std::move(done.error())});
    failure.target = planned.id;
    return fail(std::move(failure));
}

Outcome<Json> Service::Impl::deploy_one(const Call& call, const Plan& plan, size_t index) {
    const PlannedResource& planned = plan.resources()[index];
    if (planned.deployment) return deploy_nested(call, plan, index);
    Result<Json> body = plan.body(
        index, [&](const std::string& text, bool whole) { return refer_to(call, text, whole); });
    if (!body) return invalid_template(body.error().message);
    const Call own{call.request, call.caller, planned.api_version, call.owner};
    TRY(put(own, TRY(ResourceId::parse(planned.id)), std::move(*body)));
    return Json::array({{{"id", planned.id}}});
}

Outcome<void> Service::Impl::deploy(const Call& call, const ResourceId& id, const Plan& plan,
                                    Json& deployment, Json& operations) {
    Json& made = deployment["outputResources"] = Json::array();
    for (size_t i = 0; i < plan.resources().size(); ++i) {
        Outcome<Json> done = deploy_one(call, plan, i);
        operations.push_back(operation(plan.resources()[i], i + 1, done ? nullptr : &done.error()));
        if (!done) {
            return failed(id,
                          "At least one resource deployment operation failed. Please list "
                          "deployment operations for details.",
                          std::move(done.error()));
        }
        made.insert(made.end(), done->begin(), done->end());
    }
    Result<Json> outputs = plan.outputs(
        [&](const std::string& text, bool whole) { return refer_to(call, text, whole); });
    if (!outputs) {
        return failed(id, "The outputs could not be evaluated.",
                      Problem(400, "DeploymentOutputEvaluationFailed", outputs.error().message));
    }
    deployment["outputs"] = std::move(*outputs);
    return {};
}

Outcome<Resource> Service::Impl::run_deployment(const Call& call, const ResourceId& id,
                                                const Plan& plan) {
    std::optional<Resource> before = TRY(read(id.text()));
    Resource record = before.value_or(Resource{id.text(), std::string(kType), id.name()});
    Json properties = properties_of(plan, "Succeeded", now());
    Json operations = Json::array();
    Outcome<void> done = deploy(call, id, plan, properties, operations);
    if (!done) {
        properties["provisioningState"] = "Failed";
        properties["error"] = done.error().to_json();
    }
    record.body = {{"properties", std::move(properties)}};
    record.inner = {{"template", plan.document()}, {"operations", std::move(operations)}};
    record.api_version = call.api_version;
    record.changed = now();
    call.sign(record);
    if (!before) {
        record.created = record.changed;
        record.created_by = record.changed_by;
    }
    TRY(deps.store.run(
        [&](store::Transaction& tx) -> Result<void> { return put_resource(tx, record); }));
    TRY(std::move(done));
    return record;
}

Outcome<Answer> Service::Impl::put_deployment(const Call& call, const ResourceId& id) {
    TRY(check_place_and_name(id));
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), std::string(kType) + "/write"));
    std::unique_ptr<Plan> plan = TRY(this->plan(call, id));
    const Resource record = TRY(run_deployment(call, id, *plan));
    return Answer{200, record.shown()};
}

// What clients read of a deployment beside itself: its operations, its state, its template.
Outcome<Answer> Service::Impl::deployment_part(const Call& call, const ResourceId& part) {
    const ResourceId id = part.parent();
    TRY(authorize(call, id.text(), std::string(kType) + "/read"));
    std::optional<Resource> found = TRY(read(id.text()));
    if (!found) return no_resource(id.text());
    const std::string what = to_lower(part.sections.back().types.back());
    const std::string& method = call.request.method;
    if (method == "GET" && what == "operations" && part.is_collection()) {
        return Answer{200, {{"value", found->inner["operations"]}}};
    }
    if (method == "GET" && what == "operations") {
        for (const Json& one : found->inner["operations"]) {
            if (equal_ignore_case(text_or_empty(one, "operationId"), part.name())) {
                return Answer{200, one};
            }
        }
        return refuse(404, "DeploymentOperationNotFound",
                      "Deployment operation '{}' could not be found.", part.name());
    }
    if (method == "GET" && what == "operationstatuses" && part.is_item()) {
        return Answer{200, {{"status", *found->property("provisioningState")}}};
    }
    if (method == "POST" && what == "exporttemplate") {
        return Answer{200, {{"template", found->inner["template"]}}};
    }
    return refuse(400, "InvalidRequest", "Deployments have no '{}' here.", what);
}

Outcome<net::Response> Service::Impl::list_operations(const Call& call) {
    const auto& given = call.request.params;
    std::string path =
        fmt::format("/subscriptions/{}/resourceGroups/{}/providers/{}/{}/operations",
                    given.at("subscription"), given.at("group"), kType, given.at("deployment"));
    if (given.contains("operation")) path += "/" + given.at("operation");
    const ResourceId id = TRY(ResourceId::parse(path));
    TRY(check_subscription(id));
    return respond(TRY(deployment_part(call, id)));
}

}  // namespace vouchsafe::cloud
