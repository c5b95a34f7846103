// A form that parses says the same when it is written again with everything escaped. Scopes that
// parse name a resource, and the text that is kept of them means the same.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/identity/oauth.h"

using namespace vouchsafe;

namespace {

void check_scopes(std::string_view text) {
    const auto scopes = identity::parse_user_scopes(text);
    if (!scopes) return;
    const auto again = identity::parse_user_scopes(scopes->text);
    const bool same = again && again->text == scopes->text && again->resource == scopes->resource &&
                      again->openid == scopes->openid && again->offline == scopes->offline;
    if (!same || scopes->resource.empty()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    (void)identity::resource_of_scope(text);
    check_scopes(text);
    Result<identity::Form> form = identity::parse_form(text);
    if (!form) return 0;
    std::string written;
    for (const auto& [name, value] : *form) {
        written += fmt::format("{}={}&", encode_percent(name), encode_percent(value));
    }
    Result<identity::Form> again = identity::parse_form(written);
    if (!again || *again != *form) std::abort();
    return 0;
}
