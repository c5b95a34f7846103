#include "app/interrupt.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <mutex>
#include <thread>
#include <utility>

#include "vouchsafe/base/file.h"
#include "vouchsafe/lab/raw_terminal.h"

namespace vouchsafe::app {

namespace {

std::mutex g_mutex;
std::function<void()> g_handler;
std::mutex g_hangup_mutex;  // held while the handler runs
std::function<void()> g_hangup;
std::atomic<bool> g_left_to_child = false;

sigset_t signals() {
    sigset_t set;
    sigemptyset(&set);
    for (int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&set, number);
    return set;
}

[[noreturn]] void end_now(int number) {
    remove_unfinished_outputs();
    remove_temporary_dirs();
    lab::restore_terminals();
    ::_exit(128 + number);
}

// hang_up tells whether the signal was for on_hangup's handler.
bool hang_up(int number) {
    std::lock_guard lock(g_hangup_mutex);
    if (number != SIGHUP || !g_hangup) return false;
    g_hangup();
    return true;
}

void watch() {
    sigset_t set = signals();
    while (true) {
        int number = 0;
        if (sigwait(&set, &number) != 0) continue;
        if (number == SIGINT && g_left_to_child) continue;
        if (hang_up(number)) continue;
        std::function<void()> handler;
        {
            std::lock_guard lock(g_mutex);
            handler = std::exchange(g_handler, {});
        }
        if (!handler) end_now(number);
        handler();
    }
}

}  // namespace

void watch_signals() {
    sigset_t set = signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    ::signal(SIGPIPE, SIG_IGN);
    std::thread(watch).detach();
}

void on_interrupt(std::function<void()> handler) {
    std::lock_guard lock(g_mutex);
    g_handler = std::move(handler);
}

void leave_interrupts_to_child(bool leave) {
    g_left_to_child = leave;
}

void on_hangup(std::function<void()> handler) {
    std::lock_guard lock(g_hangup_mutex);
    g_hangup = std::move(handler);
}

}  // namespace vouchsafe::app
