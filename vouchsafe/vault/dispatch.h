// One request's way through the vault: who calls, may they, do it, record it, answer. Private to
// vault/.
#pragma once

#include <memory>

#include "vouchsafe/audit/flood_gate.h"
#include "vouchsafe/base/kept.h"
#include "vouchsafe/net/router.h"
#include "vouchsafe/vault/operations.h"

namespace vouchsafe::vault {

// Dispatcher borrows the core. Thread-safe.
class Dispatcher {
  public:
    explicit Dispatcher(Core& core);

    // handle is the whole service. Without a token every request to a vault is answered with the
    // challenge, whatever its path, method and body (azure-api 0.7).
    net::Response handle(const net::Request& request);
    std::string_view route_of(const net::Request& request) const {
        return router_.route_of(request);
    }

  private:
    net::Response answer(const net::Request& request);
    // count_stranger counts a request by address; it returns what it is over.
    std::optional<net::Throttled> count_stranger(const net::Request& request);
    // count fails, and tells the call so, if it is over the limit. A request that is judged again
    // does not count again.
    Result<void> count(Call& call, net::LimitScope scope, std::string_view name);
    net::Response run(const Operation& operation, const net::Request& request);
    enum class From { memory, store };
    // Attempt is a request that is judged, once or twice. It borrows operation and request.
    struct Attempt {
        Attempt(const Operation& what, const net::Request& of)
            : operation(what), request(of), may_pend(of.may_pend) {}
        Attempt(const Attempt&) = delete;
        Attempt& operator=(const Attempt&) = delete;

        const Operation& operation;
        const net::Request& request;
        bool may_pend;
        CountedFor counted_for;
        std::optional<Call> call;
        Result<void> recorded = fail(Code::internal, "the call is not recorded");
    };
    using AttemptPtr = std::shared_ptr<Attempt>;
    // try_run answers, or returns nullopt if what the call was judged by was remembered
    // (From::memory) and is outdated: then it did nothing.
    std::optional<net::Response> try_run(const AttemptPtr& attempt, From from);
    // pend answers when the call is recorded.
    net::Response pend(const AttemptPtr& attempt);
    // conclude is the answer to what was done; nullopt as for try_run.
    std::optional<net::Response> conclude(Call& call, const Result<Json>& done);
    Result<Json> judge_and_act(Call& call, From from);
    // is_outdated asks the store about what a call that failed was judged by.
    bool is_outdated(const Call& call);
    // judge is who calls and whether they may. It goes by the vault as it was when last read; the
    // snapshot in which roles and object are read tells whether it still is so, and if not all is
    // judged anew. So a vault that was changed, by another replica too, counts at once.
    // From::memory: instead of that snapshot it takes what the store recalls.
    Result<void> judge(Call& call, From from);
    // meet_caller is what is judged of a call without its roles.
    Result<void> meet_caller(Call& call, const access::CallerRules& rules);
    // Known is a vault and what its callers are judged by.
    struct Known {
        StoredVault stored;
        access::CallerRules callers;
    };
    using KnownVault = std::shared_ptr<const Known>;
    Result<KnownVault> read_vault_now(const Address& address);  // Code::not_found
    // tell_verdict: `error` is nullptr if it was done.
    void tell_verdict(const Call& call, const Error* error) const;
    void record_failure(const Call& call, const Error& error);
    net::Response challenge(const VaultInfo& vault, net::Response response) const;

    Core& core_;
    net::Router router_;
    Kept<Known, 256> vaults_;  // by their names in lower case
    // By vault, which has few callers. Of a known one many machines may be refused at once.
    audit::FloodGates unknown_callers_{60, 1};
    audit::FloodGates known_callers_{600, 1};
};

// routes returns the table of routes.cpp, secrets::routes that of secrets/routes.cpp.
struct Route {
    std::string_view method;
    std::string_view path;
    Operation operation;
};
const std::vector<Route>& routes();
namespace secrets {
const std::vector<Route>& routes();
}

// refusal_answer is what the network learns of an error: Azure's code, a sentence without what was
// expected and found, the check's code (also as header x-vouchsafe-check) and the request id.
// `collection` is the operation's: what is not found is a key or a secret.
net::Response refusal_answer(const Error& error, bool vault_known, std::string_view request_id,
                             std::string_view collection);

}  // namespace vouchsafe::vault
