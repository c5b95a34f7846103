// Every path of the resource manager (azure-api E.2). What has no row of its own is an id of a
// resource or of a collection, and goes to `any`.
#include "vouchsafe/cloud/service_impl.h"

namespace vouchsafe::cloud {

void add_routes(Service::Impl& impl) {
    using Impl = Service::Impl;
    Impl* service = &impl;
    auto add = [service](std::string_view method, std::string_view pattern,
                         Impl::Operation operation) {
        service->router.add(method, pattern, [service, operation](const net::Request& request) {
            return service->answer(request, operation);
        });
    };
    const std::string s = "/subscriptions/{subscription}";
    const std::string group = s + "/resourceGroups/{group}";
    const std::string vaults = s + "/providers/Microsoft.KeyVault";
    const std::string attestation = s + "/providers/Microsoft.Attestation";
    const std::string images =
        s +
        "/providers/Microsoft.Compute/locations/{location}/publishers/{publisher}/"
        "artifacttypes/vmimage/offers/{offer}/skus/{sku}/versions";

    add("GET", "/tenants", &Impl::list_tenants);
    add("GET", "/subscriptions", &Impl::list_subscriptions);
    add("GET", s, &Impl::get_subscription);
    add("GET", s + "/locations", &Impl::list_locations);
    add("GET", s + "/providers", &Impl::list_providers);
    add("GET", s + "/providers/{namespace}", &Impl::get_provider);
    add("POST", s + "/providers/{namespace}/register", &Impl::register_provider);
    add("GET", s + "/operationresults/{operation}", &Impl::operation_result);
    add("GET", s + "/resources", &Impl::list_resources);

    add("GET", s + "/resourceGroups", &Impl::list_groups);
    add("PUT", group, &Impl::put_group);
    add("GET", group, &Impl::get_group);
    add("HEAD", group, &Impl::get_group);
    add("PATCH", group, &Impl::patch_group);
    add("DELETE", group, &Impl::remove_group);
    add("GET", group + "/resources", &Impl::list_in_group);
    // Azure's older path of what lies below a deployment, which az uses.
    add("GET", group + "/deployments/{deployment}/operations", &Impl::list_operations);
    add("GET", group + "/deployments/{deployment}/operations/{operation}", &Impl::list_operations);

    add("GET", s + "/providers/Microsoft.Compute/skus", &Impl::list_skus);
    add("GET", images, &Impl::list_image_versions);
    add("GET", images + "/{version}", &Impl::get_image_version);

    add("POST", vaults + "/checkNameAvailability", &Impl::check_vault_name);
    add("GET", vaults + "/deletedVaults", &Impl::list_deleted_vaults);
    add("GET", vaults + "/locations/{location}/deletedVaults/{vault}", &Impl::get_deleted_vault);
    add("POST", vaults + "/locations/{location}/deletedVaults/{vault}/purge", &Impl::purge_vault);
    add("GET", attestation + "/defaultProviders", &Impl::default_attestation_providers);
    add("GET", attestation + "/locations/{location}/defaultProvider",
        &Impl::default_attestation_provider);
    // Asked before anybody has signed in.
    service->router.add("GET", "/metadata/endpoints", [service](const net::Request& request) {
        return service->cloud_metadata(request);
    });

    for (const char* method : {"GET", "HEAD", "PUT", "PATCH", "DELETE", "POST"}) {
        add(method, "/{id*}", &Impl::any);
    }
}

}  // namespace vouchsafe::cloud
