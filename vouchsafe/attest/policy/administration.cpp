#include "vouchsafe/attest/policy/administration.h"

#include <functional>

#include "vouchsafe/attest/service_impl.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest {

using crypto::Certificate;
using policy::AttestationTarget;

namespace {

constexpr std::string_view kReset = ":reset";  // behind the type, in the same segment
constexpr std::string_view kReads[] = {"attestation/read"};
constexpr std::string_view kWrites[] = {"attestation/write"};
constexpr std::string_view kDeletes[] = {"attestation/delete"};

using Actions = std::span<const std::string_view>;

// Task is one administrative request on its way.
struct Task {
    Service::Impl& service;
    const net::Request& request;
    audit::Entry entry;
    Checks checks = {};

    bool by_signers() const {
        return service.config.policy_changes == Config::PolicyChanges::signers;
    }

    // authorize: the caller is known and has a role that allows one of the actions.
    Result<void> authorize(Actions actions) {
        const Config& config = service.config;
        access::Caller caller =
            TRY(access::verify_caller(request, config.callers, config.resource, service.key_sets,
                                      service.deps.clock.now(), checks));
        entry.actor = caller.object_id;
        return service.deps.store.read([&](store::View& view) {
            return access::authorize(view, caller, access::Provider::attestation,
                                     config.resource_id, actions, checks);
        });
    }

    Result<SignedDocument> read_document() {
        return readable(SignedDocument::parse(request.body), "body", "a compact JWS");
    }

    template <typename T>
    Result<T> readable(Result<T> read, std::string field, std::string expected) {
        TRY(checks.require(read.has_value(), "ATTEST-POLICY-FORM", std::move(field),
                           std::move(expected), read ? "one" : read.error().message));
        return read;
    }

    // check_signature, where a signature is what allows a change.
    Result<void> check_signature(store::View& view, const SignedDocument& document) {
        std::vector<Certificate> signers = TRY(service.policies->signers(view));
        return check_signer(document, signers, service.deps.clock.now(), checks);
    }

    // commit makes a change and its audit entry in one transaction.
    Result<void> commit(const std::function<Result<void>(store::Transaction&)>& change) {
        return service.deps.store.run([&](store::Transaction& tx) -> Result<void> {
            TRY(change(tx));
            entry.outcome = audit::Outcome::allowed;
            entry.checks = checks.list();
            TRY(service.deps.audit.append(tx, entry));
            return {};
        });
    }
};

Result<AttestationTarget> target_of(const net::Request& request, std::string_view suffix) {
    std::string_view name = request.params.at("type");
    name.remove_suffix(suffix.size());
    auto target = policy::find_target(name);
    if (!target) return fail(Code::not_found, "there is no attestation type {}", show_json(name));
    return *target;
}

std::string digest_of(std::string_view text) {
    return encode_base64url(crypto::sha256(as_bytes(text)));
}

// run does a task, and answers with a token of its claims.
net::Response run(Service::Impl& service, const net::Request& request, std::string action,
                  const std::function<Result<Json>(Task&)>& act) {
    Task task{service, request, service.begin_entry(request, std::move(action))};
    Result<Json> claims = act(task);
    if (!claims) {
        task.entry.checks = task.checks.list();
        return service.refuse(std::move(task.entry), claims.error());
    }
    Result<std::string> token = service.sign_claims(std::move(*claims));
    if (!token) return service.refuse(std::move(task.entry), token.error());
    return net::json_response(200, {{"token", *token}});
}

// allow_change: by role first, so that a stranger learns nothing about the document, and an old
// signed one is no use to whoever may read it; then, where it is demanded, by signature within the
// transaction.
Result<SignedDocument> allow_change(Task& task, Actions actions) {
    TRY(task.authorize(actions));
    return task.read_document();
}

net::Response change_policy(Service::Impl& service, const net::Request& request, bool reset) {
    return run(
        service, request, reset ? "policies/reset" : "policies/set",
        [&](Task& task) -> Result<Json> {
            AttestationTarget target = TRY(target_of(request, reset ? kReset : ""));
            task.entry.resource = policy::target_name(target);
            SignedDocument document = TRY(allow_change(task, reset ? Actions(kDeletes) : kWrites));
            if (reset) {
                TRY(task.checks.require(document.payload.empty(), "ATTEST-POLICY-FORM", "payload",
                                        "empty", document.payload.empty() ? "empty" : "not empty"));
            } else {
                auto read =
                    TRY(task.readable(read_policy(document), "AttestationPolicy", "a policy"));
                task.entry.details["policy-hash"] = read->hash;
            }
            TRY(task.commit([&](store::Transaction& tx) -> Result<void> {
                if (task.by_signers()) TRY(task.check_signature(tx, document));
                if (reset) return service.policies->reset(tx, target);
                return service.policies->set(tx, target, document);
            }));
            Json claims = {{"x-ms-policy-result", reset ? "Removed" : "Updated"},
                           {"x-ms-policy-token-hash", digest_of(document.jws)}};
            if (Json signer = document.signer(); !signer.is_null()) {
                claims["x-ms-policy-signer"] = std::move(signer);
            }
            return claims;
        });
}

net::Response change_signers(Service::Impl& service, const net::Request& request, bool add) {
    return run(
        service, request, add ? "certificates/add" : "certificates/remove",
        [&](Task& task) -> Result<Json> {
            SignedDocument document = TRY(allow_change(task, kWrites));
            Certificate signer = TRY(
                task.readable(signer_to_change(document), "policyCertificate", "a certificate"));
            task.entry.resource = encode_hex(signer.sha1_fingerprint());
            TRY(task.commit([&](store::Transaction& tx) -> Result<void> {
                // The first signer can only be introduced by a caller whose role allows it.
                bool first = !task.by_signers() && TRY(service.policies->signers(tx)).empty();
                if (!first) TRY(task.check_signature(tx, document));
                TRY(add ? service.policies->add_signer(tx, signer)
                        : service.policies->remove_signer(tx, signer));
                return {};
            }));
            return Json{{"x-ms-policycertificates-result", add ? "IsPresent" : "IsAbsent"},
                        {"x-ms-certificate-thumbprint", encode_hex(signer.sha1_fingerprint())}};
        });
}

}  // namespace

net::Response get_policy(Service::Impl& service, const net::Request& request) {
    return run(service, request, "policies/get", [&](Task& task) -> Result<Json> {
        AttestationTarget target = TRY(target_of(request, ""));
        TRY(task.authorize(kReads));
        SharedPolicy policy = TRY(service.policies->active(target));
        return Json{{"x-ms-policy", policy ? policy->jws : jose::unsigned_jws({}, {})}};
    });
}

net::Response set_policy(Service::Impl& service, const net::Request& request) {
    return change_policy(service, request, false);
}

net::Response reset_policy(Service::Impl& service, const net::Request& request) {
    if (!to_lower(request.params.at("type")).ends_with(kReset)) {
        return net::error_response(405, "MethodNotAllowed",
                                   "POST is for /policies/{type}:reset alone.");
    }
    return change_policy(service, request, true);
}

net::Response get_signers(Service::Impl& service, const net::Request& request) {
    return run(service, request, "certificates/get", [&](Task& task) -> Result<Json> {
        TRY(task.authorize(kReads));
        Json keys = Json::array();
        TRY(service.deps.store.read([&](store::View& view) -> Result<void> {
            for (const Certificate& signer : TRY(service.policies->signers(view))) {
                Json jwk = jose::encode_jwk(TRY(signer.public_key()));
                jwk["x5c"] = Json::array({encode_base64(signer.der())});
                keys.push_back(std::move(jwk));
            }
            return {};
        }));
        return Json{{"x-ms-policy-certificates", {{"keys", std::move(keys)}}}};
    });
}

net::Response add_signer(Service::Impl& service, const net::Request& request) {
    return change_signers(service, request, true);
}

net::Response remove_signer(Service::Impl& service, const net::Request& request) {
    return change_signers(service, request, false);
}

}  // namespace vouchsafe::attest
