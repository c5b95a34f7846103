// The directory of the lab that a command is about, and who uses it now.
#pragma once

#include "app/context.h"
#include "vouchsafe/lab/running_lab.h"

namespace vouchsafe::app {

// add_lab_directory adds --dir; lab_directory is what it says, absolute, or the user's own lab.
void add_lab_directory(Command command, std::string& dir);
Path lab_directory(const std::string& dir);

// dir_words is what a command says to mean this lab: "", or " --dir PATH".
std::string dir_words(const Path& lab);

// find_running returns the state of the lab that runs in `lab`; nullopt: none does.
Result<std::optional<lab::LabState>> find_running(const Path& lab);

// already_running is the error of a command that needs a lab that does not run.
Error already_running(const Path& lab, const lab::LabState& state, std::string_view what_to_do);

}  // namespace vouchsafe::app
