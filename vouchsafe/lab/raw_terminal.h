// The user's terminal in raw mode: each byte that is typed is read as it is, Ctrl-C and Ctrl-Z too.
// Whatever ends it, the terminal gets back the modes that it had.
#pragma once

#include <termios.h>

namespace vouchsafe::lab {

// reads_from tells whether this process may read from a terminal without being stopped: it is in
// the foreground there, or is not governed by it.
bool reads_from(int terminal) noexcept;

// RawTerminal changes a terminal for as long as it lives. Thread-safe with restore_terminals; else
// for one thread. Its functions do not allocate.
class RawTerminal {
  public:
    // `terminal` is borrowed. -1: there is none.
    explicit RawTerminal(int terminal) noexcept;
    ~RawTerminal();
    RawTerminal(const RawTerminal&) = delete;
    RawTerminal& operator=(const RawTerminal&) = delete;

    // enter makes it raw, also again after somebody changed it. The modes before the first time are
    // those that it gets back. In the background it does nothing: its modes are others' then.
    void enter() noexcept;
    // leave gives its modes back, unless this process is in the background.
    void leave() noexcept;

  private:
    friend void restore_terminals() noexcept;
    int terminal_;
    termios modes_{};
    bool known_ = false;  // the modes
    bool raw_ = false;
    RawTerminal* next_ = nullptr;
};

// restore_terminals is for an end by signal: it gives every terminal its modes back, and from then
// on none is made raw. Call it from an ordinary thread, not from a signal handler.
void restore_terminals() noexcept;

}  // namespace vouchsafe::lab
