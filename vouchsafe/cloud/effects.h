// Effects: what a resource does in the world besides being stored. A vault is made in the vault
// service, a role assignment governs it, a machine runs. The lab implements this; without it the
// resource manager only keeps records.
#pragma once

#include "vouchsafe/cloud/resource.h"

namespace vouchsafe::cloud {

// Who asks for it is the resource's `actor`, an object id; "" if it is the lab itself. After a
// crash too.
//
// An effect runs before the answer, and its failure is the answer. It is written
// down first (table cloud_pending) and crossed out with the record that follows it, in one
// transaction. If the process dies in between, Service::resume runs it again; so each effect may
// run twice, and must then find its own work and go on: putting what is there is no error, and
// neither is removing what is gone. One effect runs at a time.
class Effects {
  public:
    virtual ~Effects() = default;

    // concerns tells whether resources of a type have effects. Cheap.
    virtual bool concerns(std::string_view type) const = 0;

    // put makes what `now` says, or changes it from what `before` says (nullptr: there was none, or
    // a crash came between). It returns members to merge into the resource's body as RFC 7396 says:
    // the principal of an identity, an address.
    virtual Outcome<Json> put(const Resource& now, const Resource* before) = 0;

    // remove ends it. Of a vault it is the soft deletion.
    virtual Outcome<void> remove(const Resource& resource) = 0;

    // act is a POST on an item: "start", "powerOff", "deallocate", "restart", "redeploy" of
    // machines; "recover" and "purge" of deleted vaults.
    virtual Outcome<void> act(const Resource& resource, std::string_view action) = 0;

    // Condition is how a machine is at a moment: on its way, or dead without having been asked to.
    struct Condition {
        std::string power;   // as in "PowerState/...": starting, running, stopped, deallocated
        std::string reason;  // why it is not as its record says; "" if it is
    };
    // condition is asked by any thread, beside effects. nullopt: the record knows.
    virtual std::optional<Condition> condition(const Resource& /*machine*/) const {
        return std::nullopt;
    }
};

}  // namespace vouchsafe::cloud
