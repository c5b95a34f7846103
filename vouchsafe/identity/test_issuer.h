// A token issuer with its store and clock for the tests, and requests to handlers without a socket.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/identity/service.h"
#include "vouchsafe/jose/jwt.h"

namespace vouchsafe::identity::testing {

inline const std::string kTenant = "11111111-1111-4111-8111-111111111111";
inline const std::string kVmResource =
    "/subscriptions/66666666-6666-4666-8666-666666666666/resourceGroups/rg/providers/"
    "Microsoft.Compute/virtualMachines/MyCVM";

inline Time test_time() {
    return MUST(parse_rfc3339("2026-07-01T12:00:00Z"));
}
inline TemporaryDir make_dir() {
    return MUST(TemporaryDir::create("identity"));
}
inline std::unique_ptr<store::Store> open_store(const Path& dir) {
    return MUST(store::open_sqlite(dir / "store.db"));
}

struct Issuer {
    TemporaryDir dir = make_dir();
    std::unique_ptr<store::Store> store = open_store(dir.path());
    FixedClock clock{test_time()};
    std::unique_ptr<Service> service;

    Issuer() { service = MUST(create()); }

    Result<std::unique_ptr<Service>> create(const std::function<void(Config&)>& change = nullptr) {
        Config config;
        config.tenant_id = kTenant;
        config.directory = dir.path() / "keys";
        if (change) change(config);
        return Service::create(config, {*store, clock});
    }

    // claims verifies a token as a resource would.
    Json claims(const std::string& token, const std::string& audience) const {
        jose::JwtRules rules;
        rules.issuers = {"https://sts.windows.net/" + kTenant + "/"};
        rules.audiences = {audience};
        rules.now = clock.now();
        Checks checks;
        auto keys = MUST(jose::JwkSet::parse(service->jwks()));
        return MUST(jose::verify_jwt(token, keys, rules, checks)).claims();
    }
};

// share gives one issuer per test binary: making a key takes a moment.
inline Issuer& share() {
    static Issuer one;
    return one;
}

inline net::Request make_request(const std::string& method, const std::string& path,
                                 const std::string& body = "") {
    net::Request request;
    request.method = method;
    request.target = path;
    std::string segment;
    for (char c : path + "/") {
        if (c != '/') {
            segment += c;
        } else if (!segment.empty()) {
            request.path.push_back(std::exchange(segment, ""));
        }
    }
    request.body = body;
    return request;
}

inline Json body_of(const net::Response& response) {
    return MUST(parse_json_object(response.body));
}

}  // namespace vouchsafe::identity::testing
