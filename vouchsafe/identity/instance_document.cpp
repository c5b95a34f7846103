// What the metadata service tells about the machine: the members that tools for confidential
// machines read (azure-api D.1). No network part: the machines here have none of Azure's making.
#include <algorithm>
#include <array>

#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/metadata_impl.h"

namespace vouchsafe::identity {

namespace {

// Versions that clients ask for, oldest first.
constexpr std::array<std::string_view, 14> kVersions = {
    "2017-03-01", "2017-08-01", "2017-12-01", "2018-02-01", "2019-03-11",
    "2019-08-01", "2020-09-01", "2021-01-01", "2021-02-01", "2021-05-01",
    "2021-12-13", "2023-07-01", "2023-11-15", "2025-04-07"};
constexpr size_t kNewest = 3;

// The value that the path names below /metadata/instance, or nullptr.
const Json* find_at(const Json& document, const net::Request& request) {
    constexpr size_t kPrefix = 2;  // "metadata", "instance"
    const Json* at = &document;
    for (size_t i = kPrefix; i < request.path.size() && at != nullptr; ++i) {
        at = find_member_ignore_case(*at, request.path[i]);
    }
    return at;
}

// As text, a leaf is its value and an object the names of its members, one per line.
std::string as_plain_text(const Json& value) {
    if (value.is_string()) return value.get<std::string>();
    std::string out;
    for (auto it = value.begin(); it != value.end(); ++it) {
        out += it.key() + (it->is_object() ? "/\n" : "\n");
    }
    if (!out.empty()) out.pop_back();
    return out;
}

}  // namespace

std::vector<std::string> known_versions() {
    return {kVersions.begin(), kVersions.end()};
}

bool is_known_version(std::string_view version) {
    return std::find(kVersions.begin(), kVersions.end(), version) != kVersions.end();
}

net::Response unknown_version() {
    std::vector<std::string> newest(kVersions.end() - kNewest, kVersions.end());
    std::reverse(newest.begin(), newest.end());
    return net::json_response(
        400, {{"error",
               "Bad request. api-version is invalid or was not specified in the request. "
               "For more information refer to aka.ms/azureimds"},
              {"newest-versions", newest}});
}

Json instance_document(const Machine& machine) {
    return {{"compute",
             {{"azEnvironment", "AzurePublicCloud"},
              {"isHostCompatibilityLayerVm", "false"},
              {"location", machine.location},
              {"name", machine.name},
              {"osType", machine.os_type},
              {"resourceGroupName", machine.resource_group},
              {"resourceId", machine.resource_id},
              {"securityProfile",
               {{"secureBootEnabled", machine.secure_boot ? "true" : "false"},
                {"securityType", machine.security_type},
                {"virtualTpmEnabled", machine.tpm ? "true" : "false"}}},
              {"subscriptionId", machine.subscription_id},
              {"vmId", machine.vm_id},
              {"vmSize", machine.vm_size},
              {"zone", ""}}}};
}

net::Response Metadata::Impl::instance(const net::Request& request) const {
    std::shared_ptr<const Machine> about = machine();
    if (about == nullptr) return metadata_error(400, "invalid_request", "Identity not found");
    Json document = instance_document(*about);
    const Json* value = find_at(document, request);
    if (value == nullptr) return metadata_error(404, "Not found", "There is nothing at this path");
    const std::string* format = request.query_value("format");
    if (format != nullptr && *format == "text")
        return net::text_response(200, as_plain_text(*value));
    if (format == nullptr || *format == "json") return net::json_response(200, *value);
    return metadata_error(400, "invalid_request", "The parameter format must be json or text");
}

net::Response Metadata::Impl::versions() const {
    return net::json_response(200, {{"apiVersions", known_versions()}});
}

}  // namespace vouchsafe::identity
