// A resource manager with its store, issuer and effects for the tests, and requests without a
// socket.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "vouchsafe/access/test_web.h"
#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/file.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/cloud/service.h"
#include "vouchsafe/net/target.h"

namespace vouchsafe::cloud::testing {

// The ids of the recordings (tests/vectors/recordings).
inline const std::string kTenant = "11111111-1111-4111-8111-111111111111";
inline const std::string kSubscription = "22222222-2222-4222-8222-222222222222";
inline const std::string kOwner = "33333333-3333-4333-8333-333333333333";
inline const std::string kMachine = "44444444-4444-4444-8444-444444444444";  // a stranger at first
inline const std::string kS = "/subscriptions/" + kSubscription;
inline const std::string kGroup = kS + "/resourceGroups/rg";
inline const std::string kVersion = "?api-version=2021-04-01";
inline const std::string kLogin = "https://login.microsoftonline.com/" + kTenant + "/v2.0";

inline Time test_time() {
    return MUST(parse_rfc3339("2026-07-01T12:00:00Z"));
}

inline const access::testing::TestIssuer& test_issuer() {
    static const access::testing::TestIssuer issuer{"k",
                                                    MUST(crypto::PrivateKey::generate_rsa(2048))};
    return issuer;
}

// token is one of the lab's issuer; `change` replaces claims.
inline std::string token(const std::string& object_id = kOwner,
                         const Json& change = Json::object()) {
    Json claims = {{"aud", "https://management.core.windows.net/"},
                   {"iss", "https://sts.windows.net/" + kTenant + "/"},
                   {"tid", kTenant},
                   {"oid", object_id},
                   {"appid", "az"},
                   {"nbf", to_unix(test_time()) - 60},
                   {"exp", to_unix(test_time()) + 3600 * 24 * 365}};
    claims.update(change);
    return test_issuer().token(claims);
}

// FakeEffects writes down what it was told, and fails or ends the process' work when asked to.
class FakeEffects : public Effects {
  public:
    bool concerns(std::string_view type) const override {
        return equal_ignore_case(type, "Microsoft.KeyVault/vaults") ||
               equal_ignore_case(type, "Microsoft.Compute/virtualMachines") ||
               equal_ignore_case(type, "Microsoft.Authorization/roleAssignments");
    }
    Outcome<Json> put(const Resource& now, const Resource* before) override {
        told.push_back((before == nullptr ? "new " : "change ") + now.name);
        actors.push_back(now.actor);
        TRY(maybe_fail());
        return add;
    }
    Outcome<void> remove(const Resource& resource) override {
        told.push_back("remove " + resource.name);
        actors.push_back(resource.actor);
        return maybe_fail();
    }
    Outcome<void> act(const Resource& resource, std::string_view action) override {
        told.push_back(std::string(action) + " " + resource.name);
        actors.push_back(resource.actor);
        return maybe_fail();
    }

    std::optional<Condition> condition(const Resource&) const override { return machine; }

    std::vector<std::string> told;
    std::optional<Condition> machine;  // as it is
    std::vector<std::string> actors;   // who asked for each
    Json add = Json::object();
    std::optional<Error> failure;
    bool dies = false;  // after the effect, before the record

    struct Death {};

  private:
    Result<void> maybe_fail() {
        if (dies) throw Death{};
        if (failure) return fail(*failure);
        return {};
    }
};

struct Reply {
    int status = 0;
    net::Headers headers;
    std::string text;
    Json body;  // null if there is none

    std::string code() const {
        const Json* error = find_member(body, "error");
        return error == nullptr ? "" : text_or_empty(*error, "code");
    }
};

inline TemporaryDir make_dir() {
    return MUST(TemporaryDir::create("cloud"));
}
inline std::unique_ptr<store::Store> open_store(const Path& dir) {
    return MUST(store::open_sqlite(dir / "store.db"));
}

struct Manager {
    TemporaryDir dir = make_dir();
    std::unique_ptr<store::Store> store = open_store(dir.path());
    FixedClock clock{test_time()};
    access::testing::FakeWeb web;
    FakeEffects effects;
    std::map<std::string, std::string> directory;  // object id -> kind; empty: there is none
    std::unique_ptr<Service> service;

    explicit Manager(bool group = true) {
        web.serve(kLogin, test_issuer());
        start();
        if (group) make_group("rg");
    }
    void start() {
        Config config;
        config.callers.tenant = kTenant;
        config.subscription_id = kSubscription;
        config.owners = {kOwner};
        Dependencies deps{*store, clock, web.fetch(), &effects};
        if (!directory.empty()) {
            deps.principal_kind = [this](const std::string& id) -> Result<std::string> {
                auto found = directory.find(id);
                return found == directory.end() ? std::string() : found->second;
            };
        }
        service = MUST(Service::create(config, deps));
        MUST(service->resume());
    }
    void make_group(const std::string& name) {
        const int status =
            send("PUT", kS + "/resourcegroups/" + name + kVersion, {{"location", "westeurope"}})
                .status;
        if (status != 201) std::abort();
    }

    Reply send_raw(const std::string& method, const std::string& target, const std::string& body,
                   const std::string& bearer = token()) {
        net::Target parsed = MUST(net::parse_target(target));
        net::Request request;
        request.method = method;
        request.target = target;
        request.path = std::move(parsed.path);
        request.query = std::move(parsed.query);
        request.body = body;
        if (!bearer.empty()) request.headers.set("Authorization", "Bearer " + bearer);
        net::Response response = service->handler()(request);
        Reply out{response.status, response.headers, response.body, nullptr};
        if (!response.body.empty()) out.body = MUST(parse_json(response.body, {8 << 20, 128}));
        return out;
    }
    Reply send(const std::string& method, const std::string& target, const Json& body = nullptr,
               const std::string& bearer = token()) {
        return send_raw(method, target, body.is_null() ? "" : dump_json(body), bearer);
    }
    Reply get(const std::string& id, const std::string& query = kVersion) {
        return send("GET", id + query);
    }
    Reply put(const std::string& id, const Json& body) { return send("PUT", id + kVersion, body); }
    Reply remove(const std::string& id) { return send("DELETE", id + kVersion); }
    // put_in puts into the group and wants it made.
    Json make(const std::string& type_and_name, const Json& body) {
        Reply reply = put(kGroup + "/providers/" + type_and_name, body);
        if (reply.status != 201) {
            fmt::print(stderr, "{} {}\n", reply.status, reply.text);
            std::abort();
        }
        return reply.body;
    }
    Reply deploy(const Json& document, const Json& parameters = Json::object(),
                 const std::string& name = "d1") {
        return put(
            kGroup + "/providers/Microsoft.Resources/deployments/" + name,
            {{"properties",
              {{"mode", "Incremental"}, {"template", document}, {"parameters", parameters}}}});
    }
};

inline Json vault_body(const Json& change = Json::object()) {
    Json properties = {{"tenantId", kTenant},
                       {"sku", {{"family", "A"}, {"name", "Premium"}}},
                       {"accessPolicies", Json::array()},
                       {"enableRbacAuthorization", true}};
    properties.update(change);
    return {{"location", "westeurope"}, {"properties", properties}};
}

inline Json network_body() {
    return {{"location", "westeurope"},
            {"properties",
             {{"addressSpace", {{"addressPrefixes", {"10.10.0.0/24"}}}},
              {"subnets",
               {{{"name", "vm-subnet"}, {"properties", {{"addressPrefix", "10.10.0.0/28"}}}}}}}}};
}

}  // namespace vouchsafe::cloud::testing
