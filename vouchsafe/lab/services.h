// The services of a data directory, each on its own loopback listener, under the names that Azure's
// have. Clients reach them by connect_to and the lab's TLS authority; the services reach each other
// the same way, over real sockets.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "vouchsafe/attest/service.h"
#include "vouchsafe/cloud/service.h"
#include "vouchsafe/guest/site.h"
#include "vouchsafe/identity/metadata.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/lab/cloud_effects.h"
#include "vouchsafe/lab/data_directory.h"
#include "vouchsafe/lab/machine.h"
#include "vouchsafe/lab/own_providers.h"
#include "vouchsafe/vault/service.h"

namespace vouchsafe::lab {

inline constexpr std::string_view kAttestationUrl = "https://sharedweu.weu.attest.azure.net";
inline constexpr std::string_view kAttestationSuffix = ".attest.azure.net";
// Type of an attestation service in resource ids.
inline constexpr std::string_view kAttestationProviders =
    "Microsoft.Attestation/attestationProviders";
inline constexpr std::string_view kGraphHost = "graph.microsoft.com";
// The person in front of a lab: signed in without being asked, by the password in DIR/user.password
// where a client wants one.
inline constexpr std::string_view kLabUser = "user@lab.test";
inline constexpr std::string_view kLabUserFile = "user.password";
inline constexpr std::string_view kLoginHost = "login.microsoftonline.com";
// All names of the token issuer; the first is the one in its documents.
inline constexpr std::string_view kLoginHosts[] = {kLoginHost, "login.windows.net",
                                                   "sts.windows.net"};
inline constexpr std::string_view kManagementHost = "management.azure.com";
inline constexpr std::string_view kMetadataName = "169.254.169.254:80";
inline constexpr std::string_view kVaultSuffix = "vault.azure.net";

// Listener is one service's address: "127.0.0.1:PORT".
struct Listener {
    std::unique_ptr<net::Server> server;
    std::string address() const;
};

// Attestation is one attestation service with its listener. A lab may have several: other
// authorities, other clocks.
struct Attestation {
    std::unique_ptr<store::Store> store;
    std::unique_ptr<audit::Log> audit;
    std::unique_ptr<attest::CollateralStore> collateral;
    std::unique_ptr<attest::Service> service;
    Listener listener;
};

// ToldMachine is what a machine's metadata service tells, and who the machine is.
struct ToldMachine {
    identity::Machine machine;
    std::string principal;  // object id of its system-assigned identity
};
// describe_machine makes the machine's identity at the first time.
Result<ToldMachine> describe_machine(const DataDirectory& directory, identity::Service& issuer,
                                     const MachineIdentity& machine);

// Services runs a lab's services until it is destroyed. Thread-safe once started.
class Services {
  public:
    // start takes the directory's lock: a second process on the same directory gets Code::conflict.
    // Borrows `directory` and `clock`. The directory must be a lab's.
    static Result<std::unique_ptr<Services>> start(const DataDirectory& directory,
                                                   const Clock& clock);
    ~Services();

    attest::Service& attestation() { return *attestations_.front()->service; }
    // providers are those that the resource manager makes. The shared service's listener answers
    // for them too.
    const OwnProviders& providers() const { return *own_providers_; }
    vault::Service& vault() { return *vault_; }
    identity::Service& identity() { return *identity_; }
    cloud::Service& cloud() { return *cloud_; }
    Vms& vms() { return *vms_; }

    // run_machines starts the virtual machines that shall run, with such insides (vms.h); it does
    // not wait for them. `tell` is told what happens to them without having been asked for. Until
    // then none runs.
    Result<void> run_machines(MakeInside make_inside, Vms::Tell tell);

    // add_attestation starts one more, in its own folder DIR/`folder`, under another issuer's name
    // or by another clock, and returns its address. The vault does not come to trust it. Borrows
    // `clock`.
    Result<std::string> add_attestation(const std::string& folder, const std::string& issuer,
                                        const Clock& clock);

    // remove_attestation stops one that add_attestation started.
    void remove_attestation(std::string_view address);

    // add_metadata starts the metadata service of one machine, with a system-assigned identity that
    // is made at the first time, and returns its address. `principal` receives the object id.
    Result<std::string> add_metadata(const MachineIdentity& machine, std::string& principal);

    // allow_vault makes clients find the vault's host name here. Vaults and attestation
    // providers that the resource manager makes are found without it.
    void allow_vault(std::string_view vault_name);

    // connect_to is what clients need to reach everything but metadata services.
    std::map<std::string, std::string> connect_to() const;
    net::ClientOptions client_options() const;
    // write_site writes the lab's CA and a site file into `folder` and returns the file's path: for
    // a machine, or for the owner of this computer (nullptr). `more` are addresses beside those of
    // connect_to, or instead of them.
    Result<Path> write_site(const Path& folder, const Machine* machine,
                            const std::map<std::string, std::string>& more) const;
    // ports are those a guest may connect to, for its sandbox: all services, and of the metadata
    // services its own alone.
    std::vector<uint16_t> ports(const std::string& metadata_address) const;

    // audit_mark and entries_since: what all services wrote into their logs since the mark, service
    // by service.
    using AuditMark = std::map<const audit::Log*, uint64_t>;
    Result<AuditMark> audit_mark();
    Result<std::vector<audit::Entry>> entries_since(const AuditMark& mark);

    // find returns the audit entries under a request id, from whichever service has them.
    Result<std::vector<audit::StoredEntry>> find(std::string_view request_id);

  private:
    Services(const DataDirectory& directory, const Clock& clock, FileLock lock)
        : directory_(directory), clock_(clock), lock_(std::move(lock)) {}

    // make_attestation makes one without its listener.
    Result<std::unique_ptr<Attestation>> make_attestation(const std::string& folder,
                                                          const std::string& issuer,
                                                          const Clock& clock);
    attest::Config attestation_config(const std::string& folder, const std::string& issuer) const;
    Result<std::unique_ptr<Attestation>> make_shared_provider();
    Result<void> start_identity();
    Result<void> start_attestation(std::unique_ptr<Attestation> shared);
    Result<void> start_vault();
    // show_provider has clients find a provider of the resource manager's at the shared service's
    // listener; hide_provider ends that. Both tell the vault whether to believe it.
    Result<void> show_provider(const std::string& issuer);
    void hide_provider(const std::string& issuer);
    // start_cloud comes last: it ends what a crash left half done in the others.
    Result<void> start_cloud();
    Result<Listener> listen(std::string name, const std::vector<std::string>& tls_names,
                            net::Handler handler, size_t max_body = net::ServerOptions().max_body);

    const DataDirectory& directory_;
    const Clock& clock_;
    FileLock lock_;
    evidence::TrustAnchors anchors_;
    mutable std::mutex names_mutex_;                 // vaults get names while others ask for them
    std::map<std::string, std::string> connect_to_;  // by names_mutex_
    std::string vault_address_;

    std::unique_ptr<store::Store> identity_store_;
    std::unique_ptr<identity::Service> identity_;
    std::unique_ptr<net::Client> login_client_;               // reaches token issuers alone
    std::vector<std::unique_ptr<Attestation>> attestations_;  // the first is the lab's own
    std::unique_ptr<OwnProviders> own_providers_;             // in the first one's store
    std::string shared_host_;                                 // of the first one
    std::set<std::string> provider_regions_;  // "*.weu.attest.azure.net", in its certificate
    std::vector<audit::Log*> audits_;
    std::unique_ptr<net::Client> fetch_client_;
    std::unique_ptr<store::Store> vault_store_;
    std::unique_ptr<vault::Service> vault_;
    std::unique_ptr<Vms> vms_;
    std::unique_ptr<CloudEffects> cloud_effects_;
    std::unique_ptr<store::Store> cloud_store_;
    std::unique_ptr<cloud::Service> cloud_;
    std::vector<std::unique_ptr<identity::Metadata>> metadata_;
    // Last, so that listeners stop before what they serve goes away.
    std::vector<Listener> listeners_;
    std::vector<Listener> metadata_listeners_;
};

}  // namespace vouchsafe::lab
