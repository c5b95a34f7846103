// When to ask again after a failure. For collateral_store.cpp alone; its lock guards it.
#pragma once

#include <map>

#include "vouchsafe/attest/collateral/collateral_fetch.h"

namespace vouchsafe::attest {

// FetchBackoff remembers failures of pieces and of whole services.
class FetchBackoff {
  public:
    explicit FetchBackoff(const CollateralConfig& config) : config_(config) {}

    // blocked returns why a piece must not be asked for now, or nullptr. A clock that was set back
    // blocks nothing.
    const std::string* blocked(const CollateralName& name, Time now) const;
    // has_room is false if too many other pieces failed lately to remember one more.
    bool has_room(const CollateralName& name, Time now);
    void failed(const CollateralName& name, const FetchOutcome& outcome, Time now);
    void succeeded(const CollateralName& name);

    // failing returns the last problem of each piece and service that has one.
    std::map<std::string, std::string> failing() const;

  private:
    struct Failure {
        unsigned count = 0;
        Time tried;
        Seconds wait{};
        std::string problem;
        bool blocks(Time now) const { return tried <= now && now < tried + wait; }
    };
    std::string service_of(const CollateralName& name) const;

    const CollateralConfig& config_;
    std::map<CollateralName, Failure> pieces_;
    std::map<std::string, Failure> services_;  // by origin
};

}  // namespace vouchsafe::attest
