// Attestation providers of one's own: services beside the shared one (own_providers.h).
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/lab/cloud_effects_impl.h"

namespace vouchsafe::lab {

namespace {

using cloud::Resource;

// parse_signers reads properties.policySigningCertificates as the resource manager keeps it: a JWK
// set whose keys have their certificate in x5c (azure-api E.3).
Result<std::vector<crypto::Certificate>> parse_signers(const Json& given) {
    std::vector<crypto::Certificate> out;
    const Json& keys = member_or_null(given, "keys");
    if (!keys.is_array()) return fail(Code::invalid, "policySigningCertificates has no keys");
    for (const Json& key : keys) {
        const Json& chain = member_or_null(key, "x5c");
        const bool is_text = chain.is_array() && !chain.empty() && chain.front().is_string();
        auto der = decode_base64(is_text ? chain.front().get<std::string>() : "");
        auto certificate = der ? crypto::Certificate::parse_der(*der)
                               : Result<crypto::Certificate>(fail(der.error()));
        if (!certificate) {
            return fail(Code::invalid, "PolicySigningCertificate key is not an X509 security key");
        }
        out.push_back(std::move(*certificate));
    }
    return out;
}

// wanted_provider says what a record wants. The certificates count when the provider is made: later
// its signers are changed by signers.
Result<OwnProvider> wanted_provider(const Resource& resource) {
    if (equal_ignore_case(property_text(resource, "publicNetworkAccess"), "Disabled")) {
        return fail(Code::unsupported,
                    "publicNetworkAccess: a lab has no private endpoints, so nobody could reach "
                    "the provider");
    }
    OwnProvider out;
    out.issuer = property_text(resource, "attestUri");
    out.resource_id = resource.id;
    out.isolated = equal_ignore_case(property_text(resource, "trustModel"), "Isolated");
    return out;
}

// open_provider lets people in: those who own the subscription by the lab's settings have no role
// assignment that would say it.
Result<void> open_provider(const EffectWorld& world, const OwnProvider& provider,
                           const std::string& actor) {
    for (const std::string& owner : world.owners) {
        TRY(world.attestation.assign_role(owner, "Owner", provider.resource_id, actor));
    }
    return world.show_provider(provider.issuer);
}

}  // namespace

Result<Json> put_provider_effect(const EffectWorld& world, const Resource& now,
                                 const Resource* before) {
    OwnProvider wanted = TRY(wanted_provider(now));
    if (before != nullptr) {
        TRY(take_up_provider(world, now));
        return Json::object();
    }
    if (equal_ignore_case(now.id, world.attestation.config().resource_id)) {
        return fail(Code::conflict, "{} is the lab's shared provider", now.id);
    }
    if (wanted.isolated) {
        const Json& given = member_or_null(now.inner, "policySigningCertificates");
        wanted.signers = TRY(parse_signers(given));
    }
    Result<void> done = world.providers.make(wanted, actor_of(now));
    if (done) done = open_provider(world, wanted, actor_of(now));
    if (done) return Json::object();
    // Nothing stays of one that could not be made.
    [[maybe_unused]] auto removed = world.providers.remove(wanted, actor_of(now));
    return fail(std::move(done.error()));
}

Result<void> take_up_provider(const EffectWorld& world, const Resource& resource) {
    const OwnProvider wanted = TRY(wanted_provider(resource));
    TRY(world.providers.start(wanted));
    return open_provider(world, wanted, "operator");
}

Result<void> remove_provider_effect(const EffectWorld& world, const Resource& resource) {
    const OwnProvider wanted = TRY(wanted_provider(resource));
    world.hide_provider(wanted.issuer);
    Result<void> removed = world.providers.remove(wanted, actor_of(resource));
    if (removed) return {};
    // Its record stays, and so does what it says.
    if (world.providers.start(wanted)) TRY(world.show_provider(wanted.issuer));
    return removed;
}

}  // namespace vouchsafe::lab
