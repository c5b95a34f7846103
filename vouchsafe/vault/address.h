// Names on the wire: the vault in the Host header, object names, and the api-version.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "vouchsafe/base/result.h"

namespace vouchsafe::vault {

// Address is a vault as the client reached it.
struct Address {
    std::string vault;  // lower case
    std::string base;   // "https://{host as sent, lower case}": identifiers begin with it (A.1)

    // parse splits "{vault}.{suffix}[:port]". Code::not_found if the host is none of ours.
    static Result<Address> parse(std::string_view host, const std::vector<std::string>& suffixes);
};

bool is_vault_name(std::string_view name);   // 3 to 24 of [0-9A-Za-z-], no "--"
bool is_object_name(std::string_view name);  // 1 to 127 of [0-9A-Za-z-]
bool is_version(std::string_view version);   // 32 lower-case hex digits

// ApiVersion is the `api-version` of a request, in order of publication.
class ApiVersion {
  public:
    // parse accepts 7.0 to 7.6, previews "7.n-preview[.m]", 2025-07-01 and 2016-10-01 (A.1).
    // Code::invalid for anything else, as the real service has no default.
    static Result<ApiVersion> parse(const std::string* query_value);

    const std::string& text() const { return text_; }
    bool at_least_7(int minor) const { return minor_ >= minor; }

  private:
    ApiVersion(std::string text, int minor) : text_(std::move(text)), minor_(minor) {}
    std::string text_;
    int minor_;  // of 7.x; dated versions lie before and after
};

}  // namespace vouchsafe::vault
