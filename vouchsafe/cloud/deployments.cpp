// Deployments: a template is taken apart (template/plan.h) and each of its resources is put, in
// order, as if its caller had put it. The answer comes when all are there; one that fails ends it,
// and what was made before stays, as on Azure.
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/cloud/service_impl.h"
#include "vouchsafe/cloud/template/plan.h"
#include "vouchsafe/cloud/template/relaxed_json.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/crypto/random.h"

namespace vouchsafe::cloud {

namespace {

constexpr std::string_view kType = "Microsoft.Resources/deployments";

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

Json output_resources(const Plan& plan) {
    Json out = Json::array();
    for (const PlannedResource& one : plan.resources()) out.push_back({{"id", one.id}});
    return out;
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
            {"dependencies", Json::array()},
            {"outputResources", output_resources(plan)}};
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
    const Json* parameters = find_member(*properties, "parameters");
    Result<std::unique_ptr<Plan>> made =
        Plan::make(*document, parameters == nullptr ? Json() : *parameters, std::move(place));
    if (!made) return invalid_template(made.error().message);
    return std::move(*made);
}

Outcome<Answer> Service::Impl::validate_deployment(const Call& call, const ResourceId& id) {
    if (id.group.empty() || id.sections.size() != 1) {
        return refuse(400, "InvalidRequest", "Only deployments in resource groups are supported.");
    }
    TRY(authorize(call, id.text(), std::string(kType) + "/validate/action"));
    std::unique_ptr<Plan> plan = TRY(this->plan(call, id));
    for (size_t i = 0; i < plan->resources().size(); ++i) {
        Result<void> checked = plan->check(i);
        if (!checked) return invalid_template(checked.error().message);
    }
    Json properties = properties_of(*plan, "Succeeded", now());
    properties["validatedResources"] = properties["outputResources"];
    properties.erase("outputResources");
    return Answer{200,
                  {{"id", id.text()},
                   {"name", id.name()},
                   {"type", kType},
                   {"properties", std::move(properties)}}};
}

Outcome<void> Service::Impl::deploy(const Call& call, const Plan& plan, Json& deployment,
                                    Json& operations) {
    const Plan::Reference reference = [this](const std::string& text, bool whole) -> Result<Json> {
        Outcome<ResourceId> id = ResourceId::parse(text);
        Outcome<Json> found = Json();
        if (id) found = get_item(*id);
        if (!id || !found) return fail(Code::not_found, "there is no resource '{}'", text);
        if (whole) return std::move(*found);
        const Json* properties = find_member(*found, "properties");
        return properties == nullptr ? Json::object() : *properties;
    };
    for (size_t i = 0; i < plan.resources().size(); ++i) {
        const PlannedResource& planned = plan.resources()[i];
        Outcome<Answer> done = [&]() -> Outcome<Answer> {
            Result<Json> body = plan.body(i, reference);
            if (!body) return invalid_template(body.error().message);
            Call inner{call.request, call.caller, planned.api_version, call.owner};
            return put(inner, TRY(ResourceId::parse(planned.id)), std::move(*body));
        }();
        operations.push_back({{"operationId", fmt::format("{:016X}", i + 1)},
                              {"properties",
                               {{"provisioningOperation", "Create"},
                                {"provisioningState", done ? "Succeeded" : "Failed"},
                                {"statusCode", done ? "OK" : done.error().code},
                                {"targetResource",
                                 {{"id", planned.id},
                                  {"resourceType", planned.type},
                                  {"resourceName", planned.name}}}}}});
        if (!done) {
            return fail(Problem(409, "DeploymentFailed",
                                "At least one resource deployment operation failed. Please list "
                                "deployment operations for details.",
                                {done.error()}));
        }
    }
    Result<Json> outputs = plan.outputs(reference);
    if (!outputs) {
        return fail(
            Problem(409, "DeploymentFailed", "The outputs could not be evaluated.",
                    {Problem(400, "DeploymentOutputEvaluationFailed", outputs.error().message)}));
    }
    deployment["outputs"] = std::move(*outputs);
    return {};
}

Outcome<Answer> Service::Impl::put_deployment(const Call& call, const ResourceId& id) {
    if (id.group.empty() || id.sections.size() != 1) {
        return refuse(400, "InvalidRequest", "Only deployments in resource groups are supported.");
    }
    TRY(check_subscription(id));
    TRY(authorize(call, id.text(), std::string(kType) + "/write"));
    std::unique_ptr<Plan> plan = TRY(this->plan(call, id));
    std::optional<Resource> before = TRY(read(id.text()));
    Resource record = before.value_or(Resource{id.text(), std::string(kType), id.name()});
    Json properties = properties_of(*plan, "Succeeded", now());
    Json operations = Json::array();
    Outcome<void> done = deploy(call, *plan, properties, operations);
    if (!done) {
        properties["provisioningState"] = "Failed";
        properties["error"] = done.error().to_json();
    }
    record.body = {{"properties", std::move(properties)}};
    record.inner = {{"template", plan->document()}, {"operations", std::move(operations)}};
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
    if (method == "GET" && what == "operationstatuses" && part.is_item()) {
        return Answer{200, {{"status", *found->property("provisioningState")}}};
    }
    if (method == "POST" && what == "exporttemplate") {
        return Answer{200, {{"template", found->inner["template"]}}};
    }
    return refuse(400, "InvalidRequest", "Deployments have no '{}' here.", what);
}

}  // namespace vouchsafe::cloud
