#include "vouchsafe/lab/raw_terminal.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <mutex>

namespace vouchsafe::lab {

namespace {

// Live objects, for restore_terminals.
std::mutex g_terminals_mutex;
RawTerminal* g_terminals = nullptr;
bool g_terminals_over = false;

// A background process that changes its terminal is stopped; one that blocks this signal is not.
void set_modes(int terminal, const termios& modes) noexcept {
    sigset_t stop;
    sigset_t before;
    ::sigemptyset(&stop);
    ::sigaddset(&stop, SIGTTOU);
    ::pthread_sigmask(SIG_BLOCK, &stop, &before);
    ::tcsetattr(terminal, TCSANOW, &modes);
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

bool reads_from(int terminal) noexcept {
    const pid_t foreground = ::tcgetpgrp(terminal);
    return foreground < 0 || foreground == ::getpgrp();
}

RawTerminal::RawTerminal(int terminal) noexcept : terminal_(terminal) {
    std::lock_guard lock(g_terminals_mutex);
    next_ = g_terminals;
    g_terminals = this;
}

RawTerminal::~RawTerminal() {
    leave();
    std::lock_guard lock(g_terminals_mutex);
    RawTerminal** place = &g_terminals;
    while (*place != this) place = &(*place)->next_;
    *place = next_;
}

void RawTerminal::enter() noexcept {
    std::lock_guard lock(g_terminals_mutex);
    if (terminal_ < 0 || g_terminals_over || !reads_from(terminal_)) return;
    if (!known_ && ::tcgetattr(terminal_, &modes_) != 0) return;
    known_ = true;
    termios raw = modes_;
    ::cfmakeraw(&raw);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    set_modes(terminal_, raw);
    raw_ = true;
}

void RawTerminal::leave() noexcept {
    std::lock_guard lock(g_terminals_mutex);
    if (raw_ && reads_from(terminal_)) set_modes(terminal_, modes_);
    raw_ = false;
}

void restore_terminals() noexcept {
    std::lock_guard lock(g_terminals_mutex);
    g_terminals_over = true;
    for (RawTerminal* one = g_terminals; one != nullptr; one = one->next_) {
        if (one->raw_ && reads_from(one->terminal_)) set_modes(one->terminal_, one->modes_);
        one->raw_ = false;
    }
}

}  // namespace vouchsafe::lab
