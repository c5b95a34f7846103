// The resource manager of a lab: Azure Resource Manager's protocol over one store of typed records.
// Any type is stored and echoed; a table (computed.h) says what Azure computes for the types that
// its clients read, and Effects what happens in the world. Resource groups with everything in them,
// role assignments that govern it, deployments of templates, deleted vaults.
//
// Answers are final at once: no operation goes on after its answer. There is one subscription.
// Not here: locks, policies, tags of their own, management groups, what-if, moves.
#pragma once

#include <functional>
#include <memory>

#include "vouchsafe/access/key_sets.h"
#include "vouchsafe/cloud/config.h"
#include "vouchsafe/cloud/effects.h"
#include "vouchsafe/net/server.h"

namespace vouchsafe::cloud {

// What a service borrows. All of it must outlive the service.
struct Dependencies {
    store::Store& store;
    const Clock& clock;
    access::FetchJson fetch;     // key sets of token issuers
    Effects* effects = nullptr;  // nullptr: records alone
    // Tells what an object id is in the directory: "User", "Group" or "ServicePrincipal", "" if it
    // is nobody's. nullptr: nobody knows, and roles are given to all. By any thread.
    std::function<Result<std::string>(const std::string& object_id)> principal_kind = nullptr;
};

// Service is thread-safe. Writes take turns; one process at a time uses a store.
class Service {
  public:
    // create fails with Code::invalid for a bad setting. Call resume before the first request.
    static Result<std::unique_ptr<Service>> create(Config config, Dependencies deps);
    ~Service();

    // handler answers the routes of routes.cpp. It borrows the service.
    net::Handler handler();
    size_t max_body() const;  // Config::max_body, for who listens
    // route_of names a request's route, for metrics and logs (Router::route_of).
    std::string_view route_of(const net::Request& request) const;

    // resume ends what a crash left half done: each effect that had begun runs again, and its
    // record is written or erased. One that fails now is given up and logged: the record stays as
    // it was before it. It returns how many there were.
    Result<size_t> resume();

    // while_quiet runs `work` while nothing is written: what it reads stays so until its end.
    Result<void> while_quiet(const std::function<Result<void>()>& work);

    // find returns a resource as clients get it. Code::not_found.
    Result<Json> find(std::string_view id) const;
    // put is for who runs the lab: a PUT of this body, with nobody's token.
    Result<Json> put(std::string_view id, const Json& body);
    // all resources of a type ("Microsoft.Compute/virtualMachines"), as they are kept.
    Result<std::vector<Resource>> resources_of(std::string_view type) const;

    struct Impl;  // service_impl.h

  private:
    explicit Service(std::unique_ptr<Impl> impl);
    std::unique_ptr<Impl> impl_;
};

}  // namespace vouchsafe::cloud
