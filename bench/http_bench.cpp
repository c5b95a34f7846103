// The HTTPS server alone: what a request costs that asks next to nothing of its handler, with the
// handler bare and as services have theirs (router, metrics, a log line), and one with a body as
// long as a guest's evidence.
#include <fcntl.h>

#include "bench/environment.h"
#include "bench/load.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/base/log.h"
#include "vouchsafe/net/observed.h"
#include "vouchsafe/net/router.h"

namespace vouchsafe::bench {
namespace {

constexpr size_t kEvidence = 100'000;

net::Response answer(const net::Request& request) {
    return net::json_response(200, {{"name", "constant"}, {"bytes", request.body.size()}});
}

// Service lives as long as its process.
struct Service {
    Service() {
        router.add("GET", "/things/{name}", answer);
        router.add("POST", "/things/{name}", answer);
    }

    net::Handler handler() {
        auto routed = [this](const net::Request& request) {
            return request.target == "/bare" ? answer(request) : router.handle(request);
        };
        auto observed = net::observed(
            routed, [this](const net::Request& request) { return router.route_of(request); },
            metrics);
        return [observed](const net::Request& request) {
            return request.target == "/bare" ? answer(request) : observed(request);
        };
    }

    net::Router router;
    Metrics metrics;
};

// log_nowhere: each request is logged, but not to whoever reads the numbers.
void log_nowhere() {
    set_log(LogLevel::info, LogFormat::json);
    const int nowhere = ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    require(nowhere >= 0 && ::dup2(nowhere, STDERR_FILENO) >= 0, "discarding the log");
}

std::string wanted;  // the loads whose name it is a part of; all of them: ""

void requests() {
    const LoadedServer server([](net::ServerOptions options) {
        log_nowhere();
        auto* service = new Service;
        return MUST(net::Server::start(std::move(options), service->handler()));
    });
    net::ClientRequest post{.url = server.url("/things/one")};
    post.method = "POST";
    post.body = std::string(kEvidence, 'x');
    measure(server, {"bare handler", {{.url = server.url("/bare")}}}, wanted);
    measure(server, {"router, metrics, log", {{.url = server.url("/things/one")}}}, wanted);
    measure(server, {"100 KB sent", {std::move(post)}}, wanted);
    if (wanted.empty()) idle_memory(server, "/bare", 1000);
}

}  // namespace
}  // namespace vouchsafe::bench

// An argument names what to measure: "bare".
int main(int count, char** arguments) {
    vouchsafe::bench::print_environment();
    if (count > 1) vouchsafe::bench::wanted = arguments[1];
    vouchsafe::bench::requests();
    return 0;
}
