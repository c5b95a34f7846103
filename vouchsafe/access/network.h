// Networks that may reach a service: "10.1.0.0/16", "2001:db8::/32", or a single address. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::access {

// Network is IPv4 or IPv6; IPv4 addresses that are written as IPv6 (::ffff:10.1.2.3) are IPv4.
class Network {
  public:
    // parse is strict: bits behind the prefix are zero, so that what is written is what is meant.
    // Code::invalid.
    static Result<Network> parse(std::string_view text);

    // contains is false too for what is no address.
    bool contains(std::string_view address) const;

  private:
    bool v4_ = false;
    std::array<uint8_t, 16> bytes_{};
    unsigned prefix_ = 0;  // bits
};

// check_network checks CALLER-NETWORK: one of the networks has the address. Without networks every
// address may come.
Result<void> check_network(const std::vector<std::string>& networks, std::string_view address,
                           Checks& checks);

}  // namespace vouchsafe::access
