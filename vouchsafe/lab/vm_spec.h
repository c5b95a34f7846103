// What the resource manager's record of a virtual machine means for the lab: which kind of machine
// it is, who may come in, where it stands in its network. Pure but for the records that it names.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vouchsafe/base/json_fwd.h"
#include "vouchsafe/cloud/resource.h"
#include "vouchsafe/lab/vm_list.h"

namespace vouchsafe::lab {

enum class VmSecurity { standard, trusted_launch, confidential };
std::string_view vm_security_name(VmSecurity security);  // "Standard", "TrustedLaunch", ...

struct VmSpec {
    std::string resource_id;  // as first written
    std::string name;
    std::string group;
    std::string subscription;  // GUID
    std::string location;
    std::string vm_id;  // GUID
    std::string size;
    VmSecurity security = VmSecurity::standard;
    bool secure_boot = false;
    bool tpm = false;  // it has a virtual TPM
    // Resource id of the disk encryption set whose key guards its state; "": the lab keeps the key.
    std::string encryption_set;
    std::string host_name;  // letters, digits, '-'; at most 64
    std::string user;
    std::vector<std::string> authorized_keys;
    std::vector<std::string> private_addresses;
    std::string public_address;  // ""
    std::string tier = "light";  // tag "vouchsafe.tier"

    bool heavy() const { return tier == kHeavyTier; }
};

// FindResource gives a resource as clients read it. Code::not_found.
using FindResource = std::function<Result<Json>(std::string_view id)>;

// parse_vm_spec refuses what Azure refuses and what is not built, with Azure's codes where it has
// some: other sizes for confidential machines than AMD's, reserved user names, an encryption set
// that is not there or of the wrong kind (azure-api E.3), a machine for QEMU without a TPM.
cloud::Outcome<VmSpec> parse_vm_spec(const cloud::Resource& machine, const FindResource& find);

}  // namespace vouchsafe::lab
