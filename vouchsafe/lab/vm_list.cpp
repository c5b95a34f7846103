#include "vouchsafe/lab/vm_list.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/scratch_file.h"

namespace vouchsafe::lab {

namespace {

constexpr size_t kMaxList = 16 << 20;

Json listed_json(const ListedVm& vm) {
    return {{"name", vm.name},
            {"group", vm.group},
            {"id", vm.id},
            {"vm_id", vm.vm_id},
            {"user", vm.user},
            {"power", vm.power},
            {"reason", vm.reason},
            {"security_type", vm.security_type},
            {"private_ip", vm.private_ip},
            {"public_ip", vm.public_ip},
            {"tier", vm.tier},
            {"pid", vm.process.pid},
            {"start", vm.process.start},
            {"boot", vm.process.boot}};
}

Result<ListedVm> parse_listed(const Json& json) {
    ListedVm out;
    const std::pair<const char*, std::string*> texts[] = {{"name", &out.name},
                                                          {"group", &out.group},
                                                          {"id", &out.id},
                                                          {"vm_id", &out.vm_id},
                                                          {"user", &out.user},
                                                          {"power", &out.power},
                                                          {"reason", &out.reason},
                                                          {"security_type", &out.security_type},
                                                          {"private_ip", &out.private_ip},
                                                          {"public_ip", &out.public_ip},
                                                          {"tier", &out.tier},
                                                          {"boot", &out.process.boot}};
    for (const auto& [name, to] : texts) *to = TRY(json_string(json, name));
    out.process.pid = static_cast<int>(TRY(json_integer(json, "pid")));
    out.process.start = static_cast<uint64_t>(TRY(json_integer(json, "start")));
    return out;
}

Result<std::vector<ListedVm>> parse_list(std::string_view text) {
    const Json json = TRY(parse_json_object(text, {.max_bytes = kMaxList}));
    std::vector<ListedVm> out;
    for (const Json& one : *TRY(json_array(json, "machines"))) {
        out.push_back(TRY(parse_listed(one)));
    }
    return out;
}

}  // namespace

Result<void> write_vm_list(const Path& lab, const std::vector<ListedVm>& machines) {
    Json list = Json::array();
    for (const ListedVm& vm : machines) list.push_back(listed_json(vm));
    return write_scratch_file(LabFiles(lab).machines(),
                              dump_json_pretty({{"machines", std::move(list)}}) + "\n", 0600);
}

Result<std::vector<ListedVm>> read_vm_list(const Path& lab) {
    const Path file = LabFiles(lab).machines();
    auto text = read_text_file(file, kMaxList);
    if (!text && text.error().code == Code::not_found) return std::vector<ListedVm>();
    if (!text) return fail(text.error());
    return with_context(parse_list(*text), file.string());
}

void remove_vm_list(const Path& lab) {
    std::error_code ignored;
    std::filesystem::remove(LabFiles(lab).machines(), ignored);
}

Result<ListedVm> find_vm(const std::vector<ListedVm>& machines, std::string_view name,
                         std::string_view group) {
    const ListedVm* found = nullptr;
    for (const ListedVm& vm : machines) {
        const bool at_address = !vm.public_ip.empty() && vm.public_ip == name;
        if (!at_address && !equal_ignore_case(vm.name, name)) continue;
        if (!group.empty() && !equal_ignore_case(vm.group, group)) continue;
        if (found != nullptr) {
            return fail(Code::conflict,
                        "several machines have the name '{}': say the resource group ('{}', '{}')",
                        name, found->group, vm.group);
        }
        found = &vm;
    }
    if (found == nullptr && group.empty()) {
        return fail(Code::not_found,
                    "the lab has no machine '{}': 'vouchsafe vm list' shows those there are", name);
    }
    if (found == nullptr) {
        return fail(Code::not_found, "the resource group '{}' has no machine '{}'", group, name);
    }
    return *found;
}

}  // namespace vouchsafe::lab
