// Virtual machines: an identity, and what vms.h makes of the rest.
#include "vouchsafe/lab/cloud_effects_impl.h"

namespace vouchsafe::lab {

cloud::Outcome<Json> put_machine_effect(const EffectWorld& world, const cloud::Resource& now,
                                        const cloud::Resource* before) {
    if (before == nullptr && !world.vms.is_free(now)) {
        return cloud::refuse(409, "Conflict",
                             "The lab has a machine '{}' that 'vouchsafe vm create' made.",
                             now.name);
    }
    Json shown = TRY(put_identities_effect(world, now, before));
    cloud::Outcome<void> done = world.vms.put(now);
    if (done) return shown;
    // Nothing stays of a machine that could not be made.
    if (before == nullptr) TRY(remove_identities_effect(world, now));
    return fail(std::move(done.error()));
}

cloud::Outcome<void> remove_machine_effect(const EffectWorld& world,
                                           const cloud::Resource& machine) {
    TRY(world.vms.remove(machine));
    TRY(remove_identities_effect(world, machine));
    return {};
}

}  // namespace vouchsafe::lab
