#include "vouchsafe/net/operate.h"

#include <algorithm>

#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"

namespace vouchsafe::net {

Operate::Operate(std::string service, const Metrics& metrics, std::vector<HealthCheck> alive,
                 std::chrono::milliseconds keep)
    : service_(std::move(service)), metrics_(metrics), keep_(keep) {
    alive_.checks = std::move(alive);
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

void Operate::accept(std::vector<HealthCheck> ready) {
    std::lock_guard lock(ready_.mutex);
    ready_.checks = std::move(ready);
    state_ = State::accepting;
}

void Operate::stop_accepting() {
    state_ = State::stopping;
    std::lock_guard lock(ready_.mutex);
    ready_.checks.clear();
    ready_.failed.clear();
}

// refresh runs the checks whose results are too old; with the mutex held.
void Operate::refresh(Checked& checked) {
    if (std::chrono::steady_clock::now() < checked.until) return;
    std::vector<std::string> failed;
    for (const HealthCheck& check : checked.checks) {
        Result<void> held = check.run();
        bool failed_before =
            std::count(checked.failed.begin(), checked.failed.end(), check.name) > 0;
        if (!held) failed.push_back(check.name);
        if (!held && !failed_before) {
            log_event(
                LogLevel::error, "a health check fails",
                {{"service", service_}, {"check", check.name}, {"reason", held.error().message}});
        } else if (held && failed_before) {
            log_event(LogLevel::warn, "a health check holds again",
                      {{"service", service_}, {"check", check.name}});
        }
    }
    checked.failed = std::move(failed);
    checked.until = std::chrono::steady_clock::now() + keep_;
}

Response Operate::judge(Checked& checked) {
    refresh(checked);
    std::vector<std::string> names;
    for (const HealthCheck& check : checked.checks) names.push_back(check.name);
    return answer(checked.failed.empty() ? "ok" : "failed", names, checked.failed);
}

Response Operate::healthy() {
    std::lock_guard lock(alive_.mutex);
    return judge(alive_);
}

// The state is asked before the lock, for a check may take long, and again with it.
Response Operate::ready() {
    if (state_ == State::accepting) {
        std::lock_guard lock(ready_.mutex);
        if (state_ == State::accepting) return judge(ready_);
    }
    return answer(state_ == State::starting ? "starting" : "stopping", {}, {});
}

Response Operate::answer(std::string_view status, const std::vector<std::string>& checks,
                         const std::vector<std::string>& failed) const {
    return json_response(
        status == "ok" ? 200 : 503,
        {{"service", service_}, {"status", status}, {"checks", checks}, {"failed", failed}});
}

}  // namespace vouchsafe::net
