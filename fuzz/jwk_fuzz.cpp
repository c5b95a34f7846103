// JwkSet::parse: every key it reads is written and read again as the same key.
#include <cstdlib>

#include "vouchsafe/base/json.h"
#include "vouchsafe/jose/jwk.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto json = parse_json(as_text({data, size}));
    if (!json) return 0;
    auto keys = jose::JwkSet::parse(*json);
    if (!keys) {
        expect(keys.error().code == Code::invalid);
        return 0;
    }
    expect(keys->entries().size() <= 64);
    for (const auto& entry : keys->entries()) {
        Json jwk = jose::encode_jwk(entry.key);
        expect(MUST(jose::parse_jwk(jwk)) == entry.key);
        expect(jose::thumbprint(entry.key).size() == 32);
    }
    return 0;
}
