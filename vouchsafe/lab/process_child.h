// Private to process.cpp and sandbox*.cpp: what a child does between clone and exec.
#pragma once

#include "vouchsafe/lab/process.h"

namespace vouchsafe::lab {

// Where a start failed. Stages of a ChildStep begin at kStageConfine.
inline constexpr int kStageNone = 0;
inline constexpr int kStageClone = 1;
inline constexpr int kStageParentGone = 2;
inline constexpr int kStageDescriptors = 3;
inline constexpr int kStageDirectory = 4;
inline constexpr int kStageExec = 5;
inline constexpr int kStageConfine = 10;

struct StartFailure {
    int stage = kStageNone;
    int error = 0;  // errno
};

// ChildStep is work in the child before exec. The child is a copy of a process with many threads:
// `run` may use nothing but system calls and memory prepared before; no allocation, no locks.
struct ChildStep {
    unsigned long clone_flags = 0;  // CLONE_NEW*
    StartFailure (*run)(void* context) noexcept = nullptr;
    void* context = nullptr;
};

struct ChildStarter {
    // start is Process::start; with a step. `failure` says where it failed.
    static Result<Process> start(Command command, const ChildStep* step, StartFailure& failure);
};

// find_program resolves a program's name by PATH, as exec would. Code::unavailable if there is
// none.
Result<std::string> find_program(const std::string& name);

}  // namespace vouchsafe::lab
