#include "vouchsafe/cloud/problem.h"

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::cloud {

Problem::Problem(const Error& error) : message(error.message) {
    const CodeInfo& info = code_info(error.code);
    status = info.http_status;
    code = info.azure_code;
    if (error.code != Code::io && error.code != Code::internal) return;
    log_event(LogLevel::error, "the resource manager failed", {{"error", error.message}});
    message = "The service failed. Its log has more.";
}

Json Problem::to_json() const {
    Json out = {{"code", code}, {"message", message}};
    if (!target.empty()) out["target"] = target;
    for (const Problem& detail : details) out["details"].push_back(detail.to_json());
    return out;
}

tl::unexpected<Problem> no_resource(std::string_view id) {
    return refuse(404, "ResourceNotFound", "The Resource '{}' was not found.", id);
}
tl::unexpected<Problem> no_group(std::string_view name) {
    return refuse(404, "ResourceGroupNotFound", "Resource group '{}' could not be found.", name);
}
tl::unexpected<Problem> no_method(std::string_view method) {
    return refuse(405, "MethodNotAllowed", "This path does not take {}.", method);
}

}  // namespace vouchsafe::cloud
