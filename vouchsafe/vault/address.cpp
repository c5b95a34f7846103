#include "vouchsafe/vault/address.h"

#include <algorithm>

#include "vouchsafe/base/encoding.h"

namespace vouchsafe::vault {

namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_name_character(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}
bool all_digits(std::string_view text, size_t max_size) {
    return !text.empty() && text.size() <= max_size &&
           std::all_of(text.begin(), text.end(), is_digit);
}

}  // namespace

bool is_object_name(std::string_view name) {
    return !name.empty() && name.size() <= 127 &&
           std::all_of(name.begin(), name.end(), is_name_character);
}

bool is_vault_name(std::string_view name) {
    return name.size() >= 3 && name.size() <= 24 && is_object_name(name) &&
           name.find("--") == std::string_view::npos;
}

bool is_version(std::string_view version) {
    return version.size() == 32 && std::all_of(version.begin(), version.end(), [](char c) {
               return is_digit(c) || (c >= 'a' && c <= 'f');
           });
}

Result<Address> Address::parse(std::string_view host, const std::vector<std::string>& suffixes) {
    const std::string lower = to_lower(host);
    std::string_view name = lower;
    if (size_t colon = name.find(':'); colon != std::string_view::npos) {
        if (!all_digits(name.substr(colon + 1), 5)) {
            return fail(Code::not_found, "the Host header is malformed");
        }
        name = name.substr(0, colon);
    }
    for (const std::string& suffix : suffixes) {
        const std::string ending = "." + to_lower(suffix);
        if (!name.ends_with(ending)) continue;
        std::string_view vault = name.substr(0, name.size() - ending.size());
        if (is_vault_name(vault)) return Address{std::string(vault), "https://" + lower};
    }
    return fail(Code::not_found, "there is no vault of this name here");
}

Result<ApiVersion> ApiVersion::parse(const std::string* query_value) {
    constexpr int kLastMinor = 6;
    const auto bad = [] {
        return fail(Code::invalid,
                    "api-version must be given, and be one of 7.0 to 7.6, 2025-07-01 or a 7.x "
                    "preview");
    };
    if (query_value == nullptr) return bad();
    const std::string& text = *query_value;
    if (text == "2016-10-01") return ApiVersion(text, -1);
    if (text == "2025-07-01") return ApiVersion(text, kLastMinor + 1);
    if (text.size() < 3 || text.size() > 32 || !text.starts_with("7.") || !is_digit(text[2])) {
        return bad();
    }
    const int minor = text[2] - '0';
    std::string_view rest = std::string_view(text).substr(3);
    if (rest.empty()) {
        if (minor > kLastMinor) return bad();
        return ApiVersion(text, minor);
    }
    constexpr std::string_view kPreview = "-preview";
    if (!rest.starts_with(kPreview)) return bad();
    rest.remove_prefix(kPreview.size());
    const bool numbered = rest.starts_with('.') && all_digits(rest.substr(1), 3);
    if (!rest.empty() && !numbered) return bad();
    return ApiVersion(text, minor);
}

}  // namespace vouchsafe::vault
