// Functions of address ranges: parseCidr, cidrSubnet, cidrHost, for IPv4 and IPv6.
#include <arpa/inet.h>

#include <array>
#include <charconv>

#include "vouchsafe/cloud/template/functions.h"

namespace vouchsafe::cloud {

namespace {

// Number is an address, for both families; an IPv4 address is in the low 32 bits.
using Number = unsigned __int128;

struct Range {
    Number first = 0;
    int bits = 32;  // of an address
    int prefix = 0;

    int host_bits() const { return bits - prefix; }
    Number mask() const { return prefix == 0 ? 0 : ~Number{0} << host_bits(); }
    Number last() const { return first | hosts(); }
    Number hosts() const {
        return host_bits() == 128 ? ~Number{0} : (Number{1} << host_bits()) - 1;
    }
};

std::string show_address(Number address, int bits) {
    std::array<uint8_t, 16> bytes{};
    const size_t size = static_cast<size_t>(bits) / 8;
    for (size_t i = 0; i < size; ++i) {
        bytes[i] = static_cast<uint8_t>(address >> (8 * (size - 1 - i)));
    }
    char text[INET6_ADDRSTRLEN] = {};
    inet_ntop(bits == 32 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
    return text;
}

tl::unexpected<Error> no_range(const std::string& text) {
    return fail(Code::invalid, "{} is no address range like 10.0.0.0/16", show_json(Json(text)));
}

Result<Range> range_at(const Arguments& arguments) {
    const std::string text = TRY(text_at(arguments, 0));
    const size_t slash = text.find('/');
    // The address is read as a C text, which would end at a zero byte.
    if (slash == std::string::npos || text.find('\0') < slash) return no_range(text);
    Range out;
    const bool six = text.find(':') < slash;
    out.bits = six ? 128 : 32;
    std::array<uint8_t, 16> bytes{};
    if (inet_pton(six ? AF_INET6 : AF_INET, text.substr(0, slash).c_str(), bytes.data()) != 1) {
        return no_range(text);
    }
    for (int i = 0; i < out.bits / 8; ++i) out.first = out.first << 8 | bytes[size_t(i)];
    const char* end = text.data() + text.size();
    unsigned prefix = 0;
    auto parsed = std::from_chars(text.data() + slash + 1, end, prefix);
    if (parsed.ec != std::errc() || parsed.ptr != end || prefix > unsigned(out.bits)) {
        return no_range(text);
    }
    out.prefix = static_cast<int>(prefix);
    out.first &= out.mask();
    return out;
}

// usable is the first address that a host can have, and the last: of IPv4, all but the network's
// and the broadcast's, where there are others.
std::pair<Number, Number> usable(const Range& range) {
    const bool outer = range.bits == 32 && range.host_bits() > 1;
    return {range.first + (outer ? 1 : 0), range.last() - (outer ? 1 : 0)};
}

Result<Json> parse_cidr(const Arguments& arguments, const Bindings&) {
    const Range range = TRY(range_at(arguments));
    auto show = [&](Number address) { return show_address(address, range.bits); };
    const auto [first, last] = usable(range);
    const Number netmask = range.bits == 32 ? range.mask() & 0xffffffff : range.mask();
    Json out = {{"network", show(range.first)},
                {"netmask", show(netmask)},
                {"firstUsable", show(first)},
                {"lastUsable", show(last)},
                {"cidr", range.prefix}};
    if (range.bits == 32) out["broadcast"] = show(range.last());
    return out;
}

Result<Json> cidr_subnet(const Arguments& arguments, const Bindings&) {
    const Range range = TRY(range_at(arguments));
    const int64_t prefix = TRY(number_at(arguments, 1));
    const int64_t index = TRY(number_at(arguments, 2));
    if (prefix < range.prefix || prefix > range.bits) {
        return fail(Code::invalid, "argument 2 must be {} to {}", range.prefix, range.bits);
    }
    const int more = static_cast<int>(prefix) - range.prefix;
    if (index < 0 || (more < 63 && index >= int64_t{1} << more)) {
        return fail(Code::invalid, "the range has no subnet number {}", index);
    }
    const int shift = range.bits - static_cast<int>(prefix);
    const Number first = range.first | (shift == 128 ? 0 : Number(index) << shift);
    return Json(fmt::format("{}/{}", show_address(first, range.bits), prefix));
}

Result<Json> cidr_host(const Arguments& arguments, const Bindings&) {
    const Range range = TRY(range_at(arguments));
    const int64_t index = TRY(number_at(arguments, 1));
    // Of IPv6 too, number 0 is not the network's own address.
    const Number first = range.host_bits() > 1 ? range.first + 1 : range.first;
    if (index < 0 || Number(index) > usable(range).second - first) {
        return fail(Code::invalid, "the range has no host number {}", index);
    }
    return Json(show_address(first + Number(index), range.bits));
}

// By name in lower case, sorted.
constexpr Function kCidrFunctions[] = {
    {"cidrhost", 2, 2, cidr_host},
    {"cidrsubnet", 3, 3, cidr_subnet},
    {"parsecidr", 1, 1, parse_cidr},
};

}  // namespace

std::span<const Function> cidr_functions() {
    return kCidrFunctions;
}

}  // namespace vouchsafe::cloud
