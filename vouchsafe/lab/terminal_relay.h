// The terminals of programs in a light machine. No program there gets the user's own: where its
// output is to a terminal it gets one of the machine's, and this process passes on what is typed
// and what is printed, as ssh does; where only its input or its errors are, it gets a pipe. What
// is no terminal stays as it is.
//
//     in        out       in the machine
//     terminal  terminal  a terminal; the user's is raw: Ctrl-C comes to it as a byte
//     other     terminal  a terminal that nobody types on; the user's keeps its modes
//     terminal  other     a pipe with the lines that are typed
//
// Errors go to the same terminal as output if they did here, else through a pipe. Ctrl-] typed
// three times within a second leaves a program that took all other keys.
#pragma once

#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#include <array>
#include <optional>
#include <vector>

#include "vouchsafe/base/fd.h"
#include "vouchsafe/base/result.h"

namespace vouchsafe::lab {

class RawTerminal;

// InnerStreams is what the program gets. If `channel` is there, whoever starts it makes a terminal
// for it in the machine and sends its master out through that.
struct InnerStreams {
    std::array<int, 3> fds{0, 1, 2};    // where it gets no terminal
    std::array<bool, 3> on_terminal{};  // where it does
    int channel = -1;                   // unix socket
    std::optional<termios> modes;       // of the terminal; none: as new ones are
    bool processes = true;              // the terminal does with output as its modes say
    winsize size{};
};

// takes_raw_terminal tells whether a program with these streams gets what is typed byte by byte, so
// that no Ctrl-C at the terminal is a signal to this process.
bool takes_raw_terminal(int in, int out);

// receive_terminal takes the master of a terminal from `channel`. Code::unavailable if none comes,
// Code::forbidden for anything but a terminal's master of the file system `device`, the machine's:
// what comes is not believed.
Result<UniqueFd> receive_terminal(int channel, dev_t device);

// TerminalRelay is for one program. For one thread, and one at a time in a process: while it runs
// it heeds SIGWINCH, SIGCONT and SIGTSTP, and ignores SIGPIPE.
class TerminalRelay {
  public:
    // prepare decides by what the streams are, which it borrows, what there is inside. Code::io if
    // they cannot be opened anew, or there are too many open files.
    static Result<TerminalRelay> prepare(const std::array<int, 3>& streams);
    const InnerStreams& inside() const { return inside_; }

    // connect is for when the program's process has been started: it gives up what that has now,
    // and takes its terminal. Fails as receive_terminal.
    Result<void> connect(dev_t device);

    // run passes bytes on until `ended`, one end of a pipe, hangs up because the program has ended.
    // Then all that it printed is passed on, whoever else still has its terminal, and nothing more
    // of what is typed. It holds a buffer each way and reads nothing that it has no room for. It
    // does not allocate, and gives the user's terminal its modes back.
    enum class End { program, hung_up };  // hung_up: the user's terminal went, or the user left
    End run(int ended) noexcept;

    struct Way;  // one direction; private to terminal_relay.cpp
    TerminalRelay(TerminalRelay&&) noexcept;
    ~TerminalRelay();

  private:
    TerminalRelay();
    Result<void> add_terminal();
    Result<void> add_pipe(size_t stream);
    void look(RawTerminal& raw) noexcept;
    End pass_on(RawTerminal& raw, int ended) noexcept;

    std::array<int, 3> streams_{};  // the user's; borrowed
    InnerStreams inside_;
    std::vector<UniqueFd> handed_;  // what `inside_` names
    UniqueFd channel_;
    UniqueFd master_;
    std::vector<Way> ways_;
    bool typed_ = false;   // something passes on what is typed
    bool reading_ = true;  // and may read it now
};

}  // namespace vouchsafe::lab
