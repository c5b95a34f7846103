#include "vouchsafe/net/observed.h"

#include <algorithm>
#include <array>

#include "vouchsafe/base/log.h"
#include "vouchsafe/base/stopwatch.h"
#include "vouchsafe/net/pending.h"

namespace vouchsafe::net {

namespace {

std::string_view known_method(std::string_view method) {
    static constexpr std::array<std::string_view, 7> kMethods = {"GET",   "HEAD",   "POST",   "PUT",
                                                                 "PATCH", "DELETE", "OPTIONS"};
    auto found = std::find(kMethods.begin(), kMethods.end(), method);
    return found == kMethods.end() ? kOtherLabel : *found;
}

class Observer {
  public:
    Observer(Handler handler, RouteOf route_of, Metrics& metrics)
        : handler_(std::move(handler)),
          route_of_(std::move(route_of)),
          requests_(metrics.counter<3>("vouchsafe_http_requests_total",
                                       "Requests answered, by status class.",
                                       {"method", "route", "status"})),
          duration_(metrics.histogram<1>("vouchsafe_http_request_duration_seconds",
                                         "Seconds from a whole request to its answer.", {"route"},
                                         kLatencyBounds)),
          in_flight_(metrics.gauge<0>("vouchsafe_http_requests_in_flight",
                                      "Requests that are being handled.", {})) {}

    Response answer(const Request& request) {
        auto seen = std::make_shared<Seen>(*this, request);
        return finished(handler_(request), [seen](Response& response) {
            seen->response = &response;
            seen->end();
        });
    }

  private:
    // Seen is one request; it ends once, also when the handler throws.
    struct Seen {
        Observer& observer;
        const Request& request;
        Stopwatch stopwatch;
        const Response* response = nullptr;
        bool ended = false;

        Seen(Observer& by, const Request& of) : observer(by), request(of) {
            observer.in_flight_.add({}, 1);
        }
        ~Seen() { end(); }
        Seen(const Seen&) = delete;
        Seen& operator=(const Seen&) = delete;

        void end() {
            if (std::exchange(ended, true)) return;
            observer.in_flight_.add({}, -1);
            observer.record(request, response, stopwatch.seconds());
        }
    };

    void record(const Request& request, const Response* response, double seconds) {
        std::string_view route = route_of_(request);
        if (route.empty()) route = "none";
        std::string_view method = known_method(request.method);
        int status = response != nullptr ? response->status : 500;
        requests_.add({method, route, fmt::format("{}xx", status / 100)});
        duration_.observe({route}, seconds);
        const Headers& headers = response != nullptr ? response->headers : kNoHeaders;
        log_event(LogLevel::info, "request",
                  {{"request_id", headers.get("x-ms-request-id")},
                   {"client_request_id", headers.get("x-ms-client-request-id")},
                   {"method", method},
                   {"route", route},
                   {"status", status},
                   {"milliseconds", static_cast<int64_t>(seconds * 1000)},
                   {"check", headers.get("x-vouchsafe-check")}});
    }

    inline static const Headers kNoHeaders;
    const Handler handler_;
    const RouteOf route_of_;
    Counter<3> requests_;
    Histogram<1> duration_;
    Gauge<0> in_flight_;
};

}  // namespace

Handler observed(Handler handler, RouteOf route_of, Metrics& metrics) {
    auto observer = std::make_shared<Observer>(std::move(handler), std::move(route_of), metrics);
    return [observer](const Request& request) { return observer->answer(request); };
}

}  // namespace vouchsafe::net
