// The attestation service under load over TLS: AzureGuest requests, audit entries on disk included.
#define VS_TEST_CA_BITS 4096  // as AMD's
#include "bench/environment.h"
#include "bench/guest_bodies.h"
#include "bench/load.h"
#include "vouchsafe/attest/service.h"
#include "vouchsafe/attest/test_guest.h"

namespace vouchsafe::bench {
namespace {

using namespace attest::testing;

// Office is what a service needs, for ever: it ends with its process.
struct Office {
    explicit Office(const Path& folder)
        : store(MUST(store::open_sqlite(folder / "store.db"))), log(*store) {
        keep_ark_list(folder / "collateral");
        collateral = MUST(attest::CollateralStore::create(
            {}, attest::CollateralPack(folder / "collateral"), anchors, clock));
        attest::Config config;
        config.directory = folder / "keys";
        service = MUST(attest::Service::create(
            config, {*store, log, clock, anchors, nullptr, collateral.get()}));
    }
    FixedClock clock{test_time()};
    evidence::TrustAnchors anchors = test_anchors();
    std::unique_ptr<store::Store> store;
    audit::Log log;
    std::unique_ptr<attest::CollateralStore> collateral;
    std::unique_ptr<attest::Service> service;
};

std::vector<net::ClientRequest> requests(const LoadedServer& server,
                                         std::vector<std::string> bodies) {
    std::vector<net::ClientRequest> out;
    for (std::string& body : bodies) {
        net::ClientRequest request;
        request.method = "POST";
        request.url = server.url("/attest/AzureGuest?api-version=2020-10-01");
        request.headers.set("Content-Type", "application/json");
        request.body = std::move(body);
        out.push_back(std::move(request));
    }
    return out;
}

void run() {
    (void)keys();  // the same in both processes
    TemporaryDir dir = MUST(TemporaryDir::create("attest-load-bench"));
    LoadedServer server([&](net::ServerOptions options) {
        auto* office = new Office(dir.path());
        return MUST(net::Server::start(std::move(options), office->service->handler()));
    });
    idle_memory(server, "/certs", 1000);
    measure(server, {"AzureGuest, a machine's next", requests(server, {guest_request(Machine{})})});
    measure(server, {"AzureGuest, with a new report",
                     requests(server, bodies_with_new_reports(kMoreThanKept))});
    measure(server, {"AzureGuest, a processor's first",
                     requests(server, bodies_of_new_processors(kMoreThanKept))});
}

}  // namespace
}  // namespace vouchsafe::bench

int main() {
    vouchsafe::bench::print_environment();
    vouchsafe::bench::run();
    return 0;
}
