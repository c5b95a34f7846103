// import_material: what it accepts has the public half of its secret, and no text of the request is
// left.
#include <cstdlib>

#include "vouchsafe/base/encoding.h"
#include "vouchsafe/base/json.h"
#include "vouchsafe/vault/keys/material.h"

using namespace vouchsafe;

namespace {

void expect(bool ok) {
    if (!ok) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    auto jwk = parse_json(as_text({data, size}));
    if (!jwk) return 0;
    const auto material = vault::import_material(*jwk);
    if (!material) {
        expect(material.error().code == Code::invalid ||
               material.error().code == Code::unsupported);
    } else if (material->spec.family == vault::KeyFamily::oct) {
        expect(material->spki.empty() && material->secret.size() * 8 == material->spec.bits);
    } else {
        const auto key = MUST(crypto::PrivateKey::trust_pkcs8(material->secret.expose()));
        expect(key.public_key().spki() == material->spki);
    }
    if (!jwk->is_object()) return 0;
    for (const auto& [name, value] : jwk->items()) {
        if (!value.is_string() || equal_ignore_case(name, "kty")) continue;
        expect(all_zero(as_bytes(value.get_ref<const std::string&>())));
    }
    return 0;
}
