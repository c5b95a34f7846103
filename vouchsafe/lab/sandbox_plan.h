// Private to sandbox*.cpp and guest*.cpp: makes the plan of a new root.
#pragma once

#include <set>

#include "vouchsafe/lab/sandbox_child.h"

namespace vouchsafe::lab {

// PlanMaker collects places of the new root and Landlock's rules for the same things. A place is
// added after those that it lies in. Borrows the plan.
class PlanMaker {
  public:
    // Without `mounts` only the rules are made.
    PlanMaker(SandboxPlan& plan, bool mounts) : plan_(plan), mounts_(mounts) {}

    void readable(const std::string& path, bool executable);
    void writable(const std::string& path);
    void socket(const std::string& path);

    // programs are this computer's programs and libraries, its processors, and devices that hold
    // nothing.
    void programs();
    // host_settings are the files of this computer's /etc that programs read.
    void host_settings();
    // own_places are a /proc and a /tmp of its own, of at most so many bytes.
    void own_places(size_t tmp_bytes);

    // show puts the file or folder `source` at `target`. Landlock has no rule for it.
    void show(PlaceKind kind, const std::string& source, const std::string& target);
    // make makes what has no source: a folder, a file system of its own and its mount options.
    void make(PlaceKind kind, const std::string& target, std::string options = "");
    void link(const std::string& path, const std::string& text);

  private:
    void allow(const std::string& path, uint64_t access);
    void program_folder(const std::string& path);
    void place(PlaceKind kind, const std::string& path, bool folder);
    void parents(const std::string& path);
    void add(Place place);

    SandboxPlan& plan_;
    bool mounts_;
    std::set<std::string> made_;
};

}  // namespace vouchsafe::lab
