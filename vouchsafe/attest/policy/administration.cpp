#include "vouchsafe/attest/policy/administration.h"

#include "vouchsafe/attest/policy/administrative_task.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/crypto/hash.h"
#include "vouchsafe/jose/jwk.h"

namespace vouchsafe::attest {

using crypto::Certificate;
using policy::AttestationTarget;

namespace {

constexpr std::string_view kReset = ":reset";  // behind the type, in the same segment
constexpr std::string_view kForm = "ATTEST-POLICY-FORM";
using Task = AdministrativeTask;

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

net::Response run(Service::Impl& service, const net::Request& request, std::string action,
                  const std::function<Result<Json>(Task&)>& act) {
    return run_task(service, request, std::move(action), kForm, act);
}

// allow_change: by role first; then, where it is demanded, by signature within the transaction.
Result<SignedDocument> allow_change(Task& task, Actions actions) {
    TRY(task.authorize(actions));
    return task.readable(SignedDocument::parse(task.request.body), "body", "a compact JWS");
}

net::Response change_policy(Service::Impl& service, const net::Request& request, bool reset) {
    return run(
        service, request, reset ? "policies/reset" : "policies/set",
        [&](Task& task) -> Result<Json> {
            AttestationTarget target = TRY(target_of(request, reset ? kReset : ""));
            task.entry.resource = policy::target_name(target);
            SignedDocument document = TRY(allow_change(task, reset ? Actions(kDeletes) : kWrites));
            if (reset) {
                TRY(task.checks.require(document.payload.empty(), kForm, "payload", "empty",
                                        document.payload.empty() ? "empty" : "not empty"));
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
        net::Response response = net::error_response(405, "MethodNotAllowed",
                                                     "POST is for /policies/{type}:reset alone.");
        response.headers.set("Allow", "GET, PUT");
        return response;
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
