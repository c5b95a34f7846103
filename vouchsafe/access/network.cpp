#include "vouchsafe/access/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace vouchsafe::access {

namespace {

struct IpAddress {
    bool v4 = false;
    std::array<uint8_t, 16> bytes{};  // IPv4: the first four
};

std::optional<IpAddress> parse_address(std::string_view text) {
    const std::string terminated(text);
    if (terminated.find('\0') != std::string::npos) return std::nullopt;
    IpAddress out;
    out.v4 = true;
    if (::inet_pton(AF_INET, terminated.c_str(), out.bytes.data()) == 1) return out;
    out.v4 = false;
    if (::inet_pton(AF_INET6, terminated.c_str(), out.bytes.data()) != 1) return std::nullopt;
    constexpr std::array<uint8_t, 12> kMapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (!std::equal(kMapped.begin(), kMapped.end(), out.bytes.begin())) return out;
    IpAddress mapped;
    mapped.v4 = true;
    std::copy(out.bytes.begin() + 12, out.bytes.end(), mapped.bytes.begin());
    return mapped;
}

bool bit_at(const std::array<uint8_t, 16>& bytes, unsigned bit) {
    return (bytes.at(bit / 8) >> (7 - bit % 8) & 1U) != 0;
}

}  // namespace

Result<Network> Network::parse(std::string_view text) {
    const size_t slash = std::min(text.find('/'), text.size());
    const auto address = parse_address(text.substr(0, slash));
    if (!address) {
        return fail(Code::invalid, "'{}' is no network: write 10.1.0.0/16 or 2001:db8::/32", text);
    }
    Network out;
    out.v4_ = address->v4;
    out.bytes_ = address->bytes;
    const unsigned bits = out.v4_ ? 32 : 128;
    out.prefix_ = bits;
    if (slash < text.size()) {
        const std::string_view digits = text.substr(slash + 1);
        auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), out.prefix_);
        const bool number = error == std::errc() && end == digits.data() + digits.size();
        // A prefix of a mapped address could mean bits of either form.
        const bool mapped = out.v4_ && text.find(':') != std::string_view::npos;
        if (!number || out.prefix_ > bits || mapped) {
            return fail(Code::invalid, "'{}': a prefix of this address has 0 to {} bits", text,
                        bits);
        }
    }
    for (unsigned bit = out.prefix_; bit < bits; ++bit) {
        if (!bit_at(out.bytes_, bit)) continue;
        return fail(Code::invalid, "'{}': the address has bits behind the prefix", text);
    }
    return out;
}

bool Network::contains(std::string_view address) const {
    const auto parsed = parse_address(address);
    if (!parsed || parsed->v4 != v4_) return false;
    for (unsigned bit = 0; bit < prefix_; ++bit) {
        if (bit_at(parsed->bytes, bit) != bit_at(bytes_, bit)) return false;
    }
    return true;
}

Result<void> check_network(const std::vector<std::string>& networks, std::string_view address,
                           Checks& checks) {
    if (networks.empty()) return {};
    bool inside = false;
    for (const std::string& text : networks) {
        Result<Network> network = Network::parse(text);
        if (!network) return fail(Code::io, "the stored network {} is damaged", text);
        inside = inside || network->contains(address);
    }
    return checks.require(inside, "CALLER-NETWORK", "address",
                          fmt::format("{}", fmt::join(networks, ", ")), std::string(address));
}

}  // namespace vouchsafe::access
