// Router: one table per service, in its routes.cpp. Literal segments compare without case
// (azure-api 0.3), "{name}" takes one segment, and "{name*}" at the end any number of them, which
// are not put into `params`: Request::path has them. Empty segments never count, so
// "/keys/k//release" is "/keys/k/release".
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

class Router {
  public:
    void add(std::string_view method, std::string_view pattern, Handler handler);

    // handle runs the row that fits; literals beat parameters in the same place, from the left, and
    // a row with "{name*}" is beaten by all others whose method fits. 404
    // if no path fits, 405 with Allow if only the method does not (HEAD is a method like others).
    // Bodies and content types are the handler's business (azure-api 0.7).
    //
    // The handler finds a fresh GUID in request.params["request_id"]; the answer carries it as
    // x-ms-request-id unless the handler set that header itself. x-ms-client-request-id is echoed,
    // reduced to at most 128 visible ASCII characters. A handler that throws becomes 500 with the
    // request id and no further word; the log has the exception's type under that id.
    Response handle(const Request& request) const;

    // route_of returns the pattern that handle() follows, for metrics and logs: names in a path are
    // not in it. If only the method fits nowhere, the pattern that the path fits; "" if none.
    // Borrows the router.
    std::string_view route_of(const Request& request) const;

  private:
    struct Row {
        std::string method;
        std::string pattern;
        std::vector<std::string> segments;
        Handler handler;
    };
    Response dispatch(Request& request) const;

    std::vector<Row> rows_;
};

}  // namespace vouchsafe::net
