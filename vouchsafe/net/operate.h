// What a service tells its operators and their machines, on a listener of its own: does it live, is
// it ready, its metrics. Plain HTTP without any login, for loopback or a management network. It
// tells names and numbers; the sentences about what is wrong are in the log.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
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

// Operate is thread-safe.
//
//   GET /healthz  200, or 503 if one of the checks `alive` fails: restart the process
//   GET /readyz   200, or 503 before accept(), after stop_accepting(), and while one of the checks
//                 `ready` fails: send requests elsewhere
//   GET /metrics  Metrics::text()
//
// The first two answer {"service","status","checks","failed"}: the status is "ok", "failed",
// "starting" or "stopping"; the others name what was checked and what failed. HEAD works too. What
// checks found holds for `keep`, so that whoever asks cannot keep the service busy. A check that
// begins to fail, or holds again, is logged.
class Operate {
  public:
    // Borrows `metrics`.
    Operate(std::string service, const Metrics& metrics, std::vector<HealthCheck> alive,
            std::chrono::milliseconds keep = std::chrono::seconds(2));

    // handler borrows this.
    Handler handler();

    // accept: the service takes requests now, and is ready as long as these hold.
    void accept(std::vector<HealthCheck> ready);
    // stop_accepting waits for a running check; afterwards those of accept() are not called again.
    void stop_accepting();

  private:
    enum class State { starting, accepting, stopping };

    // Checked is a list of checks and what they found last.
    struct Checked {
        std::mutex mutex;  // holds what follows
        std::vector<HealthCheck> checks;
        std::vector<std::string> failed;
        std::chrono::steady_clock::time_point until{};  // `failed` holds until then
    };

    void refresh(Checked& checked);
    Response judge(Checked& checked);
    Response healthy();
    Response ready();
    Response answer(std::string_view status, const std::vector<std::string>& checks,
                    const std::vector<std::string>& failed) const;

    const std::string service_;
    const Metrics& metrics_;
    const std::chrono::milliseconds keep_;
    std::atomic<State> state_ = State::starting;
    Checked alive_;
    Checked ready_;
    Router router_;
};

}  // namespace vouchsafe::net
