// What a running lab leaves in its directory, so that other processes find it, follow it and end
// it:
//
//     DIR/up/state.json    process, port and start; there while it runs, and after it was killed
//     DIR/up/port          the front door's port, chosen once
//     DIR/up/ca.pem        what clients trust       DIR/up/site.json   this program's own settings
//     DIR/up/machines.json its virtual machines (vm_list.h)
//     DIR/up/requests.log  one line a request       DIR/up/console.log what a detached lab printed
//     DIR/up/ssh_config, known_hosts, bin/  for ssh to them (ssh_files.h)
//     DIR/azure/           Azure's command line keeps its sign-ins here
//
// A process is known by its number, the moment it started and the boot of the machine: the number
// alone may be another's by now.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

// LabFiles names the files above.
class LabFiles {
  public:
    explicit LabFiles(Path lab) : lab_(std::move(lab)) {}

    Path folder() const { return lab_ / "up"; }
    Path state() const { return folder() / "state.json"; }
    Path port() const { return folder() / "port"; }
    Path authority() const { return folder() / "ca.pem"; }
    Path site() const { return folder() / "site.json"; }
    Path requests() const { return folder() / "requests.log"; }
    Path console() const { return folder() / "console.log"; }
    Path machines() const { return folder() / "machines.json"; }
    Path programs() const { return folder() / "bin"; }
    Path disk(const std::string& vm_id) const { return lab_ / "vms" / vm_id / "disk"; }
    Path machine(const std::string& vm_id) const { return lab_ / "vms" / vm_id / "machine"; }
    Path azure() const { return lab_ / "azure"; }

  private:
    Path lab_;
};

// ProcessMark is one process, and no other one with its number.
struct ProcessMark {
    int pid = 0;
    uint64_t start = 0;  // clock ticks after the boot: proc(5), /proc/PID/stat, field 22
    std::string boot;    // /proc/sys/kernel/random/boot_id

    bool operator==(const ProcessMark&) const = default;
};

// mark_process fails with Code::not_found if there is no such process, or it has ended and nobody
// asked for its exit code yet.
Result<ProcessMark> mark_process(int pid);
bool is_running(const ProcessMark& process);
// end_process sends SIGTERM and waits until the process is gone; after `grace` it sends SIGKILL.
// No other process is ever signalled. Code::not_found if it was gone already, Code::forbidden if it
// is another user's.
Result<void> end_process(const ProcessMark& process, std::chrono::milliseconds grace);

struct LabState {
    ProcessMark process;
    uint16_t port = 0;
    Time since;
    bool pass_through = false;
    std::vector<std::string> hosts;
};

// read_lab_state is nullopt if no lab ran in `lab`, or it ended in order. Whether it still runs
// says is_running(). Code::invalid for a file that is none of ours.
Result<std::optional<LabState>> read_lab_state(const Path& lab);
Result<void> write_lab_state(const Path& lab, const LabState& state);
void remove_lab_state(const Path& lab);

// kept_port is the port that the lab's door has had since its first start; nullopt before that.
Result<std::optional<uint16_t>> kept_port(const Path& lab);
Result<void> keep_port(const Path& lab, uint16_t port);

}  // namespace vouchsafe::lab
