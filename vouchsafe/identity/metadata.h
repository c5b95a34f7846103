// The metadata service (IMDS) of one machine: plain HTTP on a listener of its own, which is how it
// knows who asks. Managed identity tokens, the machine's VCEK certificate (THIM), and the little of
// the instance document that confidential-computing tools read. azure-api D.1 to D.3.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/identity/service.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::identity {

// What the certificate service answers about the machine's processor.
struct HostCertificates {
    std::string vcek_pem;
    std::string chain_pem;  // ASK, then ARK
    // REPORTED_TCB of the report, read as a little-endian number; becomes `tcbm`, its hex digits.
    uint64_t reported_tcb = 0;
};

// Machine is what the metadata service tells about it. Absent texts are "" as on Azure.
struct Machine {
    std::string vm_id;  // GUID
    std::string name;
    std::string location = "westeurope";
    std::string subscription_id;  // GUID
    std::string resource_group;
    std::string resource_id;  // "/subscriptions/.../virtualMachines/{name}"
    std::string vm_size = "Standard_DC2as_v5";
    std::string os_type = "Linux";
    bool secure_boot = true;
    std::string security_type = "ConfidentialVM";  // or "TrustedLaunch"
    std::string system_identity;                   // client id, or ""
    std::vector<std::string> user_identities;      // client ids
    std::optional<HostCertificates> certificates;
};

// Metadata is thread-safe.
class Metadata {
  public:
    // Borrows the token issuer. Without a machine every request is answered as on a computer that
    // is no VM: 400, never 404, because clients ask again for minutes after a 404.
    Metadata(const Service& issuer, std::optional<Machine> machine);
    ~Metadata();

    // handler answers the routes of metadata_routes.cpp. It borrows this object.
    net::Handler handler();

    // set_machine replaces what is told, for example after a processor's firmware update.
    void set_machine(std::optional<Machine> machine);

    struct Impl;  // metadata_impl.h

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::identity
