#include "vouchsafe/lab/machine_file.h"

#include "vouchsafe/base/bytes.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::lab {

namespace {

// Texts for the metadata service: member of the file and of the spec.
constexpr std::pair<std::string_view, std::string MachineSpec::*> kToldTexts[] = {
    {"location", &MachineSpec::location},
    {"vm_size", &MachineSpec::vm_size},
    {"subscription_id", &MachineSpec::subscription_id},
    {"resource_group", &MachineSpec::resource_group},
    {"resource_id", &MachineSpec::resource_id}};

// A file without this member is of a time when there was one kind.
Result<MachineKind> kind_from_json(const Json& json) {
    auto name = TRY(json_optional_string(json, "kind"));
    if (!name) return MachineKind::confidential;
    for (MachineKind kind : {MachineKind::confidential, MachineKind::trusted_launch}) {
        if (*name == machine_kind_name(kind)) return kind;
    }
    return fail(Code::invalid, "\"{}\" is no kind of machine", *name);
}

}  // namespace

std::string_view machine_kind_name(MachineKind kind) {
    return kind == MachineKind::confidential ? "confidential" : "trusted_launch";
}

std::string encode_machine(const MachineIdentity& identity) {
    const MachineSpec& spec = identity.spec;
    Json out = {{"name", spec.name},
                {"kind", machine_kind_name(spec.kind)},
                {"state_key", identity.state_key},
                {"vm_id", spec.vm_id},
                {"principal_id", spec.principal_id},
                {"secure_boot", spec.secure_boot},
                {"allow_debug", spec.allow_debug},
                {"report_version", spec.report_version},
                {"vcek_pem", identity.vcek_pem},
                {"chain_pem", identity.chain_pem},
                {"reported_tcb", fmt::format("{:016x}", identity.reported_tcb)}};
    if (spec.extend_after_boot) out["extend_after_boot"] = *spec.extend_after_boot;
    for (const auto& [member, value] : kToldTexts) {
        if (!(spec.*value).empty()) out[std::string(member)] = spec.*value;
    }
    return dump_json_pretty(out);
}

Result<MachineIdentity> parse_machine(std::string_view text) {
    Json json = TRY(parse_json_object(text));
    MachineIdentity out;
    MachineSpec& spec = out.spec;
    spec.name = TRY(json_string(json, "name"));
    spec.kind = TRY(kind_from_json(json));
    out.state_key = TRY(json_optional_bool(json, "state_key")).value_or(false);
    spec.vm_id = TRY(json_string(json, "vm_id"));
    spec.principal_id = TRY(json_string(json, "principal_id"));
    spec.secure_boot = TRY(json_bool(json, "secure_boot"));
    spec.allow_debug = TRY(json_bool(json, "allow_debug"));
    spec.report_version = static_cast<uint32_t>(TRY(json_integer(json, "report_version")));
    if (auto pcr = TRY(json_optional_integer(json, "extend_after_boot"))) {
        spec.extend_after_boot = static_cast<uint32_t>(*pcr);
    }
    for (const auto& [member, value] : kToldTexts) {
        spec.*value = TRY(json_optional_string(json, member)).value_or("");
    }
    out.vcek_pem = TRY(json_string(json, "vcek_pem"));
    out.chain_pem = TRY(json_string(json, "chain_pem"));
    Bytes tcb = TRY(decode_hex(TRY(json_string(json, "reported_tcb"))));
    out.reported_tcb = TRY(Reader(tcb, "reported_tcb").u64_be("value"));
    return out;
}

}  // namespace vouchsafe::lab
