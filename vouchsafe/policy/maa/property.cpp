#include "vouchsafe/policy/maa/engine.h"

namespace vouchsafe::policy {

namespace {

constexpr std::string_view kAikCert = "require_valid_aik_cert";
constexpr std::string_view kPcrMask = "required_pcr_mask";
constexpr std::string_view kTcbIdentifier = "x-ms-sgx-tcbidentifier";
constexpr std::string_view kValidity = "report_validity_in_minutes";
constexpr std::string_view kOmitX5c = "omit_x5c";

bool in_range(const ClaimValue& value, int64_t least, int64_t most) {
    const auto* number = std::get_if<int64_t>(&value);
    return number != nullptr && *number >= least && *number <= most;
}

}  // namespace

Result<void> check_property(const Claim& property) {
    std::string wanted;
    if (property.type == kAikCert || property.type == kOmitX5c) {
        if (!std::holds_alternative<bool>(property.value)) wanted = "a Boolean";
    } else if (property.type == kPcrMask) {
        if (!in_range(property.value, 0, kMaxPcrMask)) {
            wanted = fmt::format("an Integer from 0 to {}", kMaxPcrMask);
        }
    } else if (property.type == kValidity) {
        if (!in_range(property.value, 1, kMaxReportValidity)) {
            wanted = fmt::format("an Integer from 1 to {}", kMaxReportValidity);
        }
    } else if (property.type == kTcbIdentifier) {
        const auto* text = std::get_if<std::string>(&property.value);
        if (text == nullptr || text->empty()) wanted = "a String that is not empty";
    }
    if (wanted.empty()) return {};
    return fail(Code::invalid, "the property {} is {}, not {}", property.type, wanted,
                show_json(value_to_json(property.value), 40));
}

void set_property(PolicyProperties& properties, const Claim& property) {
    const ClaimValue& value = property.value;
    if (property.type == kAikCert) properties.require_valid_aik_cert = std::get<bool>(value);
    if (property.type == kOmitX5c) properties.omit_x5c = std::get<bool>(value);
    if (property.type == kPcrMask) properties.required_pcr_mask = std::get<int64_t>(value);
    if (property.type == kValidity) {
        properties.report_validity_in_minutes = std::get<int64_t>(value);
    }
    if (property.type == kTcbIdentifier) {
        properties.sgx_tcb_identifier = std::get<std::string>(value);
    }
    properties.all[property.type] = value_to_json(value);
}

}  // namespace vouchsafe::policy
