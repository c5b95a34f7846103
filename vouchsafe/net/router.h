// Router: one table per service, in its routes.cpp. Literal segments compare without case (azure-api
// 0.3), "{name}" takes one segment. Empty segments never count, so "/keys/k//release" is
// "/keys/k/release".
#pragma once

#include <string>
#include <vector>

#include "vouchsafe/net/server.h"

namespace vouchsafe::net {

class Router {
  public:
    void add(std::string_view method, std::string_view pattern, Handler handler);

    // handle runs the first row that fits. Literals beat parameters in the same place. 404 if no
    // path fits, 405 with Allow if only the method does not. Adds x-ms-request-id (fresh) and
    // echoes x-ms-client-request-id. A handler that throws becomes 500 with the request id.
    Response handle(const Request& request) const;

  private:
    struct Row {
        std::string method;
        std::vector<std::string> segments;
        Handler handler;
    };
    std::vector<Row> rows_;
};

}  // namespace vouchsafe::net
