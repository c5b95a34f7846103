// What a service tells its operators and their machines, on a listener of its own: does it live, is
// it ready, its metrics. Plain HTTP without any login, for loopback or a management network. It
// tells names and numbers; the sentences about what is wrong are in the log.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "vouchsafe/base/metrics.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::net {

// HealthCheck finds out whether one thing works that a service cannot do without. `run` may be
// called from any thread, one at a time.
struct HealthCheck {
    std::string name;  // "store_writable"
    std::function<Result<void>()> run;
};

// HealthTiming: how long what a check found holds, and after how long one that runs has failed.
struct HealthTiming {
    std::chrono::milliseconds keep{2000};
    std::chrono::milliseconds slow{2000};
};

// Operate is thread-safe.
//
//   GET /healthz  200, or 503 if one of the checks `alive` fails: restart the process
//   GET /readyz   200, or 503 before accept(), after stop_accepting(), and while one of the checks
//                 `ready` fails: send requests elsewhere
//   GET /metrics  Metrics::text()
//
// The first two answer {"service","status","checks","failed"}: the status is "ok", "failed",
// "starting" or "stopping"; the others name what was checked and what failed. HEAD works too. What
// checks found holds for HealthTiming::keep, so that whoever asks cannot keep the service busy. Who
// asks while they run does not wait: what they found last holds, but for a check that has been
// running for longer than HealthTiming::slow, which then counts as failed. A check that begins to
// fail, or holds again, is logged.
class Operate {
  public:
    // Borrows `metrics`. Runs `alive` once.
    Operate(std::string service, const Metrics& metrics, std::vector<HealthCheck> alive,
            HealthTiming timing = {});

    // handler borrows this.
    Handler handler();

    // accept: the service takes requests now, and is ready as long as these hold. Runs them once.
    void accept(std::vector<HealthCheck> ready);
    // stop_accepting waits for a running check; afterwards those of accept() are not called again.
    void stop_accepting();

  private:
    enum class State { starting, accepting, stopping };

    using Instant = std::chrono::steady_clock::time_point;

    // Checked is a list of checks and what they found last.
    struct Checked {
        std::mutex mutex;              // holds what follows
        std::condition_variable done;  // `running` became false
        std::vector<HealthCheck> checks;
        std::vector<std::string> failed;
        Instant until{};           // `failed` holds until then
        bool running = false;      // a thread runs the checks, without the mutex
        std::string current = {};  // the one it is at
        Instant since{};           // and when it came to that
    };

    void replace(Checked& checked, std::vector<HealthCheck> checks);
    void refresh(Checked& checked, std::unique_lock<std::mutex>& lock);
    bool run(const HealthCheck& check, bool failed_before) const;
    Response judge(Checked& checked, std::unique_lock<std::mutex>& lock);
    Response healthy();
    Response ready();
    Response answer(std::string_view status, const std::vector<std::string>& checks,
                    const std::vector<std::string>& failed) const;

    const std::string service_;
    const Metrics& metrics_;
    const HealthTiming timing_;
    std::atomic<State> state_ = State::starting;
    Checked alive_;
    Checked ready_;
    Router router_;
};

}  // namespace vouchsafe::net
