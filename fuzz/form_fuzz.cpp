// A form that parses says the same when it is written again with everything escaped.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/identity/oauth.h"

using namespace vouchsafe;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::string_view text = as_text({data, size});
    (void)identity::resource_of_scope(text);
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
