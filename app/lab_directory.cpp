#include "app/lab_directory.h"

#include "app/show.h"
#include "vouchsafe/lab/data_directory.h"

namespace vouchsafe::app {

void add_lab_directory(Command command, std::string& dir) {
    command.option("--dir", dir, "lab directory (default: the user's data folder)", "DIR");
}

Path lab_directory(const std::string& dir) {
    return dir.empty() ? lab::default_lab_path()
                       : std::filesystem::absolute(dir).lexically_normal();
}

std::string dir_words(const Path& lab) {
    return lab == lab_directory("") ? "" : fmt::format(" --dir {}", printable(lab.string()));
}

Result<std::optional<lab::LabState>> find_running(const Path& lab) {
    auto state = TRY(lab::read_lab_state(lab));
    if (state && !lab::is_running(state->process)) state.reset();
    return state;
}

Error already_running(const Path& lab, const lab::LabState& state, std::string_view what_to_do) {
    return Error{Code::conflict,
                 fmt::format("the lab in {} runs already: process {}, port {}; {}", lab.string(),
                             state.process.pid, state.port, what_to_do)};
}

}  // namespace vouchsafe::app
