// GET /tcbbaselines/{type}: below which trusted computing base evidence is refused (azure-api C.1;
// Azure's definition of 2025-06-01, TcbBaselineResult). What stands there is what this service
// enforces, and nothing of what it only knows.
#pragma once

#include "vouchsafe/attest/service_impl.h"

namespace vouchsafe::attest {

// tcb_baselines is the answer's {"tcbBaselines": [...]}: for AMD's processors the floor of each
// product line (Config::minimum_tcb), for Intel's each evaluation of TCB info in force that is at
// hand, by `freshness` (CollateralStore::freshness; null: no collateral). isSelectedTcb is
// `built_in`: under the built-in policy that baseline decides, under another one the policy does.
// Members of our own begin with x-vouchsafe-. Azure's dates and versions of SGX's platform software
// are left out: nothing here depends on them. A TPM has none: an empty list.
Json tcb_baselines(policy::AttestationTarget target, const Config& config, const Json& freshness,
                   bool built_in);

// get_tcb_baselines answers 404 for a type that does not exist, 400 for one without baselines.
net::Response get_tcb_baselines(Service::Impl& service, const net::Request& request);

}  // namespace vouchsafe::attest
