#include "vouchsafe/lab/vm.h"

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/lab/remove_tree.h"

namespace vouchsafe::lab {

namespace {

using cloud::Outcome;
using cloud::refuse;

// VmIdentities are the client ids of the identities that a machine may have tokens for.
struct VmIdentities {
    std::string own;
    std::vector<std::string> lent;
};

Result<VmIdentities> identities_of(const identity::Service& issuer, const cloud::Resource& record) {
    VmIdentities out;
    const Json* identity = find_member(record.body, "identity");
    const Json* lent =
        identity == nullptr ? nullptr : find_member(*identity, "userAssignedIdentities");
    const auto is_lent = [&](std::string_view id) {
        if (lent == nullptr || !lent->is_object()) return false;
        for (const auto& [one, options] : lent->items()) {
            if (equal_ignore_case(one, id) && !options.is_null()) return true;
        }
        return false;
    };
    for (const identity::Principal& principal : TRY(issuer.principals())) {
        if (principal.resource_id.empty()) continue;
        if (equal_ignore_case(principal.resource_id, record.id)) out.own = principal.client_id;
        if (is_lent(principal.resource_id)) out.lent.push_back(principal.client_id);
    }
    return out;
}

MachineSpec machine_spec(const VmSpec& spec) {
    MachineSpec out;
    out.kind = spec.security == VmSecurity::confidential ? MachineKind::confidential
                                                         : MachineKind::trusted_launch;
    out.name = spec.host_name;
    out.vm_id = spec.vm_id;
    out.secure_boot = spec.secure_boot;
    out.location = spec.location;
    out.vm_size = spec.size;
    out.subscription_id = spec.subscription;
    out.resource_group = spec.group;
    out.resource_id = spec.resource_id;
    return out;
}

}  // namespace

Path Vm::folder_of(const Path& lab, std::string_view vm_id) {
    return lab / "vms" / vm_id;
}

Vm::Vm(const Vms::World& world, VmSpec spec)
    : world_(world),
      spec_(std::move(spec)),
      folder_(folder_of(world.lab, spec_.vm_id)),
      metadata_(std::make_shared<identity::Metadata>(world.identity, std::nullopt)) {}

Result<void> Vm::tell(const cloud::Resource& record) {
    VmIdentities identities = TRY(identities_of(world_.identity, record));
    identity::Machine out;
    out.vm_id = spec_.vm_id;
    out.name = spec_.name;
    out.location = spec_.location;
    out.subscription_id = spec_.subscription;
    out.resource_group = spec_.group;
    out.resource_id = spec_.resource_id;
    if (!spec_.size.empty()) out.vm_size = spec_.size;
    out.secure_boot = spec_.secure_boot;
    out.tpm = spec_.tpm;
    out.security_type =
        spec_.security == VmSecurity::standard ? "" : vm_security_name(spec_.security);
    out.system_identity = std::move(identities.own);
    out.user_identities = std::move(identities.lent);
    told_ = std::move(out);
    tell_metadata();
    return {};
}

void Vm::tell_metadata() {
    identity::Machine out = told_;
    if (machine_ && spec_.security == VmSecurity::confidential) {
        const MachineIdentity& host = machine_->identity();
        out.certificates =
            identity::HostCertificates{host.vcek_pem, host.chain_pem, host.reported_tcb};
    }
    metadata_->set_machine(std::move(out));
}

Outcome<std::optional<SecretBytes>> Vm::make() {
    TRY(make_private_dir(folder_));
    std::optional<SecretBytes> key;
    if (spec_.tpm || !spec_.encryption_set.empty()) {
        key = TRY(open_state_key({world_.identity, world_.vault, world_.find}, folder_, spec_));
    }
    if (!spec_.tpm || machine_) return key;
    const Path dir = folder_ / "machine";
    auto found = Machine::open(dir);
    if (!found && found.error().code == Code::not_found) {
        TRY(remove_tree(dir));  // of one that was killed while it was made
        found = Machine::create(machine_spec(spec_), dir, world_.root, world_.clock.now(), &*key);
    }
    machine_.emplace(TRY(std::move(found)));
    tell_metadata();  // of its processor
    return key;
}

InsideSpec Vm::inside_spec(std::optional<SecretBytes> state_key) const {
    InsideSpec out;
    out.guest.host_name = spec_.host_name;
    out.guest.user = spec_.user;
    out.guest.authorized_keys = spec_.authorized_keys;
    out.guest.addresses = spec_.private_addresses;
    out.guest.folder = folder_ / "disk";
    out.guest.tpm = machine_.has_value();
    if (spec_.heavy()) {
        out.heavy = HeavyPlan{machine_->dir(), std::move(state_key)};
    } else if (machine_) {
        out.guest.event_log = machine_->event_log_path();
        out.tpm = machine_->sockets().front();
    }
    out.metadata = [metadata = metadata_](const net::Request& request) {
        return metadata->handler()(request);
    };
    return out;
}

Outcome<void> Vm::start(const MakeInside& make_inside) {
    stop();
    std::optional<SecretBytes> key = TRY(make());
    if (machine_ && !spec_.heavy()) TRY(machine_->start(&*key));
    auto inside = make_inside(inside_spec(std::move(key)));
    const bool unsupported = !inside && inside.error().code == Code::unsupported;
    if (unsupported && spec_.heavy()) {
        return refuse(409, "OperationNotAllowed", "{}", inside.error().message);
    }
    if (!inside && !unsupported) {
        stop();
        return fail(std::move(inside.error()));
    }
    if (inside) inside_ = std::move(*inside);
    closed_ = inside ? "" : inside.error().message;
    started_ = true;
    return {};
}

void Vm::stop() {
    inside_.reset();
    if (machine_) machine_->stop();
    started_ = false;
}

Result<void> Vm::erase() {
    stop();
    machine_.reset();
    return remove_tree(folder_);
}

std::string Vm::ended() const {
    if (!started_) return "it was not started";
    if (machine_ && !spec_.heavy() && !machine_->running()) {
        return "its software TPM (swtpm) ended";
    }
    return inside_ ? inside_->ended() : "";
}

ProcessMark Vm::process() const {
    if (!inside_) return {};
    return mark_process(inside_->pid()).value_or(ProcessMark{});
}

}  // namespace vouchsafe::lab
