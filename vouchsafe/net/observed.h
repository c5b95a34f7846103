// What operators see of a service's requests: metrics, and one log line for each. Neither has
// bodies, queries, credentials or names out of paths: a request appears as its route's pattern.
// What the server refuses before any handler runs (malformed or oversized requests) is not seen.
#pragma once

#include <functional>

#include "vouchsafe/base/metrics.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

// RouteOf names the route of a request by one of a fixed set of texts, "" if it has none: as
// Router::route_of does.
using RouteOf = std::function<std::string_view(const Request&)>;

// observed wraps `handler`. Once for each Metrics, in which it declares
//   vouchsafe_http_requests_total{method,route,status}      status "2xx" to "5xx"; route "none"
//   vouchsafe_http_request_duration_seconds{route}          histogram, of the handler alone
//   vouchsafe_http_requests_in_flight                       gauge
// and logs at info level "request" with request_id (x-ms-request-id of the answer),
// client_request_id, method, route, status, milliseconds, and check: the code of the check that
// failed, "" if none did. A handler that throws is counted as 5xx. Borrows `metrics`.
Handler observed(Handler handler, RouteOf route_of, Metrics& metrics);

}  // namespace vouchsafe::net
