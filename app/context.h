// What every command shares: the global options, how results and errors are shown, and who runs.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/site.h"

namespace CLI {
class App;
}

namespace vouchsafe::app {

// Context is filled while the command line is parsed; the chosen command then runs with it.
struct Context {
    bool json = false;
    bool verbose = false;
    bool color_out = false;  // stdout is a terminal that wants colour
    bool color_err = false;
    std::string site_file;
    SystemClock clock;
    // run is set by the command that was chosen; it returns the exit code.
    std::function<Result<int>()> run;

    // site is the site file's content, or Azure's addresses without one.
    Result<guest::Site> site() const;
};

// Each command group adds itself to the command line.
void add_demo(CLI::App& app, Context& context);
void add_serve(CLI::App& app, Context& context);
void add_admin(CLI::App& app, Context& context);
void add_vm(CLI::App& app, Context& context);
void add_attest(CLI::App& app, Context& context);
void add_key(CLI::App& app, Context& context);
void add_seal(CLI::App& app, Context& context);
void add_train(CLI::App& app, Context& context);
void add_verify(CLI::App& app, Context& context);
void add_explain(CLI::App& app, Context& context);
void add_audit(CLI::App& app, Context& context);
void add_completion(CLI::App& app, Context& context);

}  // namespace vouchsafe::app
