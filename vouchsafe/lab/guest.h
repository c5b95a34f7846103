// The inside of a light machine: namespaces of its own (user, mount, pid, network, ipc, uts) in
// which programs of this computer see what they would see in a virtual machine of the cloud. One
// user (uid 1000), a home that lasts, /dev/tpmrm0, the metadata service at its real address, and
// the lab's services at theirs.
//
// Its network has a loopback and nothing else. The sockets on which it reaches the lab are made
// inside and handed out: whoever comes in at one of them is a program of this machine, whatever it
// says. See local-cvm 5 and decision 37.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/lab/process.h"
#include "vouchsafe/lab/running_lab.h"
#include "vouchsafe/lab/sandbox.h"

namespace vouchsafe::lab {

// Programs of the cloud's guests that this program is, too; links to them are in the home.
inline constexpr const char* kGuestPrograms[] = {"AttestationClient", "AzureAttestSKR"};

struct GuestSpec {
    std::string host_name;                     // letters, digits, '-'; at most 64
    std::string user = "azureuser";            // its only user
    std::vector<std::string> authorized_keys;  // lines as in ~/.ssh/authorized_keys
    std::vector<std::string> addresses;        // its IPv4 addresses in its virtual network
    Path folder;                     // its disk; made if it is not there. DIR/home is the home
    std::string ca_pem;              // the authorities that its programs trust
    std::vector<std::string> names;  // hosts that it finds, at 127.0.0.1
    std::optional<Path> event_log;   // of its firmware, shown where the kernel shows it
    bool tpm = true;                 // it has a /dev/tpmrm0
};

// GuestSockets are what was made inside. Whoever takes them serves them.
struct GuestSockets {
    UniqueFd https;     // listens on 127.0.0.1:443
    UniqueFd metadata;  // listens on 169.254.169.254:80
    UniqueFd tpm;       // of the mounted FUSE file /dev/tpmrm0; none without a TPM
};

// Guest is a running inside. It has one process, which waits and reaps; everything inside ends with
// it, and it ends with this process. Thread-safe.
class Guest {
  public:
    // start fails with Code::unsupported where the kernel or a container forbids the namespaces,
    // and says what to change; Code::invalid for a spec that is none.
    static Result<std::unique_ptr<Guest>> start(GuestSpec spec);
    ~Guest();

    GuestSockets take_sockets();  // once
    int pid() const;              // of its first process, as seen from here
    bool running() const;
    // set_names makes it find these hosts instead of those before.
    Result<void> set_names(const std::vector<std::string>& names);

    struct Impl;

  private:
    explicit Guest(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// guest_environment is what every program inside starts with: "NAME=value".
std::vector<std::string> guest_environment(const std::string& user);

// GuestCommand is a program to run inside.
struct GuestCommand {
    std::vector<std::string> argv;  // argv[0] is looked up in the PATH of `env`, inside
    std::vector<std::string> env;
    std::string directory = "/";  // inside
    int in = 0;                   // its standard streams; borrowed. It does not get terminals
    int out = 1;                  // among them, but others of the machine's (terminal_relay.h)
    int err = 2;
};

// run_in_guest runs it as a child of this process, in a session of its own, and returns its exit
// code; 128 + N if signal N ended it, 128 + SIGHUP if this process' terminal went or its user left.
// It ends with this process. Any process of the guest's owner can do so. Code::not_found if the
// guest is gone, Code::unavailable without the program, or if the guest has no terminal left.
Result<int> run_in_guest(const ProcessMark& first, const GuestCommand& command);

}  // namespace vouchsafe::lab
