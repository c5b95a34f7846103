// Ctrl-C and termination. Signals are blocked in every thread and taken by one watcher thread, so
// cleaning up runs as ordinary code: half-written outputs and temporary folders are removed, the
// terminal gets its modes back, children die with us, and the exit code is 128 + signal.
#pragma once

#include <functional>

namespace vouchsafe::app {

// watch_signals must be called before any other thread is started.
void watch_signals();

// on_interrupt replaces what happens at a signal: services stop in order instead of ending at once.
// The handler runs in the watcher thread. A second signal ends the process in any case.
void on_interrupt(std::function<void()> handler);

// leave_interrupts_to_child: Ctrl-C at the terminal is the business of a program that runs in our
// process group, and not ours. SIGTERM stays ours.
void leave_interrupts_to_child(bool leave);

// on_hangup has SIGHUP call this, each time, instead of being a signal like the others; nullptr: it
// is one again. When it returns, an older handler is no longer running.
void on_hangup(std::function<void()> handler);

}  // namespace vouchsafe::app
