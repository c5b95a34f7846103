// The whole first tutorial on this machine: lab, services, data owner, machine, guest, and the
// refusals. Everything is done by the parts a user has: keys over HTTPS, a software TPM, a confined
// guest process that runs this very program.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/lab/sandbox.h"
#include "vouchsafe/lab/services.h"

namespace vouchsafe::lab {

struct DemoOptions {
    Path directory;  // the lab; made if it does not exist
    // Where sealed files and machines go; empty: a temporary folder that is removed.
    Path work;
    Path data;     // the data set in the clear: only the data owner reads it
    Path program;  // this program, for the guest
    bool refusals = true;
};

// DemoStep is what one step tells when it is done.
struct DemoStep {
    std::string name;  // "lab", "services", "owner", "machine", "guest", "refusal"
    std::string text;  // one sentence
    double seconds = 0;
    Json details = Json::object();
    std::vector<Check> checks;     // made by the services on the way, for --verbose
    std::string report;            // guest: the accuracy table
    std::optional<Check> refusal;  // refusal: the check that said no
    std::string leaked;            // refusal: what was looked for and not found
};
using DemoObserver = std::function<void(const DemoStep&)>;

// run_demo runs all steps and fails at the first that does not go as it must. A refusal that does
// not happen, happens for another reason, or lets a key or plaintext out, is a failure.
Result<void> run_demo(const DemoOptions& options, const Clock& clock, const DemoObserver& observer);

}  // namespace vouchsafe::lab
