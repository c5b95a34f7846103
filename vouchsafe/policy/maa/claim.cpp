#include "vouchsafe/policy/maa/claim.h"

#include <algorithm>
#include <map>

#include "vouchsafe/base/json.h"

namespace vouchsafe::policy {

namespace {

bool fits_integer(const Json& json) {
    return json.is_number_integer() &&
           !(json.is_number_unsigned() && json.get<uint64_t>() > INT64_MAX);
}

ClaimValue value_from_json(const Json& json) {
    if (json.is_string()) return json.get<std::string>();
    if (json.is_boolean()) return json.get<bool>();
    if (fits_integer(json)) return json.get<int64_t>();
    return dump_json(json);
}

bool is_list_of_primitives(const Json& json) {
    return json.is_array() && std::none_of(json.begin(), json.end(), [](const Json& element) {
               return element.is_structured();
           });
}

}  // namespace

std::string_view value_type_name(const ClaimValue& value) {
    switch (value.index()) {
        case 0:
            return "String";
        case 1:
            return "Integer";
        default:
            return "Boolean";
    }
}

Json value_to_json(const ClaimValue& value) {
    return std::visit([](const auto& held) { return Json(held); }, value);
}

std::string_view issuer_name(ClaimIssuer issuer) {
    switch (issuer) {
        case ClaimIssuer::attestation_service:
            return "AttestationService";
        case ClaimIssuer::attestation_policy:
            return "AttestationPolicy";
        case ClaimIssuer::custom_claim:
            return "CustomClaim";
    }
    return "";
}

Result<std::vector<Claim>> claims_from_json(const Json& object, ClaimIssuer issuer) {
    if (!object.is_object()) return fail(Code::invalid, "claims must be a JSON object");
    std::vector<Claim> out;
    out.reserve(object.size() * 2);  // lists give several
    for (const auto& [name, member] : object.get_ref<const Json::object_t&>()) {
        if (name.empty()) return fail(Code::invalid, "a claim has no name");
        bool read_only = issuer == ClaimIssuer::attestation_service &&
                         std::find(std::begin(kReadOnlyClaims), std::end(kReadOnlyClaims), name) !=
                             std::end(kReadOnlyClaims);
        auto add = [&](const Json& value) {
            if (value.is_null()) return;
            out.push_back({name, value_from_json(value), issuer, read_only});
        };
        if (is_list_of_primitives(member)) {
            std::for_each(member.begin(), member.end(), add);
        } else {
            add(member);
        }
    }
    return out;
}

Json claims_to_json(const std::vector<Claim>& claims) {
    std::map<std::string, std::vector<ClaimValue>> values;
    for (const Claim& claim : claims) {
        std::vector<ClaimValue>& list = values[claim.type];
        if (std::find(list.begin(), list.end(), claim.value) == list.end()) {
            list.push_back(claim.value);
        }
    }
    Json out = Json::object();
    for (const auto& [type, list] : values) {
        if (list.size() == 1) {
            out[type] = value_to_json(list[0]);
            continue;
        }
        Json& array = out[type] = Json::array();
        for (const ClaimValue& value : list) array.push_back(value_to_json(value));
    }
    return out;
}

std::string show_claim(const Claim& claim) {
    return fmt::format("type == {}, value == {}, issuer == \"{}\"", show_json(claim.type),
                       show_json(value_to_json(claim.value)), issuer_name(claim.issuer));
}

}  // namespace vouchsafe::policy
