#include "vouchsafe/lab/machine_list.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"

namespace vouchsafe::lab {

namespace {

constexpr size_t kMaxListFile = 4 << 20;

struct TextMember {
    const char* name;
    std::string ListedMachine::*member;
};
constexpr TextMember kTexts[] = {
    {"name", &ListedMachine::name},
    {"group", &ListedMachine::group},
    {"id", &ListedMachine::resource_id},
    {"vm_id", &ListedMachine::vm_id},
    {"user", &ListedMachine::user},
    {"power", &ListedMachine::power},
    {"security_type", &ListedMachine::security},
    {"tier", &ListedMachine::tier},
    {"private_ip", &ListedMachine::private_address},
    {"public_ip", &ListedMachine::public_address},
    {"reason", &ListedMachine::reason},
};

Json encode_listed(const ListedMachine& machine) {
    Json out = Json::object();
    for (const TextMember& text : kTexts) out[text.name] = machine.*text.member;
    if (!machine.first) return out;
    out["pid"] = machine.first->pid;
    out["start"] = machine.first->start;
    out["boot"] = machine.first->boot;
    return out;
}

Result<ListedMachine> decode_listed(const Json& json) {
    ListedMachine out;
    for (const TextMember& text : kTexts) out.*text.member = TRY(json_string(json, text.name));
    auto pid = TRY(json_optional_integer(json, "pid"));
    if (!pid) return out;
    ProcessMark first;
    first.pid = static_cast<int>(*pid);
    first.start = static_cast<uint64_t>(TRY(json_integer(json, "start")));
    first.boot = TRY(json_string(json, "boot"));
    if (is_running(first)) {
        out.first = std::move(first);
    } else if (out.power == "running") {
        out.power = "stopped";
    }
    return out;
}

std::string names_of(const std::vector<ListedMachine>& machines) {
    std::vector<std::string> names;
    for (const ListedMachine& machine : machines) names.push_back(machine.name);
    if (names.empty()) return "it has none";
    return fmt::format("it has {}", fmt::join(names, ", "));
}

}  // namespace

Result<void> write_machine_list(const Path& lab, const std::vector<ListedMachine>& machines) {
    Json list = Json::array();
    for (const ListedMachine& machine : machines) list.push_back(encode_listed(machine));
    const std::string text = dump_json_pretty({{"machines", std::move(list)}});
    return write_file(LabFiles(lab).machines(), as_bytes(text), Overwrite::yes, 0600);
}

Result<std::vector<ListedMachine>> read_machine_list(const Path& lab) {
    const Path file = LabFiles(lab).machines();
    auto text = read_text_file(file, kMaxListFile);
    std::vector<ListedMachine> out;
    if (!text && text.error().code == Code::not_found) return out;
    const Json json = TRY(with_context(parse_json_object(TRY(std::move(text))), file.string()));
    const Json* list = find_member(json, "machines");
    if (list == nullptr || !list->is_array()) {
        return fail(Code::invalid, "{}: no list of machines", file.string());
    }
    for (const Json& one : *list) {
        out.push_back(TRY(with_context(decode_listed(one), file.string())));
    }
    return out;
}

Result<ListedMachine> find_machine(const Path& lab, const std::string& name,
                                   const std::string& group) {
    const auto machines = TRY(read_machine_list(lab));
    const ListedMachine* found = nullptr;
    for (const ListedMachine& machine : machines) {
        const bool named = equal_ignore_case(machine.name, name) ||
                           (!machine.public_address.empty() && machine.public_address == name);
        if (!named || (!group.empty() && !equal_ignore_case(machine.group, group))) continue;
        if (found != nullptr) {
            return fail(Code::conflict,
                        "there is a machine {} in the groups {} and {}: say which by "
                        "--resource-group",
                        name, found->group, machine.group);
        }
        found = &machine;
    }
    if (found != nullptr) return *found;
    return fail(Code::not_found, "the lab in {} has no machine {}; {}", lab.string(), name,
                names_of(machines));
}

}  // namespace vouchsafe::lab
