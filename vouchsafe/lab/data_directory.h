// A data directory: one installation's keys, stores and trust anchors. Its kind is fixed when it is
// made and cannot be changed: a lab believes its own simulated root and nothing else; a production
// directory believes the vendors' roots and nothing else, and its vault refuses tokens of the
// simulated tier. Lab and production are kept apart by keys, not by switches.
//
//     DIR/directory.json   kind, tenant, subscription
//     DIR/root/            a lab's simulated root (simulated_root.h)
//     DIR/attestation/ vault/ identity/   each service's store and root key, mode 0700
//     DIR/collateral/      revocation lists and Intel's collateral (attest/collateral)
//     DIR/cloud/           a lab's resource manager: its store
//     DIR/machines/NAME/   machines of `vouchsafe vm`; NAME/heavy of those that QEMU boots
//     DIR/vms/ID/          virtual machines of the resource manager (vms.h)
//     DIR/up/ azure/       a lab behind its front door, and its clients' files (running_lab.h)
#pragma once

#include <optional>
#include <string>

#include "vouchsafe/base/file.h"
#include "vouchsafe/evidence/anchors/anchors.h"
#include "vouchsafe/lab/simulated_root.h"

namespace vouchsafe::lab {

enum class DirectoryKind { lab, production };
std::string_view kind_name(DirectoryKind kind);

class DataDirectory {
  public:
    // open fails with Code::not_found if `path` is no data directory. A lab that has no revocation
    // list yet gets one.
    static Result<DataDirectory> open(const Path& path);
    // create makes one; an interrupted creation is taken up again. Code::conflict if it exists.
    static Result<DataDirectory> create(const Path& path, DirectoryKind kind, Time now);

    // kind_of reads the kind alone: also of a directory whose keys are damaged. Errors as for open.
    static Result<DirectoryKind> kind_of(const Path& path);

    const Path& path() const { return path_; }
    DirectoryKind kind() const { return kind_; }
    const std::string& tenant_id() const { return tenant_id_; }
    const std::string& subscription_id() const { return subscription_id_; }
    // root is the simulated root of a lab; calling it on a production directory is a bug.
    const SimulatedRoot& root() const { return *root_; }
    evidence::TrustAnchors anchors() const;

    // resource_id is "/subscriptions/{id}/resourceGroups/lab/providers/{type}/{name}".
    std::string resource_id(std::string_view type, std::string_view name) const;

  private:
    DataDirectory() = default;
    Path path_;
    DirectoryKind kind_ = DirectoryKind::production;
    std::string tenant_id_;
    std::string subscription_id_;
    std::optional<SimulatedRoot> root_;
};

// default_lab_path is $XDG_DATA_HOME/vouchsafe/lab or ~/.local/share/vouchsafe/lab.
Path default_lab_path();

}  // namespace vouchsafe::lab
