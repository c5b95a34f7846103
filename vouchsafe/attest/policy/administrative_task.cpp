#include "vouchsafe/attest/policy/administrative_task.h"

namespace vouchsafe::attest {

bool AdministrativeTask::by_signers() const {
    return service.config.policy_changes == Config::PolicyChanges::signers;
}

Result<void> AdministrativeTask::authorize(Actions actions) {
    const Config& config = service.config;
    access::Caller caller =
        TRY(access::verify_caller(request, config.callers, config.resource, service.key_sets,
                                  service.deps.clock.now(), checks, service.vouching.get()));
    entry.actor = caller.object_id;
    access::add_vouching(caller, entry.details);
    if (service.deps.limits) {
        throttled = service.deps.limits->take(net::LimitScope::principal, caller.object_id);
    }
    if (throttled) return fail(Code::unavailable, "over the limit of one principal");
    const access::NeededActions needed(access::Provider::attestation, actions);
    return service.deps.store.read([&](store::View& view) {
        return access::authorize(view, caller, needed, config.resource_id, service.assignments,
                                 checks);
    });
}

bool AdministrativeTask::is_strangers(const Error& error) const {
    const bool own_fault =
        error.code == Code::io || error.code == Code::internal || error.code == Code::unavailable;
    return service.deps.limits && entry.actor.empty() && !own_fault &&
           access::shows_credential(request);
}

Result<void> AdministrativeTask::check_signature(store::View& view,
                                                 const SignedDocument& document) {
    std::vector<crypto::Certificate> signers = TRY(service.policies->signers(view));
    return check_signer(document, signers, service.deps.clock.now(), checks);
}

Result<void> AdministrativeTask::commit(
    const std::function<Result<void>(store::Transaction&)>& change) {
    return service.deps.store.run([&](store::Transaction& tx) -> Result<void> {
        TRY(change(tx));
        entry.outcome = audit::Outcome::allowed;
        entry.checks = checks.list();
        TRY(service.deps.audit.append(tx, entry));
        return {};
    });
}

net::Response run_task(Service::Impl& service, const net::Request& request, std::string action,
                       std::string_view form_check,
                       const std::function<Result<Json>(AdministrativeTask&)>& act) {
    AdministrativeTask task{service, request, service.begin_entry(request, std::move(action)),
                            form_check};
    Result<Json> claims = act(task);
    if (!claims && task.is_strangers(claims.error())) {
        task.throttled = service.deps.limits->take(net::LimitScope::address, request.remote);
    }
    if (task.throttled) {
        net::Response response = net::throttled_response(*task.throttled, request);
        response.headers.set("x-ms-error-code", "Throttled");
        return response;
    }
    if (!claims) {
        task.entry.checks = task.checks.list();
        return service.refuse(std::move(task.entry), claims.error());
    }
    Result<std::string> token = service.sign_claims(std::move(*claims));
    if (!token) return service.refuse(std::move(task.entry), token.error());
    return net::json_response(200, {{"token", *token}});
}

}  // namespace vouchsafe::attest
