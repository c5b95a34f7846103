// The inside of Service, shared by the files that do its parts: service.cpp (what a request needs
// first), resources.cpp (any resource), groups.cpp, authorization.cpp (roles), vaults.cpp,
// deployments.cpp, catalog.cpp (what is always there), and routes.cpp (under which path).
#pragma once

#include <functional>
#include <mutex>
#include <vector>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/cloud/computed.h"
#include "vouchsafe/cloud/service.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::cloud {

class Plan;

// Call is one request of a known caller.
struct Call {
    const net::Request& request;
    access::Caller caller;
    std::string api_version;
    bool owner = false;  // by the settings, or as the lab itself

    // who is the caller as people are shown it.
    const std::string& who() const {
        return caller.user_name.empty() ? caller.object_id : caller.user_name;
    }
    // sign notes in a resource who changes it.
    void sign(Resource& resource) const {
        resource.changed_by = who();
        resource.actor = caller.object_id;
    }
};

// Answer is what an operation found or made.
struct Answer {
    int status = 200;
    Json body;  // null: none
};

struct Service::Impl {
    Impl(Config settings, Dependencies dependencies);

    using Operation = Outcome<net::Response> (Impl::*)(const Call&);

    // service.cpp
    net::Response answer(const net::Request& request, Operation operation);
    Outcome<Call> admit(const net::Request& request);
    int64_t now() const { return to_unix(deps.clock.now()); }
    Result<std::optional<Resource>> read(std::string_view id) const;
    Result<std::vector<Resource>> all_below(std::string_view prefix) const;
    Outcome<void> check_subscription(const ResourceId& id) const;
    std::string subscription_path() const { return "/subscriptions/" + config.subscription_id; }

    // resources.cpp: any item or collection; it sends special types to their files.
    Outcome<net::Response> any(const Call& call);
    Outcome<net::Response> list_resources(const Call& call);  // /subscriptions/{s}/resources
    Outcome<net::Response> list_in_group(const Call& call);   // .../resourceGroups/{g}/resources
    Outcome<Answer> get(const Call& call, const ResourceId& id);
    Json view_of(const Resource& machine) const;  // instance_view, as it is now
    Outcome<Answer> get_view(const Call& call, const ResourceId& machine);
    Outcome<Answer> put(const Call& call, const ResourceId& id, Json body);
    Outcome<Answer> patch(const Call& call, const ResourceId& id, const Json& changes);
    Outcome<Answer> remove(const Call& call, const ResourceId& id);
    Outcome<Answer> list(const Call& call, const ResourceId& collection);
    Outcome<Answer> act(const Call& call, const ResourceId& id, std::string_view action);
    Outcome<Answer> put_embedded(const Call& call, const ResourceId& id, Json body);
    Outcome<Answer> remove_embedded(const Call& call, const ResourceId& id);
    Outcome<Json> get_item(const ResourceId& id) const;  // embedded ones too; 404
    Outcome<void> check_place(const ResourceId& id, const Json& body, const Resource* before) const;
    Outcome<void> check_unique(const ResourceId& id) const;
    Outcome<void> check_lent(const Call& call, const Resource& now, const Resource* before) const;
    // write computes, has the effect, and stores; the answer is 201 or 200.
    Outcome<Answer> write(const Call& call, Resource now, const Resource* before);
    Outcome<void> save(Resource& now, const Resource* before);
    // erase_tree has the effects of removal and erases a resource with all that is below its id,
    // what was made last first.
    Outcome<void> erase_tree(const Resource& root);
    Outcome<void> erase_one(const Resource& resource);
    // Ending is what is written when an effect has run, or has failed.
    using Ending = std::function<Result<void>(store::Transaction&)>;
    // begin_writing waits for the turn, and first writes the endings that could not be written
    // before (a full disk): without them the records would not say what there is.
    Outcome<std::unique_lock<std::mutex>> begin_writing();
    // end_writing keeps an ending that cannot be written for the next write. `writing` is held.
    Result<void> end_writing(Ending ending);
    void forget_pending(const std::string& id);
    // finish does what was pending when the process died.
    Outcome<void> finish(Pending& pending, const Resource* before);
    bool concerned(std::string_view type) const;

    // groups.cpp
    Outcome<net::Response> list_groups(const Call& call);
    Outcome<net::Response> put_group(const Call& call);
    Outcome<net::Response> get_group(const Call& call);
    Outcome<net::Response> patch_group(const Call& call);
    Outcome<net::Response> remove_group(const Call& call);
    Outcome<net::Response> operation_result(const Call& call);
    Outcome<Resource> find_group(std::string_view name) const;

    // authorization.cpp
    // authorize wants a role assignment of the caller at or above `scope` that allows the action,
    // "Microsoft.KeyVault/vaults/write". 403 AuthorizationFailed.
    Outcome<void> authorize(const Call& call, std::string_view scope,
                            std::string_view action) const;
    Outcome<bool> has_any_role(const Call& call) const;
    Outcome<Answer> list_role_definitions(const Call& call, const ResourceId& collection);
    Outcome<Answer> get_role_definition(const ResourceId& id) const;
    Outcome<Answer> list_role_assignments(const Call& call, const ResourceId& collection);
    // principal_type returns what `given` or the directory says a principal is. 400
    // PrincipalNotFound, UnmatchedPrincipalType.
    Outcome<std::string> principal_type(const std::string& principal,
                                        const std::string& given) const;
    Outcome<Answer> put_role_assignment(const Call& call, const ResourceId& id, const Json& body);

    // vaults.cpp
    Outcome<net::Response> check_vault_name(const Call& call);
    Outcome<net::Response> list_deleted_vaults(const Call& call);
    Outcome<net::Response> get_deleted_vault(const Call& call);
    Outcome<net::Response> purge_vault(const Call& call);
    // They have the effect and move or erase the record of a deleted vault.
    Outcome<void> restore_deleted(Resource& vault);
    Outcome<void> purge_deleted(const Resource& vault);
    Outcome<void> have_effect_on_deleted(const Resource& vault, Pending::What what);
    Outcome<Answer> recover_vault(const Call& call, const ResourceId& id, const Deleted& deleted);
    Outcome<Answer> put_vault(const Call& call, const ResourceId& id, Json body);
    Outcome<Answer> change_access_policies(const Call& call, const ResourceId& id,
                                           const Json& body);

    // deployments.cpp
    Outcome<Answer> put_deployment(const Call& call, const ResourceId& id);
    Outcome<Answer> validate_deployment(const Call& call, const ResourceId& id);
    Outcome<Answer> deployment_part(const Call& call, const ResourceId& part);
    Outcome<net::Response> list_operations(const Call& call);  // and one of them
    // The plan borrows the call.
    Outcome<std::unique_ptr<Plan>> plan(const Call& call, const ResourceId& id) const;
    Result<Json> group_for_nested(const Call& call, const std::string& name) const;
    Result<Json> refer_to(const Call& call, const std::string& id, bool whole) const;
    // run_deployment makes what is planned and keeps the record of the deployment, whether it
    // succeeds or not. 409 DeploymentFailed.
    Outcome<Resource> run_deployment(const Call& call, const ResourceId& id, const Plan& plan);
    Outcome<void> deploy(const Call& call, const ResourceId& id, const Plan& plan, Json& deployment,
                         Json& operations);
    // deploy_one returns the ids of what it made: a nested deployment makes several resources.
    Outcome<Json> deploy_one(const Call& call, const Plan& plan, size_t index);
    Outcome<Json> deploy_nested(const Call& call, const Plan& plan, size_t index);

    // catalog.cpp
    Outcome<net::Response> list_tenants(const Call& call);
    Outcome<net::Response> list_subscriptions(const Call& call);
    Outcome<net::Response> get_subscription(const Call& call);
    Outcome<net::Response> list_locations(const Call& call);
    Outcome<net::Response> list_providers(const Call& call);
    Outcome<net::Response> get_provider(const Call& call);
    Outcome<net::Response> register_provider(const Call& call);
    Outcome<net::Response> list_skus(const Call& call);
    Outcome<net::Response> list_image_versions(const Call& call);
    Outcome<net::Response> get_image_version(const Call& call);
    Outcome<net::Response> default_attestation_providers(const Call& call);
    Outcome<net::Response> default_attestation_provider(const Call& call);  // of a region
    net::Response cloud_metadata(const net::Request& request) const;        // no caller needed
    Json subscription() const;

    const Config config;
    const Dependencies deps;
    mutable access::KeySets key_sets;
    std::mutex writing;             // one write at a time, effects included
    std::vector<Ending> unwritten;  // by `writing`
    net::Router router;
};

// add_routes fills impl.router: the whole table of the service (routes.cpp).
void add_routes(Service::Impl& impl);

// region_names are the regions of the lab, all with three zones (catalog.cpp).
std::vector<std::string> region_names();

net::Response respond(const Answer& answer);
net::Response list_response(Json values);  // {"value": [...]}

// parse_body reads a JSON object. 400 InvalidRequestContent.
Outcome<Json> parse_body(const net::Request& request);

// filter_value takes "name eq 'value'" out of an OData filter, "" if it is not there. Filters may
// have several such parts, joined by "and". A quote within a value is doubled.
std::string filter_value(const net::Request& request, std::string_view name);
bool filter_has(const net::Request& request, std::string_view word);

}  // namespace vouchsafe::cloud
