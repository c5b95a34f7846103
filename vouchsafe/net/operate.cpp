#include "vouchsafe/net/operate.h"

#include <algorithm>
#include <exception>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::net {

Operate::Operate(std::string service, const Metrics& metrics, std::vector<HealthCheck> alive,
                 HealthTiming timing)
    : service_(std::move(service)), metrics_(metrics), timing_(timing) {
    replace(alive_, std::move(alive));
    for (const char* method : {"GET", "HEAD"}) {
        router_.add(method, "/healthz", [this](const Request&) { return healthy(); });
        router_.add(method, "/readyz", [this](const Request&) { return ready(); });
        router_.add(method, "/metrics", [this](const Request&) {
            return text_response(200, metrics_.text(), kMetricsType);
        });
    }
}

Handler Operate::handler() {
    return [this](const Request& request) {
        Response response = router_.handle(request);
        response.headers.set("Cache-Control", "no-store");
        return response;
    };
}

// replace waits for checks that run, and runs the new ones.
void Operate::replace(Checked& checked, std::vector<HealthCheck> checks) {
    std::unique_lock lock(checked.mutex);
    checked.done.wait(lock, [&] { return !checked.running; });
    checked.checks = std::move(checks);
    checked.failed.clear();
    checked.until = {};
    refresh(checked, lock);
}

void Operate::accept(std::vector<HealthCheck> ready) {
    replace(ready_, std::move(ready));
    state_ = State::accepting;
}

void Operate::stop_accepting() {
    state_ = State::stopping;
    replace(ready_, {});
}

// run logs changes.
bool Operate::run(const HealthCheck& check, bool failed_before) const {
    Result<void> held = fail(Code::internal, "the check threw an exception");
    try {
        held = check.run();
    } catch (const std::exception&) {
    }
    if (!held && !failed_before) {
        log_event(LogLevel::error, "a health check fails",
                  {{"service", service_}, {"check", check.name}, {"reason", held.error().message}});
    } else if (held && failed_before) {
        log_event(LogLevel::warn, "a health check holds again",
                  {{"service", service_}, {"check", check.name}});
    }
    return held.has_value();
}

// refresh runs the checks if what they found is too old and nobody else does.
void Operate::refresh(Checked& checked, std::unique_lock<std::mutex>& lock) {
    if (checked.running || std::chrono::steady_clock::now() < checked.until) return;
    checked.running = true;
    std::vector<std::string> failed;
    // While `running`, nobody changes the list.
    for (const HealthCheck& check : checked.checks) {
        bool failed_before =
            std::count(checked.failed.begin(), checked.failed.end(), check.name) > 0;
        checked.current = check.name;
        checked.since = std::chrono::steady_clock::now();
        lock.unlock();
        bool held = run(check, failed_before);
        lock.lock();
        if (!held) failed.push_back(check.name);
    }
    checked.failed = std::move(failed);
    checked.until = std::chrono::steady_clock::now() + timing_.keep;
    checked.running = false;
    checked.done.notify_all();
}

Response Operate::judge(Checked& checked, std::unique_lock<std::mutex>& lock) {
    refresh(checked, lock);
    std::vector<std::string> names;
    for (const HealthCheck& check : checked.checks) names.push_back(check.name);
    std::vector<std::string> failed = checked.failed;
    bool slow = checked.running &&
                std::chrono::steady_clock::now() - checked.since > timing_.slow &&
                std::count(failed.begin(), failed.end(), checked.current) == 0;
    if (slow) failed.push_back(checked.current);
    return answer(failed.empty() ? "ok" : "failed", names, failed);
}

Response Operate::healthy() {
    std::unique_lock lock(alive_.mutex);
    return judge(alive_, lock);
}

Response Operate::ready() {
    std::unique_lock lock(ready_.mutex);
    Response judged = judge(ready_, lock);
    State state = state_;  // now, for checks take time
    if (state == State::accepting) return judged;
    return answer(state == State::starting ? "starting" : "stopping", {}, {});
}

Response Operate::answer(std::string_view status, const std::vector<std::string>& checks,
                         const std::vector<std::string>& failed) const {
    return json_response(
        status == "ok" ? 200 : 503,
        {{"service", service_}, {"status", status}, {"checks", checks}, {"failed", failed}});
}

}  // namespace vouchsafe::net
