// Child processes: started with exactly the descriptors and environment that were said, never left
// behind. A child dies with this process, however that ends (PR_SET_PDEATHSIG), and is in a process
// group of its own, so a Ctrl-C at the terminal reaches only us and we decide.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "vouchsafe/base/file.h"

namespace vouchsafe::lab {

struct PassedFd {
    int ours = -1;
    int theirs = -1;  // number in the child, 3 or above
};

struct Command {
    // argv[0] is a path, or a name that is looked up in our PATH.
    std::vector<std::string> argv;
    std::optional<std::vector<std::string>> env;  // "NAME=value"; absent: ours
    std::optional<Path> directory;
    Bytes input;                // what the child reads on stdin, then end of file
    std::vector<PassedFd> fds;  // borrowed during start only
    enum class Output { capture, inherit, discard };
    Output out = Output::capture;
    Output err = Output::capture;
    size_t max_output = 1 << 20;  // bytes kept of each; the rest is read and dropped
    // on_line, if set, is called with each line of captured stdout (without its end) as it comes,
    // from the thread of this child.
    std::function<void(std::string_view)> on_line;
};

struct Finished {
    int exit_code = -1;  // -1 if a signal ended it
    int signal = 0;
    std::string out;
    std::string err;
    bool cut = false;  // out or err was longer than max_output
    bool ok() const { return exit_code == 0; }
};

// Process is a running child. It has one thread, which started it, reads its output and waits for
// it: so the child's life is bound to the process and not to the thread that called start.
// Destruction kills the child and everything in its process group. Thread-safe.
class Process {
  public:
    // start returns when the program has been executed. Code::unavailable if there is no such
    // program, Code::forbidden if it cannot be executed, Code::io otherwise.
    static Result<Process> start(Command command);
    ~Process();
    Process(Process&&) noexcept;
    Process& operator=(Process&&) noexcept;

    int pid() const;
    bool running() const;

    // wait returns when the child has ended; after `timeout` it kills it and fails with
    // Code::unavailable. May be called again.
    Result<Finished> wait(std::optional<std::chrono::milliseconds> timeout = {});

    // stop sends SIGTERM, after `grace` SIGKILL, and waits. Idempotent.
    void stop(std::chrono::milliseconds grace = std::chrono::milliseconds(1000));
    void kill();  // SIGKILL to the process group; does not wait

    struct Impl;  // private to process*.cpp

  private:
    friend struct ChildStarter;  // process.cpp and sandbox.cpp
    explicit Process(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

// run starts a command and waits for it.
Result<Finished> run(Command command, std::optional<std::chrono::milliseconds> timeout = {});

}  // namespace vouchsafe::lab
