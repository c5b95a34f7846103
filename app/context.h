// What every command shares: the global options, how results and errors are shown, and who runs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "app/command_line.h"
#include "vouchsafe/base/clock.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/guest/site.h"

namespace vouchsafe::app {

// Context is filled while the command line is parsed; the chosen command then runs with it.
struct Context {
    bool json = false;
    bool verbose = false;
    bool color_out = false;  // stdout is a terminal that wants colour
    bool color_err = false;
    std::string site_file;
    SystemClock clock;
    const char* version = "";           // of this program, "0.1.0"
    const char* program = "vouchsafe";  // the name under which it speaks
    // Where `verify` leaves what it found, if somebody else than a person wants it: a bundle.
    struct Judgement* judgement = nullptr;

    // site is the site file's content, or Azure's addresses without one.
    Result<guest::Site> site() const;
};

// as_named: a file that the caller names and that cannot be read is bad usage, exit code 2.
template <typename T>
Result<T> as_named(Result<T> read) {
    if (!read) read.error().code = Code::invalid;
    return read;
}

// Each command group adds itself to the command line.
void add_demo(Command app, Context& context);
void add_up(Command app, Context& context);
void add_env(Command app, Context& context);
void add_lab(Command app, Context& context);  // status, logs, down, reset
void add_serve(Command app, Context& context);
void add_admin(Command app, Context& context);
void add_vm(Command app, Context& context);
void add_attest(Command app, Context& context);
void add_key(Command app, Context& context);
void add_vault(Command app, Context& context);
void add_secret(Command app, Context& context);
void add_seal(Command app, Context& context);
void add_train(Command app, Context& context);
void add_verify(Command app, Context& context);
void add_policy(Command app, Context& context);
void add_reference(Command app, Context& context);
void add_inspect(Command app, Context& context);
void add_explain(Command app, Context& context);
void add_audit(Command app, Context& context);
void add_collateral(Command app, Context& context);
void add_completion(CommandLine& line);

}  // namespace vouchsafe::app
